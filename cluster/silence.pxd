from libc.stdint cimport uint64_t

cdef enum:
    MEMBERS_MAX = 1024


cdef class Silence:
    cdef uint64_t[MEMBERS_MAX] since_ms      # since when an answer is due, 0: none is
    cdef uint64_t[MEMBERS_MAX] tried_ms
    cdef uint64_t[MEMBERS_MAX] refused_ms    # when a read was refused last
    cdef int asked(self, int member, uint64_t now_ms) except -1
    cdef int answered(self, int member) except -1
    cdef bint is_silent(self, int member, uint64_t now_ms) noexcept
    cdef int refused(self, int member, uint64_t now_ms) except -1
    cdef bint is_refusing(self, int member, uint64_t now_ms) noexcept
    cdef bint is_due(self, int member, uint64_t now_ms) noexcept
