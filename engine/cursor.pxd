from engine.entry cimport Entry
from engine.loads cimport Loads
from libc.stdint cimport uint32_t


cdef class Cursor:
    cdef Entry entry      # valid while `valid` is 1
    cdef bint valid
    cdef int seek(self, const char* key, uint32_t key_bytes) except -1 nogil
    cdef int advance(self) except -1 nogil
    cdef int hold(self, Loads loads) except -1
