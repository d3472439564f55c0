from engine.cursor cimport Cursor
from engine.loads cimport Loads
from engine.table_cursor cimport TableCursor
from libc.stdint cimport uint32_t


cdef class LevelCursor(Cursor):
    cdef tuple _tables
    cdef Loads _loads
    cdef object _readahead_bytes
    cdef int _cached
    cdef TableCursor _current
    cdef Py_ssize_t _place
    cdef int _enter(self, Py_ssize_t place, const char* key, uint32_t key_bytes) except -1 nogil
