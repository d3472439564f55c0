"""Deletes of a whole range of keys, by one record instead of one tombstone per key.

A range delete (start, end, dot, offset, byte) hides every record with start <= key < end and a
smaller dot, wherever that record lives: in a memtable, in a table, or in a write that arrives later
but is older. With offset >= 0 it hides only keys whose byte at that offset has the given value: the
server's keys carry the database number there, so that FLUSHDB costs one record.

They are few (a moved partition, a FLUSHDB), so all of them stay in memory and every read looks at
all of them; while there are none that costs one comparison. A RangeDeletes is immutable: adding makes
a new one, so that a snapshot, a flush or a compaction keeps the set that it began with.

On its way a range delete lives in the log, then (when that log is dropped) in the manifest. It is
retired when it can hide nothing any more: see `engine.retire_range_deletes`.
"""

from libc.stdlib cimport free, malloc
from libc.string cimport memcmp


class RangeDeleteRecord:
    """One range delete; `sequence` is its place in the log, for telling what has seen it."""

    __slots__ = ("actor", "byte", "end", "hlc", "offset", "sequence", "start")

    def __init__(self, start, end, hlc, actor, offset=-1, byte=0, sequence=0):
        self.start = bytes(start)
        self.end = bytes(end)
        self.hlc = hlc
        self.actor = actor
        self.offset = offset
        self.byte = byte
        self.sequence = sequence

    def check(self):
        """Raises ValueError or TypeError unless every number fits its place in the log."""
        if not (0 <= self.hlc < 1 << 64 and 0 <= self.actor < 1 << 64 and 0 <= self.byte < 256
                and -1 <= self.offset < 1 << 31 and 0 <= self.sequence < 1 << 64):
            raise ValueError("a number of a range delete is out of bounds")
        return self

    @property
    def dot(self):
        return self.hlc, self.actor

    def __eq__(self, other):
        return isinstance(other, RangeDeleteRecord) and self.key() == other.key()

    def __hash__(self):
        return hash(self.key())

    def __repr__(self):
        return f"RangeDeleteRecord{self.key()}"

    def key(self):
        return (self.start, self.end, self.hlc, self.actor, self.offset, self.byte)


cdef inline int compare(const char* a, uint32_t a_bytes, const char* b, uint32_t b_bytes) noexcept nogil:
    cdef int order = memcmp(a, b, a_bytes if a_bytes < b_bytes else b_bytes)
    if order != 0:
        return order
    return (a_bytes > b_bytes) - (a_bytes < b_bytes)


cdef class RangeDeletes:
    """An immutable set of range deletes."""

    def __cinit__(self, items=()):
        cdef RangeDelete* raw
        self.items = tuple(items)
        self.count = len(self.items)
        self.raw = <RangeDelete*>malloc(sizeof(RangeDelete) * (self.count + 1))
        if self.raw == NULL:
            raise MemoryError
        for i, item in enumerate(self.items):
            raw = &self.raw[i]
            # Borrowed from `item`, which self.items keeps alive.
            raw.start = <bytes>item.start
            raw.start_bytes = len(item.start)
            raw.end = <bytes>item.end
            raw.end_bytes = len(item.end)
            raw.hlc = item.hlc
            raw.actor = item.actor
            raw.offset = item.offset
            raw.byte = item.byte
            if raw.hlc > self.greatest_hlc:
                self.greatest_hlc = raw.hlc

    def __dealloc__(self):
        free(self.raw)

    def __len__(self):
        return self.count

    def __iter__(self):
        return iter(self.items)

    def added(self, item):
        """The set with `item` too. The same range delete twice is one."""
        return self if item in self.items else RangeDeletes((*self.items, item))

    def without(self, gone):
        """The set without the records in `gone`."""
        return RangeDeletes(item for item in self.items if item not in gone)

    cdef bint covers(self, const Entry* e) noexcept nogil:
        """1 if a range delete of a greater dot hides `e`."""
        cdef RangeDelete* r
        cdef int i
        if self.count == 0 or e.hlc > self.greatest_hlc:
            return False
        for i in range(self.count):
            r = &self.raw[i]
            if e.hlc > r.hlc or (e.hlc == r.hlc and e.actor >= r.actor):
                continue
            if r.offset >= 0 and (
                <uint32_t>r.offset >= e.key_bytes or <uint8_t>e.key[r.offset] != r.byte
            ):
                continue
            if compare(e.key, e.key_bytes, r.start, r.start_bytes) < 0:
                continue
            if r.end_bytes and compare(e.key, e.key_bytes, r.end, r.end_bytes) >= 0:
                continue
            return True
        return False

    def hides(self, bytes key, hlc, actor):
        """Whether a record of that key and dot is deleted: `covers` for Python."""
        cdef Entry e
        e.key = key
        e.key_bytes = len(key)
        e.hlc = hlc
        e.actor = actor
        return bool(self.covers(&e))


NONE = RangeDeletes()
