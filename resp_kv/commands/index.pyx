"""Command names to rows without making an object: open addressing over lower-cased names."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memcmp, memcpy


cdef class CommandIndex:
    """`rows` is {lower-case name: Command}; it must not change afterwards."""

    def __init__(self, dict rows):
        if len(rows) * 2 > PLACES:
            raise ValueError(f"{len(rows)} commands do not fit in {PLACES} places")
        self.rows = rows
        for name, row in rows.items():
            self.place(name, row)

    def place(self, bytes name, Command row):
        size = PyBytes_GET_SIZE(name)
        if size > NAME_BYTES_MAX:
            raise ValueError(f"command name {name!r} is longer than {NAME_BYTES_MAX} bytes")
        cdef char* text = PyBytes_AS_STRING(name)
        cdef unsigned int at = name_hash(text, size) % PLACES
        while self.places[at].size:
            at = (at + 1) % PLACES
        memcpy(self.places[at].name, text, size)
        self.places[at].size, self.places[at].row = size, <void*>row

    cdef Command find(self, const char* name, Py_ssize_t size):
        """The row of a name in any case, or None."""
        cdef char[NAME_BYTES_MAX] lower
        cdef Py_ssize_t i
        cdef unsigned int at
        if size > NAME_BYTES_MAX or size == 0:
            return None
        for i in range(size):
            lower[i] = name[i] + 32 if 65 <= name[i] <= 90 else name[i]
        at = name_hash(lower, size) % PLACES
        while self.places[at].size:
            if self.places[at].size == size and memcmp(self.places[at].name, lower, size) == 0:
                return <Command>self.places[at].row
            at = (at + 1) % PLACES
        return None


cdef unsigned int name_hash(const char* text, Py_ssize_t size) noexcept nogil:
    cdef unsigned int hash32 = 2166136261
    cdef Py_ssize_t i
    for i in range(size):
        hash32 = (hash32 ^ <unsigned char>text[i]) * 16777619
    return hash32 ^ (hash32 >> 15)
