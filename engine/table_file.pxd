from engine.disk cimport File
from engine.zstd cimport Dictionary
from libc.stdint cimport uint64_t


cdef class TableFile:
    cdef File file
    cdef str path
    cdef uint64_t number, bytes
    cdef Dictionary dictionary     # None: its blocks need none
    cdef int use_dictionary(self, bytes raw, uint64_t offset) except -1
