from engine.buffer cimport Buffer
from engine.entry cimport Entry
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    RESTART_EVERY = 16
    RESTART_BYTES = 8
    HEADER_BYTES = 20
    ENTRY_HEADER_BYTES_MAX = 64

cdef enum Flag:
    KIND_MASK = 0x07
    HAS_DEADLINE = 0x08
    HAS_ANNOTATION = 0x10
    SAME_ACTOR = 0x20


cdef class BlockWriter:
    """Appends raw blocks, one behind the other, to `raw`."""

    cdef Buffer raw
    cdef Buffer stored         # entries, then values and restarts (a pair of uint32_t each), all
    cdef Buffer values         # of the block under construction
    cdef Buffer restarts
    cdef Buffer last_key
    cdef uint32_t entries
    cdef uint64_t base_hlc, last_actor
    cdef int add(self, const Entry* e) except -1 nogil
    cdef size_t size(self) noexcept nogil
    cdef int cut(self) except -1 nogil
