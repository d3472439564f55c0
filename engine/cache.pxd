from engine.block cimport Block
from engine.zstd cimport Decompressor
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef struct CacheSlot:         # one cache line
    uint64_t number            # of the table, 0: this slot is empty
    uint64_t offset
    const char* at             # the block's bytes
    void* block                # the Block itself, a counted reference
    uint32_t length
    uint8_t is_meta
    uint8_t touched            # how many more turns of the hand it survives
    uint8_t[26] unused


cdef class BlockCache:
    cdef readonly uint64_t budget_bytes, used_bytes, retired_bytes, blocks
    cdef readonly uint64_t hits, misses, evictions
    cdef bint crowding         # put() evicts nothing until release()
    cdef Decompressor decompressor     # for what the loop thread reads itself
    cdef CacheSlot* _slots     # open addressing, linear probing; also the clock's face
    cdef uint64_t _mask
    cdef uint64_t _hand
    cdef list _retired         # evicted, but an Entry may still borrow from them
    cdef dict _damaged         # (number, offset) -> reason of a failed load
    cdef CacheSlot* touch(self, uint64_t number, uint64_t offset) noexcept
    cdef Block peek(self, uint64_t number, uint64_t offset, bint is_meta)
    cdef int put(self, uint64_t number, uint64_t offset, Block block, bint is_meta) except -1
    cdef bint has_room(self, uint32_t length) noexcept
    cdef int mark_damaged(self, uint64_t number, uint64_t offset, object reason) except -1
    cdef object take_damage(self, uint64_t number, uint64_t offset)
    cdef int release(self) except -1
    cdef uint64_t _home(self, uint64_t number, uint64_t offset) noexcept
    cdef CacheSlot* _find(self, uint64_t number, uint64_t offset) noexcept
    cdef int _grow(self) except -1
    cdef int _shrink(self, Block newest, uint64_t wanted_bytes) except -1
    cdef int _evict(self, uint64_t i) except -1
