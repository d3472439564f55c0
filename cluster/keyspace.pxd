from cluster.hlc cimport Clock
from cluster.store cimport Row, Store
from libc.stdint cimport int64_t, uint8_t, uint64_t


cdef class Record:
    cdef readonly bytes value
    cdef readonly uint64_t deadline_ms, hlc, actor, annotation


cdef class Writer:
    cdef public Store store
    cdef public Clock clock
    cdef public uint64_t actor
    cdef public int64_t pair_bytes_max
    cdef public int siblings_max, clock_entries_max
    cdef public bint synchronous
    cdef public tuple shown
    cdef public uint64_t hits, misses, expired, writes
    cdef uint8_t* stored


cdef class Keyspace:
    cdef public int database
    cdef readonly Writer writer
    cdef int find(self, const char* key, Py_ssize_t key_bytes, Row* row) except -1
    cdef int find_any(self, const char* key, Py_ssize_t key_bytes, Row* row) except -1
    cdef int blind(self, const char* key, Py_ssize_t key_bytes, const char* value,
                   Py_ssize_t value_bytes, uint64_t deadline_ms) except -1
    cdef int bury(self, const char* key, Py_ssize_t key_bytes) except -1
    cdef int store_row(self, const char* key, Py_ssize_t key_bytes, const Row* row) except -1
    cdef int check_pair(self, Py_ssize_t key_bytes, Py_ssize_t value_bytes) except -1
    cdef int locate(self, bytes key, Row* row) except -1
    cdef int store_state(self, bytes key, object state) except -1
