from libc.stdint cimport uint32_t

cdef uint32_t crc32c(const void* at, size_t size) noexcept nogil
