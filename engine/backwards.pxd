from engine.buffer cimport Buffer
from engine.cursor cimport Cursor
from engine.memtable cimport Memtable, MemtableCursor
from engine.merge cimport MergeCursor
from engine.range_deletes cimport RangeDeletes
from engine.table_cursor cimport TableCursor
from libc.stdint cimport uint32_t, uint64_t


cdef class ReverseMemtableCursor(MemtableCursor):
    cdef int enter(self, int prefix, const char* key, uint32_t key_bytes) except -1 nogil
    cdef int settle_before(self) except -1 nogil


cdef class ReverseTableCursor(TableCursor):
    cdef Buffer entries                # an Entry each: the block at hand, in ascending order
    cdef Buffer keys                   # their keys
    cdef uint32_t before               # how many of them are yet to come
    cdef int show_last(self) except -1 nogil
    cdef int open_run_up_to(self, uint32_t last) except -1 nogil
    cdef int unfold(self, uint32_t block) except -1 nogil


cdef class ReverseLevelCursor(Cursor):
    cdef tuple tables
    cdef object readahead_bytes
    cdef ReverseTableCursor current
    cdef Py_ssize_t place
    cdef int enter(self, Py_ssize_t place, const char* key, uint32_t key_bytes) except -1 nogil


cdef MergeCursor merge_backwards(Memtable active, Memtable sealed, object version,
                                 RangeDeletes range_deletes, uint64_t sequence,
                                 object readahead_bytes)
