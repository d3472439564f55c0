from engine.block cimport Block
from libc.stdint cimport uint32_t, uint64_t

cdef struct CacheSlot:
    uint64_t number            # of the table, 0: this slot is empty
    uint64_t offset
    uint32_t seat              # where the block sits on the clock


cdef class BlockCache:
    cdef readonly uint64_t budget_bytes, used_bytes, retired_bytes
    cdef readonly uint64_t hits, misses, evictions
    cdef object decompressor   # for what the loop thread reads itself
    cdef CacheSlot* _slots     # open addressing, linear probing, at most half full
    cdef uint64_t _mask
    cdef list _seats           # of Block: the clock's face
    cdef Py_ssize_t _hand
    cdef list _retired         # evicted, but an Entry may still borrow from them
    cdef dict _damaged         # (number, offset) -> reason of a failed load
    cdef Block get(self, uint64_t number, uint64_t offset)
    cdef int put(self, uint64_t number, uint64_t offset, Block block, bint is_meta) except -1
    cdef int mark_damaged(self, uint64_t number, uint64_t offset, object reason) except -1
    cdef object take_damage(self, uint64_t number, uint64_t offset)
    cdef int release(self) except -1
    cdef uint64_t _home(self, uint64_t number, uint64_t offset) noexcept
    cdef CacheSlot* _find(self, uint64_t number, uint64_t offset) noexcept
    cdef int _grow(self) except -1
    cdef int _shrink(self) except -1
    cdef int _remove(self, Py_ssize_t seat) except -1
