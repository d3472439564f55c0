from libc.stdint cimport uint64_t

cdef enum:
    LOGICAL_BITS = 16


cdef class Clock:
    cdef public uint64_t now_ms      # wall clock of this turn, set by the environment
    cdef public uint64_t last        # greatest timestamp given out or seen
    cdef public uint64_t drift_ms_max
    cdef uint64_t tick(self) noexcept
