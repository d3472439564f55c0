from libc.stdint cimport uint64_t


cdef class Compressor:
    cdef void* context
    cdef size_t bound(self, size_t size) noexcept nogil
    cdef ssize_t compress(self, char* out, size_t room, const char* at, size_t size) except -1 nogil


cdef class Dictionary:
    cdef void* made


cdef class Decompressor:
    cdef void* context
    cdef ssize_t decompress(self, Dictionary dictionary, char* out, size_t room, const char* at,
                            size_t size) noexcept nogil

cdef uint64_t content_bytes(const char* at, size_t size) noexcept nogil
