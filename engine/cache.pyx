"""The block cache: decompressed blocks by (table number, offset), within a budget of bytes.

Replacement is a clock with counts (GCLOCK). Every block has a seat on a round face and a number of
turns that it survives; the hand goes around, takes one from each number, and evicts who has none.
A hit only raises that number: no list is relinked, so a hit costs a hash probe and a store. Data
blocks come in with 0 turns and rise to 2 when they are used again, so a scan that touches each
block once cannot push out what is in steady use. Segment metas come in with 3: a lookup without
its meta costs two reads where one would do.

A table number is never used twice, so a dropped table's blocks need not be looked for: nobody asks
for them any more and the hand gets to them.

Each block is charged with its memory: bytes, object, slot. An Entry of a point read borrows from a
cached block until the next commit, and no pin is taken for it: what is evicted meanwhile goes to a
list that release() drops. The engine calls that where borrowed entries end (commit, installed
step).

Used on the event-loop thread only; there are no locks.
"""

import zstandard

from libc.stdlib cimport calloc, free

cdef enum:
    BLOCK_OVERHEAD = 160       # Block object, owner's header, two slots, seat
    TURNS_DATA_MAX = 2
    TURNS_META = 3


cdef class BlockCache:
    """`budget_bytes` bounds the cached blocks; `retired_bytes` comes on top until release()."""

    def __cinit__(self, budget_bytes):
        self.budget_bytes = budget_bytes
        self._mask = 1023
        self._slots = <CacheSlot*>calloc(1024, sizeof(CacheSlot))
        if self._slots == NULL:
            raise MemoryError
        self.decompressor = zstandard.ZstdDecompressor()
        self._seats = []
        self._retired = []
        self._damaged = {}
        self._hand = 0

    def __dealloc__(self):
        free(self._slots)

    def __len__(self):
        return len(self._seats)

    cdef inline uint64_t _home(self, uint64_t number, uint64_t offset) noexcept:
        cdef uint64_t mixed = (number * <uint64_t>0x9E3779B97F4A7C15) ^ offset
        mixed *= <uint64_t>0xD6E8FEB86659FD93
        return (mixed >> 32) & self._mask

    cdef CacheSlot* _find(self, uint64_t number, uint64_t offset) noexcept:
        """The slot of that block, or the empty one where it would go."""
        cdef uint64_t i = self._home(number, offset)
        while self._slots[i].number and (
            self._slots[i].number != number or self._slots[i].offset != offset
        ):
            i = (i + 1) & self._mask
        return &self._slots[i]

    cdef Block get(self, uint64_t number, uint64_t offset):
        """The block, or None."""
        cdef CacheSlot* slot = self._find(number, offset)
        cdef Block block
        if slot.number == 0:
            self.misses += 1
            return None
        self.hits += 1
        block = <Block>(<list>self._seats)[slot.seat]
        if block.is_meta:
            block.touched = TURNS_META
        elif block.touched < TURNS_DATA_MAX:
            block.touched += 1
        return block

    cdef int put(self, uint64_t number, uint64_t offset, Block block, bint is_meta) except -1:
        """Takes a block in, and evicts others for it. A block that is there already stays."""
        cdef CacheSlot* slot = self._find(number, offset)
        if slot.number:
            return 0
        block.number = number
        block.offset = offset
        block.is_meta = is_meta
        block.touched = TURNS_META if is_meta else 0
        slot.number = number
        slot.offset = offset
        slot.seat = <uint32_t>len(self._seats)
        self._seats.append(block)
        self.used_bytes += block.length + BLOCK_OVERHEAD
        if <uint64_t>len(self._seats) * 2 > self._mask:
            self._grow()
        if self.used_bytes > self.budget_bytes:
            self._shrink()
        return 0

    cdef int _shrink(self) except -1:
        """Moves the hand until the budget is kept. The newest block stays: its reader is
        waiting."""
        cdef Block block
        cdef Py_ssize_t count
        while self.used_bytes > self.budget_bytes and len(self._seats) > 1:
            count = len(self._seats) - 1
            if self._hand >= count:
                self._hand = 0
            block = <Block>self._seats[self._hand]
            if block.touched:
                block.touched -= 1
                self._hand += 1
            else:
                self._remove(self._hand)
        return 0

    cdef int _remove(self, Py_ssize_t seat) except -1:
        """Evicts the block in the seat. The next to last takes it, so that the last stays last."""
        cdef list seats = self._seats
        cdef Block gone = <Block>seats[seat], moved
        cdef CacheSlot* slot = self._find(gone.number, gone.offset)
        cdef uint64_t hole = slot - self._slots, i, home
        # Close the gap in the probe sequence: who would rather sit in the hole moves there.
        i = hole
        while True:
            i = (i + 1) & self._mask
            if self._slots[i].number == 0:
                break
            home = self._home(self._slots[i].number, self._slots[i].offset)
            if ((i - home) & self._mask) >= ((i - hole) & self._mask):
                self._slots[hole] = self._slots[i]
                hole = i
        self._slots[hole].number = 0
        moved = <Block>seats[len(seats) - 2]
        if moved is not gone:
            seats[seat] = moved
            self._find(moved.number, moved.offset).seat = <uint32_t>seat
        moved = <Block>seats.pop()
        seats[len(seats) - 1] = moved
        self._find(moved.number, moved.offset).seat = <uint32_t>(len(seats) - 1)
        self.used_bytes -= gone.length + BLOCK_OVERHEAD
        self.retired_bytes += gone.length + BLOCK_OVERHEAD
        self.evictions += 1
        self._retired.append(gone)
        return 0

    cdef int _grow(self) except -1:
        cdef CacheSlot* old = self._slots
        cdef uint64_t size = self._mask + 1, i
        cdef CacheSlot* fresh = <CacheSlot*>calloc(size * 2, sizeof(CacheSlot))
        if fresh == NULL:
            raise MemoryError
        self._slots = fresh
        self._mask = size * 2 - 1
        for i in range(size):
            if old[i].number:
                self._find(old[i].number, old[i].offset)[0] = old[i]
        free(old)
        return 0

    cdef int release(self) except -1:
        """No Entry borrows any more: the memory of evicted blocks goes back."""
        if self.retired_bytes:
            self._retired = []
            self.retired_bytes = 0
        return 0

    cdef int mark_damaged(self, uint64_t number, uint64_t offset, object reason) except -1:
        """The next who asks for this block is told the reason instead of sent to the disk again."""
        if len(self._damaged) >= 1024:
            self._damaged.clear()      # nobody came back for them; a later ask reads again
        self._damaged[number, offset] = reason
        return 0

    cdef object take_damage(self, uint64_t number, uint64_t offset):
        """The reason, once; None when there is none."""
        if not self._damaged:
            return None
        return self._damaged.pop((number, offset), None)

    def stats(self):
        return {
            "budget_bytes": self.budget_bytes,
            "used_bytes": self.used_bytes,
            "retired_bytes": self.retired_bytes,
            "blocks": len(self._seats),
            "hits": self.hits,
            "misses": self.misses,
            "evictions": self.evictions,
        }
