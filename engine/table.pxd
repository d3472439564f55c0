from engine.block cimport Block
from engine.cache cimport BlockCache
from engine.entry cimport Entry
from engine.loads cimport Loads
from libc.stdint cimport uint32_t, uint64_t


cdef class Table:
    cdef readonly uint64_t number
    cdef readonly object properties           # TableProperties
    cdef readonly uint64_t greatest_hlc, greatest_actor, least_hlc
    cdef int lookup(self, const char* key, uint32_t key_bytes, uint64_t hash, Entry* out,
                    Loads loads) except -1
    # classmethod open(disk, directory, number, cache) -> Table
    # def cursor(self, loads=None, readahead_bytes=262144) -> Cursor
    # def close(self)
