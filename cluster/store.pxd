from libc.stdint cimport uint32_t, uint64_t

cdef enum Answer:
    ABSENT = 0
    FOUND = 1
    PENDING = 2        # not in memory; asked for, the caller comes back later

cdef struct Row:
    const char* value          # borrowed until the next call of the store
    uint32_t value_bytes
    uint64_t hlc
    uint64_t actor
    uint64_t deadline_ms
    uint64_t annotation
    bint tombstone


cdef class Store:
    cdef int read(self, const char* key, uint32_t key_bytes, Row* out) except -1
    cdef int read_from(self, const char* key, uint32_t key_bytes, uint64_t floor_hlc,
                       Row* out) except -1
    cdef int write(self, const char* key, uint32_t key_bytes, const Row* row) except -1
    cdef int room(self) except -1


cdef class Walk:
    cdef public list ranges
    cdef public object error, stopped_at
    cdef public bint gentle, aborted
    cdef int take(self, const char* key, uint32_t key_bytes, const Row* row) except -1 nogil
