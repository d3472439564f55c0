"""The block cache: decompressed blocks by (table number, offset), within a budget of bytes.

Replacement is a clock with counts (GCLOCK). Every block has a number of turns that it survives; a
hand goes around, takes one from each number, and evicts who has none. A hit only raises that
number: no list is relinked. Data blocks come in with 0 turns and rise to 2 when they are used
again, so a scan that touches each block once cannot push out what is in steady use (the engine's own scans
only fill what is free). Segment metas
come in with 3: a lookup without its meta costs two reads where one would do.

The hash table is the clock's face, and a slot holds all that a hit needs, in one cache line: a
point read among blocks that lie all over memory is paid for in cache misses and little else.

A table number is never used twice, so a dropped table's blocks need not be looked for: nobody asks
for them any more and the hand gets to them.

Each block is charged with its memory: bytes, object, slot. An Entry of a point read borrows from a
cached block until the next commit, and no pin is taken for it: what is evicted meanwhile goes to a
list that release() drops. The engine calls that where borrowed entries end (commit, installed
step).

From the install of loads to the next release() nothing is evicted, however small the budget: those who
waited for these blocks ask in between, and need all of theirs at once. See engine/loads.

Used on the event-loop thread only; there are no locks. peek() alone may be called in any thread that
holds the GIL, which nothing in here gives away half-way.
"""

from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.stdlib cimport free
from libc.string cimport memset

cdef extern from "stdlib.h":
    void* aligned_alloc(size_t alignment, size_t size)

cdef enum:
    SLOTS_MIN = 1024
    BLOCK_OVERHEAD = 256       # slots at 3/8 to 3/4 full, Block object, the owner's header
    TURNS_DATA_MAX = 2
    TURNS_META = 3


cdef CacheSlot* make_slots(uint64_t count) except NULL:
    cdef size_t size = count * sizeof(CacheSlot)
    cdef CacheSlot* slots = <CacheSlot*>aligned_alloc(64, size)
    if slots == NULL:
        raise MemoryError
    memset(slots, 0, size)
    return slots


cdef class BlockCache:
    """`budget_bytes` bounds the cached blocks; what was retired or crowded in comes on top until
    release()."""

    def __cinit__(self, budget_bytes):
        self.budget_bytes = budget_bytes
        self.decompressor = Decompressor()
        self._slots = make_slots(SLOTS_MIN)
        self._mask = SLOTS_MIN - 1
        self._retired = []
        self._damaged = {}

    def __dealloc__(self):
        cdef uint64_t i
        if self._slots != NULL:
            for i in range(self._mask + 1):
                if self._slots[i].number:
                    Py_DECREF(<Block>self._slots[i].block)
            free(self._slots)

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

    cdef CacheSlot* touch(self, uint64_t number, uint64_t offset) noexcept:
        """A hit: the slot, valid until the next put(), while its bytes stay until release().
        NULL for a miss."""
        cdef CacheSlot* slot = self._find(number, offset)
        if slot.number == 0:
            self.misses += 1
            return NULL
        self.hits += 1
        if slot.is_meta:
            slot.touched = TURNS_META
        elif slot.touched < TURNS_DATA_MAX:
            slot.touched += 1
        return slot

    cdef Block peek(self, uint64_t number, uint64_t offset, bint is_meta):
        """The block or None, for a scan: it neither counts as a use nor as a miss."""
        cdef CacheSlot* slot = self._find(number, offset)
        if slot.number == 0 or slot.is_meta != is_meta:
            return None
        return <Block>slot.block

    cdef int put(self, uint64_t number, uint64_t offset, Block block, bint is_meta) except -1:
        """Takes a block in, and evicts others for it. A block that is there already stays."""
        cdef CacheSlot* slot = self._find(number, offset)
        if slot.number:
            return 0
        if (self.blocks + 1) * 4 > (self._mask + 1) * 3:
            self._grow()
            slot = self._find(number, offset)
        Py_INCREF(block)
        slot.number = number
        slot.offset = offset
        slot.at = block.at
        slot.block = <void*>block
        slot.length = block.length
        slot.is_meta = is_meta
        slot.touched = TURNS_META if is_meta else 0
        self.blocks += 1
        self.used_bytes += block.length + BLOCK_OVERHEAD
        if self.used_bytes > self.budget_bytes and not self.crowding:
            self._shrink(block, self.budget_bytes)
        return 0

    cdef bint has_room(self, uint32_t length) noexcept:
        """Whether put() would take a block of so many bytes without evicting another."""
        return self.used_bytes + length + BLOCK_OVERHEAD <= self.budget_bytes

    cdef int _shrink(self, Block newest, uint64_t wanted_bytes) except -1:
        """Moves the hand until so much is left. `newest` stays: its reader is waiting."""
        cdef CacheSlot* slot
        while self.used_bytes > wanted_bytes and self.blocks > <uint64_t>(newest is not None):
            self._hand &= self._mask
            slot = &self._slots[self._hand]
            if slot.number == 0 or slot.block == <void*>newest:
                self._hand += 1
            elif slot.touched:
                slot.touched -= 1
                self._hand += 1
            else:
                self._evict(self._hand)
        return 0

    cdef int _evict(self, uint64_t hole) except -1:
        """Empties a slot and closes the gap in the probe sequence: who would rather sit there
        moves there. So the hand must look at the same slot once more."""
        cdef Block gone = <Block>self._slots[hole].block
        cdef uint64_t i = hole, home
        self._retired.append(gone)
        Py_DECREF(gone)
        while True:
            i = (i + 1) & self._mask
            if self._slots[i].number == 0:
                break
            home = self._home(self._slots[i].number, self._slots[i].offset)
            if ((i - home) & self._mask) >= ((i - hole) & self._mask):
                self._slots[hole] = self._slots[i]
                hole = i
        self._slots[hole].number = 0
        self.blocks -= 1
        self.used_bytes -= gone.length + BLOCK_OVERHEAD
        self.retired_bytes += gone.length + BLOCK_OVERHEAD
        self.evictions += 1
        return 0

    cdef int _grow(self) except -1:
        cdef CacheSlot* old = self._slots
        cdef uint64_t size = self._mask + 1, i
        self._slots = make_slots(size * 2)
        self._mask = size * 2 - 1
        for i in range(size):
            if old[i].number:
                self._find(old[i].number, old[i].offset)[0] = old[i]
        free(old)
        return 0

    cdef int release(self) except -1:
        """No Entry borrows any more: the memory of evicted blocks goes back, and who waited for
        loads has asked."""
        if self.crowding:
            self.crowding = False
            self._shrink(None, self.budget_bytes)
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

    def shrink_to(self, uint64_t wanted_bytes):
        """Evicts until at most `wanted_bytes` are used; the budget stays."""
        self._shrink(None, wanted_bytes)
        self.release()

    def stats(self):
        return {
            "budget_bytes": self.budget_bytes,
            "used_bytes": self.used_bytes,
            "retired_bytes": self.retired_bytes,
            "blocks": self.blocks,
            "hits": self.hits,
            "misses": self.misses,
            "evictions": self.evictions,
        }
