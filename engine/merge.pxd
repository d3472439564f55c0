from engine.cursor cimport Cursor
from engine.entry cimport Entry


cdef class MergeCursor(Cursor):
    # __init__(cursors, range_deletes=None, skip_tombstones=False)
    cdef bint waiting      # after seek/advance returned NEEDS_DISK: `valid` is 0, loads were reported
