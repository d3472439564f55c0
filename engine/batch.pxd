from engine.buffer cimport Buffer
from engine.entry cimport Entry
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t


cdef enum:
    KEY_BYTES_MAX = 65535          # indexes hold keys whole
    PAIR_BYTES_MAX = 1 << 26       # an entry lies in one block


cdef struct PendingWrite:      # key and value follow, padded to 8 bytes
    uint64_t deadline_ms
    uint32_t key_bytes, value_bytes
    int32_t offset
    uint8_t byte, kind


cdef class Batch:
    cdef Buffer writes
    cdef Py_ssize_t count
    cdef int add(self, uint8_t kind, object key, object value, uint64_t deadline_ms,
                 int32_t offset, uint8_t byte) except -1
    cdef const char* read(self, const char* at, Entry* e, int32_t* offset,
                          uint8_t* byte) noexcept
