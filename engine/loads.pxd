from engine.cache cimport BlockCache
from libc.stdint cimport uint32_t, uint64_t


cdef class Loads:
    """Blocks that a lookup or a cursor missed, read together by one run()."""

    cdef dict _wanted          # (table number, offset) -> [file, length, is_meta]
    cdef list _blocks          # after run(): (number, offset, Block or reason, is_meta)
    cdef int want(self, object file, uint64_t number, uint64_t offset, uint32_t length,
                  bint is_meta) except -1
