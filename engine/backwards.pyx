"""Cursors that walk in descending key order, for reverse scans.

    seek(key)   stands on the last entry whose key is < key (an empty key: the last of all)
    advance()   stands on the entry before it

A block can only be read forwards, because a key is stored as what differs from the one before it.
So a block is unfolded as a whole when it is entered from behind, some hundred entries into an
array, and walked from there: it costs a copy of each key, and memory for one block per table. All
else is the forward cursor's way with the order of the steps reversed; the run of blocks that is
read at once ends, rather than begins, with the block that is wanted. Disk only, in any thread.
"""

from bisect import bisect_left

from engine.block_reader cimport DAMAGED, THERE, first_in_block, next_in_block
from engine.buffer cimport append, discard
from engine.entry cimport Entry
from engine.segment_meta cimport find_in_index
from engine.varint cimport load32
from libc.string cimport memcmp


cdef inline bint precedes(const Entry* e, const char* key, uint32_t key_bytes) noexcept nogil:
    cdef int order = memcmp(e.key, key, min(e.key_bytes, key_bytes))
    return order < 0 or (order == 0 and e.key_bytes < key_bytes)


cdef class ReverseMemtableCursor(MemtableCursor):
    cdef int seek(self, const char* key, uint32_t key_bytes) except -1 nogil:
        return self.enter(self.prefix_up_to(key, key_bytes), key, key_bytes)

    cdef int advance(self) except -1 nogil:
        return self.settle_before()

    cdef int enter(self, int prefix, const char* key, uint32_t key_bytes) except -1 nogil:
        """Stands on the last visible version of that bucket, or of those before it."""
        self.valid = False
        if prefix < 0:
            return 0
        self.load(prefix)
        if self.prefix != prefix:
            return 0               # the memtable was let go of
        self.at = self.place_of(key, key_bytes) if key_bytes else self.count
        return self.settle_before()

    cdef int settle_before(self) except -1 nogil:
        cdef int prefix
        self.valid = False
        while True:
            while self.at:
                self.at -= 1
                if self.show():
                    return 0
            prefix = self.filled_up_to(self.prefix - 1)
            if prefix < 0:
                return 0
            self.load(prefix)
            if self.prefix != prefix:
                return 0           # the memtable was let go of
            self.at = self.count


cdef class ReverseTableCursor(TableCursor):
    """Made with a Table, None and the bytes to read at once."""

    def __dealloc__(self):
        discard(&self.entries)
        discard(&self.keys)

    cdef int seek(self, const char* key, uint32_t key_bytes) except -1 nogil:
        cdef uint32_t segment = self.table.top.count - 1, block
        cdef uint32_t low = 0, high, middle
        self.valid = False
        if key_bytes:
            segment = min(segment, find_in_index(&self.table.top, key, key_bytes))
        self._open_segment(segment)
        block = self.meta.index.count - 1
        if key_bytes:
            block = min(block, find_in_index(&self.meta.index, key, key_bytes))
        self.unfold(block)
        if key_bytes:
            high = self.before
            while low < high:
                middle = (low + high) >> 1
                if precedes(<Entry*>self.entries.at + middle, key, key_bytes):
                    low = middle + 1
                else:
                    high = middle
            self.before = low
        return self.show_last()

    cdef int advance(self) except -1 nogil:
        if self.before:
            self.before -= 1
            self.entry = (<Entry*>self.entries.at)[self.before]
            return 0
        return self.show_last()

    cdef int show_last(self) except -1 nogil:
        """The last entry that is yet to come, in this block or in those before it."""
        self.valid = False
        while self.before == 0:
            if self.block == 0:
                if self.segment == 0:
                    return 0
                self._open_segment(self.segment - 1)
                self.block = self.meta.index.count
            self.unfold(self.block - 1)
        self.before -= 1
        self.entry = (<Entry*>self.entries.at)[self.before]
        self.valid = True
        return 0

    cdef int open_run_up_to(self, uint32_t last) except -1 nogil:
        """Reads a run that ends with that block, or a little behind it."""
        cdef uint32_t first = last
        cdef uint64_t size = load32(self.meta.index.lengths + <size_t>last * 4)
        while first:
            size += load32(self.meta.index.lengths + <size_t>(first - 1) * 4)
            if size > self.readahead_bytes:
                break
            first -= 1
        self._open_run(first)
        while last >= self.run_first + self.run_count:     # too much to be opened at once
            self._open_run(self.run_first + self.run_count)
        return 0

    cdef int unfold(self, uint32_t block) except -1 nogil:
        """Makes that block the current one, with all of its entries yet to come."""
        cdef Entry e
        cdef Entry* unfolded
        cdef const char* key
        cdef uint32_t i
        cdef int step
        if not self.run_first <= block < self.run_first + self.run_count:
            self.open_run_up_to(block)
        self.before = 0
        self.entries.used = self.keys.used = 0
        self._enter(block)
        step = first_in_block(&self.place, &e)
        while step == THERE:
            append(&self.entries, &e, sizeof(Entry))
            append(&self.keys, e.key, e.key_bytes)
            step = next_in_block(&self.place, &e)
        if step == DAMAGED:
            return self._damaged()
        unfolded = <Entry*>self.entries.at
        self.before = <uint32_t>(self.entries.used // sizeof(Entry))
        key = self.keys.at
        for i in range(self.before):
            unfolded[i].key = key
            key += unfolded[i].key_bytes
        return 0


cdef class ReverseLevelCursor(Cursor):
    """Over disjoint `tables`, ascending by key, from the last to the first."""

    def __init__(self, tables, readahead_bytes=262144):
        self.tables = tuple(tables)
        self.readahead_bytes = readahead_bytes
        self.place = -1

    cdef int seek(self, const char* key, uint32_t key_bytes) except -1 nogil:
        cdef Py_ssize_t place
        with gil:
            place = len(self.tables)
            if key_bytes:
                place = bisect_left(self.tables, key[:key_bytes], key=least_key)
        return self.enter(place - 1, key, key_bytes)

    cdef int advance(self) except -1 nogil:
        self.current.advance()
        if self.current.valid:
            self.entry = self.current.entry
            return 0
        return self.enter(self.place - 1, NULL, 0)

    cdef int enter(self, Py_ssize_t place, const char* key, uint32_t key_bytes) except -1 nogil:
        self.valid = False
        while place >= 0:
            if place != self.place:
                with gil:
                    self.current = ReverseTableCursor(
                        self.tables[place], None, self.readahead_bytes)
                    self.place = place
            self.current.seek(key, key_bytes)
            if self.current.valid:
                self.entry = self.current.entry
                self.valid = True
                return 0
            place -= 1
        return 0


def least_key(table):
    return table.properties.least_key


cdef MergeCursor merge_backwards(Memtable active, Memtable sealed, object version,
                                 RangeDeletes range_deletes, uint64_t sequence,
                                 object readahead_bytes):
    """As engine/merged_view, in descending order, from the disk."""
    cdef ReverseMemtableCursor cursor
    cdef Memtable memtable
    cdef list cursors = []
    for memtable in (active, sealed):
        if memtable is not None:
            cursor = ReverseMemtableCursor.__new__(ReverseMemtableCursor)
            cursor.memtable = memtable
            cursor.sequence = sequence
            cursors.append(cursor)
    cursors += [ReverseTableCursor(table, None, readahead_bytes) for table in version.levels[0]]
    cursors += [ReverseLevelCursor(level, readahead_bytes)
                for level in version.levels[1:] if level]
    return MergeCursor(cursors, range_deletes, descending=True)
