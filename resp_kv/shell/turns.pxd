from libc.stdint cimport uint64_t

cdef enum:
    TURN_BUCKETS = 24


cdef class Turns:
    cdef uint64_t[TURN_BUCKETS] turn_buckets       # turns by the power of two of their microseconds
    cdef readonly uint64_t longest_turn_usec, turns
    cdef int count_turn(self, uint64_t usec) except -1
