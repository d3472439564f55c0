from libc.stdint cimport uint64_t


cdef struct Chunk:
    Chunk* previous
    size_t size                # of the whole mapping, this header included


cdef class Arena:
    cdef readonly uint64_t used_bytes       # handed out
    cdef readonly uint64_t mapped_bytes     # taken from the system
    cdef size_t chunk_bytes
    cdef Chunk* newest
    cdef char* free_at
    cdef size_t free_bytes
    cdef void* allocate(self, size_t count) except NULL
    cdef void* allocate_slowly(self, size_t count) except NULL
    cdef void release(self) noexcept nogil
