from cluster.quorum cimport Need, REPLICAS_MAX
from libc.stdint cimport uint32_t


cdef class Plan:
    cdef readonly int partition
    cdef readonly int count                     # replicas
    cdef int[REPLICAS_MAX] members              # in the order of preference
    cdef readonly uint32_t everywhere           # all of them as bits
    cdef readonly int mine                      # this node's position, -1: not a replica
    cdef readonly tuple replicas, fallbacks, places
    cdef str here
    cdef dict read_needs, write_needs
    cdef int last_read_level, last_write_level  # most requests ask for the same
    cdef Need last_read_need, last_write_need
    cdef int position(self, int member) noexcept
    cdef Need need(self, int level, bint writing)
