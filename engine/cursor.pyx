"""A cursor walks entries in ascending key order.

The memtable, a table and the merge of many are cursors, so that flush, compaction, scans and
snapshots are all written once. Several versions of one key may follow one another only in the
merge's inputs, never within one memtable or one table.

    seek(key)   stands on the first entry whose key is >= key (an empty key: the first of all)
    advance()   stands on the next entry
    valid       0 once the entries are used up

engine/backwards has the same in descending order: there seek stands on the last entry below key.

Both are callable without the GIL and raise an engine error on damage or a failed read.
"""


cdef class Cursor:
    cdef int seek(self, const char* key, uint32_t key_bytes) except -1 nogil:
        with gil:
            raise NotImplementedError("seek")

    cdef int advance(self) except -1 nogil:
        with gil:
            raise NotImplementedError("advance")

    cdef int hold(self, Loads loads) except -1:
        """After NEEDS_DISK: what it has of tables stays in memory until those loads were installed."""
        return 0
