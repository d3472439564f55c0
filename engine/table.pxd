from engine.block cimport Block
from engine.cache cimport BlockCache, CacheSlot
from engine.entry cimport Entry
from engine.loads cimport Loads
from engine.segment_meta cimport IndexView
from engine.table_file cimport TableFile
from engine.zstd cimport Decompressor
from libc.stdint cimport uint32_t, uint64_t


cdef class Table:
    cdef readonly uint64_t number
    cdef readonly object properties           # TableProperties
    cdef readonly uint64_t greatest_hlc, greatest_actor, least_hlc, least_actor
    cdef readonly uint64_t file_bytes
    cdef readonly str path
    cdef TableFile source                     # None once it was closed
    cdef readonly BlockCache cache
    cdef Block _top_block
    cdef IndexView top                        # of the segments
    cdef tuple _keys                          # least and greatest, which these two point into
    cdef const char* _least
    cdef const char* _greatest
    cdef uint32_t _least_bytes, _greatest_bytes
    cdef int lookup(self, const char* key, uint32_t key_bytes, uint64_t hash, Entry* out,
                    Loads loads) except -1
    cdef bint lend(self, uint64_t offset, uint32_t length, bint is_meta, Loads loads,
                   const char** at, uint32_t* size) except -1
    cdef Block fetch(self, uint64_t offset, uint32_t length, bint is_meta, Loads loads)
    cdef CacheSlot* _touch(self, uint64_t offset, bint is_meta) except? NULL
    cdef Block _miss(self, uint64_t offset, uint32_t length, bint is_meta, Loads loads)
    cdef Block read(self, TableFile source, Decompressor decompressor, uint64_t offset,
                    uint32_t length, bint is_meta)
    cdef bint may_span(self, const char* key, uint32_t key_bytes) noexcept nogil
    # classmethod open(disk, directory, number, cache) -> Table
    # def cursor(self, loads=None, readahead_bytes=262144) -> Cursor
    # def close(self)
