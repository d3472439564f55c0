from engine.block cimport Block
from engine.cache cimport BlockCache
from engine.table_file cimport TableFile
from engine.zstd cimport Decompressor
from libc.stdint cimport uint32_t, uint64_t


cdef class Load:
    """One block that is wanted, then the block or the reason why there is none."""

    cdef TableFile source
    cdef uint64_t offset
    cdef uint32_t length
    cdef bint is_meta
    cdef Block block
    cdef object damage


cdef class Loads:
    cdef bint holding          # lookups only hold what they pass: see Engine.lookup
    cdef dict _wanted          # (table number, offset) -> Load
    cdef dict _held            # (table number, offset) -> Block
    cdef int want(self, TableFile source, uint64_t offset, uint32_t length,
                  bint is_meta) except -1
    cdef int hold(self, uint64_t number, Block block) except -1
    cdef int install_into(self, BlockCache cache) except -1

cdef bint open_meta_block(Block block, TableFile source) except -1
cdef Block read_now(Decompressor decompressor, TableFile source, uint64_t offset, uint32_t length,
                    bint is_meta)
