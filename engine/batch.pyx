"""Writes that are stored together or not at all.

    batch = Batch()
    batch.put(b"a", b"1")
    batch.delete(b"b")
    batch.delete_range(b"c", b"d")
    engine.write(batch)

The order counts: a later write of a batch supersedes an earlier one of the same key. A batch keeps
copies, one behind the other in one buffer, so that taking one in costs no Python object. It can be
written again, and then counts as new writes; clear() makes it empty and keeps its memory.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from engine.buffer cimport discard, reserve
from engine.entry cimport DELETE, PUT, RANGE_DELETE
from libc.string cimport memcpy

from engine.errors import too_large


cdef class Batch:
    """Keys and values are bytes, or anything that has a buffer."""

    def __dealloc__(self):
        discard(&self.writes)

    def put(self, key, value, uint64_t deadline_ms=0):
        """Sets a key; past the deadline (absolute, in Unix milliseconds; 0: none) it counts as gone."""
        self.add(PUT, key, value, deadline_ms, -1, 0)

    def delete(self, key):
        self.add(DELETE, key, b"", 0, -1, 0)

    def delete_range(self, start, end, int32_t offset=-1, uint8_t byte=0):
        """Deletes start <= key < end (an empty end: no bound); with offset >= 0 only the keys that
        have `byte` there."""
        self.add(RANGE_DELETE, start, end, 0, offset, byte)

    def clear(self):
        self.writes.used = 0
        self.count = 0

    def __len__(self):
        return self.count

    cdef int add(self, uint8_t kind, object key, object value, uint64_t deadline_ms,
                 int32_t offset, uint8_t byte) except -1:
        cdef bytes first = key if type(key) is bytes else bytes(memoryview(key))
        cdef bytes second = value if type(value) is bytes else bytes(memoryview(value))
        cdef Py_ssize_t key_bytes = PyBytes_GET_SIZE(first), value_bytes = PyBytes_GET_SIZE(second)
        cdef size_t size
        cdef PendingWrite* write
        if key_bytes > KEY_BYTES_MAX or key_bytes + value_bytes > PAIR_BYTES_MAX:
            raise too_large()
        size = (sizeof(PendingWrite) + <size_t>key_bytes + <size_t>value_bytes + 7) & ~<size_t>7
        reserve(&self.writes, size)
        write = <PendingWrite*>(self.writes.at + self.writes.used)
        write.deadline_ms = deadline_ms
        write.key_bytes = <uint32_t>key_bytes
        write.value_bytes = <uint32_t>value_bytes
        write.offset = offset
        write.byte = byte
        write.kind = kind
        memcpy(<char*>write + sizeof(PendingWrite), PyBytes_AS_STRING(first), key_bytes)
        memcpy(<char*>write + sizeof(PendingWrite) + key_bytes, PyBytes_AS_STRING(second), value_bytes)
        self.writes.used += size
        self.count += 1
        return 0

    cdef const char* read(self, const char* at, Entry* e, int32_t* offset,
                          uint8_t* byte) noexcept:
        """Fills `e`, without a dot, from the write at `at`; returns where the next one is."""
        cdef const PendingWrite* write = <const PendingWrite*>at
        e.key = at + sizeof(PendingWrite)
        e.key_bytes = write.key_bytes
        e.value = e.key + write.key_bytes
        e.value_bytes = write.value_bytes
        e.deadline_ms = write.deadline_ms
        e.kind = write.kind
        offset[0] = write.offset
        byte[0] = write.byte
        return at + ((sizeof(PendingWrite) + <size_t>write.key_bytes + write.value_bytes + 7)
                     & ~<size_t>7)
