"""Merges cursors: the newest version of each key, in key order.

The lanes (a cursor each) form a binary heap by key, and for one key by `newer`, so that the newest
version of the least key is on top. Before that entry is shown, all older versions of the key are
taken off the other lanes: they can only be the top's children. So the shown entry stays where its
cursor lends it, and moving on touches one lane.

Lanes keep the first eight bytes of their key as a number, which decides most comparisons without a
look at the key's memory. With 20 lanes at most, a loser tree would save one comparison of five and
cost the place where this reads simply.

A range delete that covers the newest version covers the older ones as well, so only the newest is
asked.
"""

from engine.entry cimport Entry, Kind, Lookup, newer
from engine.loads cimport Loads
from engine.varint cimport prefix64
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp

from engine.errors import NeedsDisk


cdef inline bint before(const Lane* a, const Lane* b, bint descending) noexcept nogil:
    cdef int order
    if a.prefix != b.prefix:
        return a.prefix < b.prefix
    order = memcmp(a.entry.key, b.entry.key, min(a.entry.key_bytes, b.entry.key_bytes))
    if order != 0:
        return (order < 0) != descending
    if a.entry.key_bytes != b.entry.key_bytes:
        return (a.entry.key_bytes < b.entry.key_bytes) != descending
    return newer(a.entry, b.entry)


cdef inline bint same_key(const Lane* a, const Lane* b) noexcept nogil:
    return (
        a.prefix == b.prefix
        and a.entry.key_bytes == b.entry.key_bytes
        and memcmp(a.entry.key, b.entry.key, a.entry.key_bytes) == 0
    )


cdef class MergeCursor(Cursor):
    """A Cursor over `cursors`, each of them ascending by key; or `descending` (engine/backwards).

    Shows tombstones too, unless `skip_tombstones`; never what a range delete covers. When a cursor
    answers NEEDS_DISK, so does this one, after the others have noted what they miss; `valid` is 0
    then, and the place is lost: seek again after the install. After any error, seek again."""

    def __init__(self, cursors, RangeDeletes range_deletes=None, skip_tombstones=False,
                 descending=False):
        cdef Cursor cursor
        self._cursors = tuple(cursors)
        self._range_deletes = range_deletes
        self._skip_tombstones = skip_tombstones
        self._descending = descending
        self._flip = ~<uint64_t>0 if descending else 0
        for cursor in self._cursors:
            if cursor is None:
                raise TypeError("a cursor is None")
        free(self._lanes)
        self._lanes = <Lane*>calloc(len(self._cursors) + 1, sizeof(Lane))
        if self._lanes == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self._lanes)

    cdef int seek(self, const char* key, uint32_t key_bytes) except -1 nogil:
        cdef uint32_t count = 0, i
        cdef Lane* lane
        cdef int needs_disk = 0
        self.valid = False
        self._alive = 0
        with gil:
            for i in range(len(self._cursors)):
                self._lanes[i].cursor = <void*>self._cursors[i]
                count += 1
        for i in range(count):
            lane = &self._lanes[self._alive]
            lane.cursor = self._lanes[i].cursor
            if (<Cursor>lane.cursor).seek(key, key_bytes) == Lookup.NEEDS_DISK:
                needs_disk = Lookup.NEEDS_DISK
            elif (<Cursor>lane.cursor).valid:
                lane.entry = &(<Cursor>lane.cursor).entry
                lane.prefix = prefix64(lane.entry.key, lane.entry.key_bytes) ^ self._flip
                self._alive += 1
        if needs_disk:
            self._alive = 0
            return needs_disk
        for i in range(self._alive // 2):
            self._sink(self._alive // 2 - 1 - i)
        return self._settle()

    cdef int advance(self) except -1 nogil:
        cdef int step
        if not self.valid:
            return 0
        self.valid = False
        step = self._move_on(0)
        if step:
            return step
        return self._settle()

    cdef int _settle(self) except -1 nogil:
        """Shows the top, unless it is deleted; then the next."""
        cdef Entry* top
        cdef int step
        while self._alive:
            step = self._drop_older()
            if step:
                return step
            top = self._lanes[0].entry
            if (self._range_deletes is None or not self._range_deletes.covers(top)) and not (
                self._skip_tombstones and top.kind == Kind.DELETE
            ):
                self.entry = top[0]
                self.valid = True
                return 0
            step = self._move_on(0)
            if step:
                return step
        return 0

    cdef int _drop_older(self) except -1 nogil:
        """Moves the lanes on that stand on an older version of the top's key."""
        cdef uint32_t child
        cdef int step
        while self._alive > 1:
            child = 1
            if self._alive > 2 and before(&self._lanes[2], &self._lanes[1], self._descending):
                child = 2
            if not same_key(&self._lanes[0], &self._lanes[child]):
                return 0
            step = self._move_on(child)
            if step:
                return step
        return 0

    cdef int _move_on(self, uint32_t i) except -1 nogil:
        """The lane's next entry; the heap is in order again."""
        cdef Lane* lane = &self._lanes[i]
        cdef int step = (<Cursor>lane.cursor).advance()
        if step:
            return step
        if (<Cursor>lane.cursor).valid:
            lane.prefix = prefix64(lane.entry.key, lane.entry.key_bytes) ^ self._flip
        else:
            self._alive -= 1
            if i == self._alive:
                return 0
            lane[0] = self._lanes[self._alive]
        # Either way what sits here now is not less than what did (the last leaf came from below
        # the other child of the root at most): it can only sink.
        self._sink(i)
        return 0

    cdef void _sink(self, uint32_t i) noexcept nogil:
        cdef Lane moved = self._lanes[i]
        cdef uint32_t child
        while True:
            child = 2 * i + 1
            if child >= self._alive:
                break
            if child + 1 < self._alive and before(
                    &self._lanes[child + 1], &self._lanes[child], self._descending):
                child += 1
            if not before(&self._lanes[child], &moved, self._descending):
                break
            self._lanes[i] = self._lanes[child]
            i = child
        self._lanes[i] = moved

    cdef int hold(self, Loads loads) except -1:
        cdef Cursor cursor
        for cursor in self._cursors:
            cursor.hold(loads)
        return 0

    # For Python: tools and tests.

    def entries(self, bytes start=b""):
        """Generates (key, kind, value, hlc, actor, deadline_ms, annotation) from `start` on."""
        if self.seek(start, <uint32_t>len(start)):
            raise NeedsDisk("a block of a table")
        while self.valid:
            e = self.entry
            yield (e.key[:e.key_bytes], e.kind, e.value[:e.value_bytes], e.hlc, e.actor,
                   e.deadline_ms, e.annotation)
            if self.advance():
                raise NeedsDisk("a block of a table")

    def count_entries(self, bytes start=b""):
        """How many entries there are from `start` on, counted without the GIL."""
        cdef uint64_t count = 0
        cdef uint32_t start_bytes = <uint32_t>len(start)
        cdef const char* at = start
        with nogil:
            self.seek(at, start_bytes)
            while self.valid:
                count += 1
                self.advance()
        return count
