from engine.block cimport Block
from engine.cache cimport BlockCache
from engine.disk cimport File
from libc.stdint cimport uint32_t, uint64_t


cdef class Load:
    """One block that is wanted, then the block or the reason why there is none."""

    cdef File file
    cdef uint64_t number, offset, file_bytes
    cdef uint32_t length
    cdef bint is_meta
    cdef Block block
    cdef object damage


cdef class Loads:
    cdef dict _wanted          # (table number, offset) -> Load
    cdef int want(self, File file, uint64_t number, uint64_t file_bytes, uint64_t offset,
                  uint32_t length, bint is_meta) except -1
    cdef int install_into(self, BlockCache cache) except -1

cdef bint open_meta_block(Block block, File file, uint64_t file_bytes) except -1
cdef Block read_now(object decompressor, File file, uint64_t file_bytes, uint64_t offset,
                    uint32_t length, bint is_meta)
