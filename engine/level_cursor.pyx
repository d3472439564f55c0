"""Walks the tables of a level one behind the other: they are disjoint and in key order.

So a merge has one lane per level and not one per table, and only one table of the level holds
buffers.
"""

from bisect import bisect_left


cdef class LevelCursor(Cursor):
    """A Cursor over disjoint `tables`, ascending by key. Otherwise like Table.cursor."""

    def __init__(self, tables, Loads loads=None, readahead_bytes=262144, cached=0):
        self._tables = tuple(tables)
        self._loads = loads
        self._readahead_bytes = readahead_bytes
        self._cached = cached
        self._place = -1

    cdef int seek(self, const char* key, uint32_t key_bytes) except -1 nogil:
        cdef Py_ssize_t place
        with gil:
            wanted = key[:key_bytes]
            place = bisect_left(self._tables, wanted, key=greatest_key)
        return self._enter(place, key, key_bytes)

    cdef int advance(self) except -1 nogil:
        cdef int step = self._current.advance()
        if step == 0 and self._current.valid:
            self.entry = self._current.entry
            return 0
        self.valid = False
        if step:
            return step
        return self._enter(self._place + 1, NULL, 0)

    cdef int _enter(self, Py_ssize_t place, const char* key, uint32_t key_bytes) except -1 nogil:
        """Stands on the first entry >= `key` in this table or in those behind it."""
        cdef int step
        self.valid = False
        while True:
            with gil:
                if place >= len(self._tables):
                    return 0
                if place != self._place:
                    self._current = self._tables[place].cursor(
                        self._loads, self._readahead_bytes, self._cached)
                    self._place = place
            step = self._current.seek(key, key_bytes)
            if step:
                return step
            if self._current.valid:
                self.entry = self._current.entry
                self.valid = True
                return 0
            place += 1

    cdef int hold(self, Loads loads) except -1:
        if self._current is not None:
            self._current.hold(loads)
        return 0


def greatest_key(table):
    return table.properties.greatest_key
