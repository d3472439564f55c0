from engine.disk cimport File
from libc.stdint cimport uint64_t


cdef class TableFile:
    cdef File file
    cdef str path
    cdef uint64_t number, bytes
    cdef object dictionary     # a zstandard.ZstdCompressionDict, or None
    cdef int use_dictionary(self, bytes raw, uint64_t offset) except -1
    cdef object make_decompressor(self)
