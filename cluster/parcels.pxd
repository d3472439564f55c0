from cluster.fields cimport Input
from cluster.store cimport Row
from libc.stdint cimport uint32_t

cdef struct Buffer:            # bytes being written
    char* at
    size_t used
    size_t room

cdef int reserve(Buffer* to, size_t more) except -1 nogil
cdef int pack(Buffer* to, const char* key, uint32_t key_bytes, const Row* row) except -1 nogil
cdef int unpack(Input* source, const char** key, uint32_t* key_bytes, Row* out) except -1
