from engine.entry cimport Entry
from engine.loads cimport Loads
from libc.stdint cimport uint32_t, uint64_t

cdef struct Place:
    void* table                # borrowed from the version
    const char* least_key
    uint32_t least_key_bytes
    const char* greatest_key
    uint32_t greatest_key_bytes
    uint64_t greatest_hlc


cdef class TableSearch:
    cdef readonly object version
    cdef readonly uint64_t greatest_hlc    # of all tables
    cdef readonly int level0_count
    cdef Place* places
    cdef int* level_ends
    cdef int level_count
    cdef list keys
    cdef int find(self, const char* key, uint32_t key_bytes, uint64_t hash, Entry* out,
                  bint found, Loads loads) except -1
    cdef int lookup(self, const char* key, uint32_t key_bytes, uint64_t hash, Entry* out,
                    bint found, Loads loads) except -1
    cdef int look_into(self, Place* place, const char* key, uint32_t key_bytes, uint64_t hash,
                       Entry* out, bint* found, Loads loads) except -1
