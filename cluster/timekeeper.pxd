from libc.stdint cimport int64_t, uint64_t


cdef class Timekeeper:
    cdef public int64_t correction_ms      # what to add to the system clock
    cdef readonly uint64_t jumps           # how often the system clock was set
    cdef int members, me
    cdef int64_t drift_ms_max
    cdef int64_t offset_ms                 # system clock - monotonic clock, in the last turn
    cdef bint began
    cdef uint64_t jumped_ms, turn_ms       # monotonic: when it was set last, when the last turn was
    cdef uint64_t drained_ms               # from then on messages are not from before a pause
    cdef list heard_of                     # of each member: (its clock - our monotonic clock, when), or None
    cdef uint64_t time(self, uint64_t wall_ms, uint64_t monotonic_ms) noexcept
