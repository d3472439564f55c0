from libc.stdint cimport uint32_t

cdef enum:
    GROUPS_MAX = 16            # data centres that a level may count apart
    REPLICAS_MAX = 32          # replicas of a key: one bit each


cdef class Need:
    cdef readonly int groups
    cdef uint32_t[GROUPS_MAX] masks
    cdef int[GROUPS_MAX] counts
    cdef readonly bint hint_counts          # level ANY: a hint alone is enough
    cdef bint met(self, uint32_t answered) noexcept
    cdef bint possible(self, uint32_t answered, uint32_t outstanding) noexcept


cdef inline int bits(uint32_t number) noexcept nogil:
    cdef int count = 0
    while number:
        number &= number - 1
        count += 1
    return count
