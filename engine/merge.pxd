from engine.cursor cimport Cursor
from engine.entry cimport Entry
from engine.range_deletes cimport RangeDeletes
from libc.stdint cimport uint32_t, uint64_t

cdef struct Lane:
    void* cursor               # borrowed from `_cursors`
    Entry* entry               # the cursor's own
    uint64_t prefix            # of its key, for comparing


cdef class MergeCursor(Cursor):
    cdef tuple _cursors
    cdef RangeDeletes _range_deletes
    cdef bint _skip_tombstones, _descending
    cdef uint64_t _flip        # turns prefixes round when descending
    cdef Lane* _lanes          # the first `_alive` are a heap, the next entry on top
    cdef uint32_t _alive
    cdef int _settle(self) except -1 nogil
    cdef int _drop_older(self) except -1 nogil
    cdef int _move_on(self, uint32_t lane) except -1 nogil
    cdef void _sink(self, uint32_t lane) noexcept nogil
