from cluster.store cimport Store
from libc.stdint cimport int64_t, uint64_t

cdef enum:
    RUNNING = 0
    WRITES_PAUSED = 1
    ALL_PAUSED = 2


cdef class Traffic:
    cdef public uint64_t commands, bytes_in, bytes_out, errors, slow_calls
    cdef public uint64_t turn_ns           # monotonic time when the last command of this turn ended
    cdef public int64_t slow_usec          # slowlog-log-slower-than; negative: never
    cdef public int paused
    cdef public long long query_bytes_max
    cdef public long long output_bytes_max
    cdef public bint tracking
    cdef public bint replicated            # commands with keys go to replicas
    cdef readonly list woken               # connections with replies from replicas
    cdef bint has_room(self, Store store) except -1
