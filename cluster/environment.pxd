from cluster.hlc cimport Clock
from cluster.store cimport Store
from libc.stdint cimport uint64_t


cdef class Environment:
    cdef public Clock clock
    cdef public Store store
    cdef public object random
    cdef public uint64_t monotonic_ms       # of this turn, kept up to date by whoever runs the node
    cdef bint send(self, int member, bytes frame) except -1
    cdef int answer(self, object link, bytes frame) except -1
    cpdef int load_soon(self) except -1
