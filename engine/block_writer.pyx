"""Writes data blocks: entries in key order, prefix-compressed, with restart points.

Neighbouring keys share long prefixes (partition, slot, hash byte and database come first), so each
entry stores only what differs from the key before it. Every sixteenth entry, a *restart point*,
stores its key whole, so that a reader can do a binary search over the restart points and decodes
at most sixteen entries behind the one it lands on.

    block    := base_hlc:u64 entries_bytes:u32 entries:u32 restarts:u32 restart* entry* value*
    entry    := shared:varint unshared:varint value_bytes:varint flags:u8
                hlc:varint                     zigzag of hlc - base_hlc
                [actor:u64]                    absent with SAME_ACTOR
                [deadline_ms:varint]           present with HAS_DEADLINE
                [annotation:varint]            zigzag of annotation - hlc, with HAS_ANNOTATION
                key[shared:]
    value    := the entries' values, in the order of the entries
    flags    := kind (bits 0-2) | 8 HAS_DEADLINE | 16 HAS_ANNOTATION | 32 SAME_ACTOR
    restart  := entry_at:u32 value_at:u32      where an entry starts that has shared = 0 and its own
                                               actor, counted from the first entry; and where
                                               its value starts, counted from the first value

The base is the hlc of the block's first entry: entries of one block were mostly written in one
burst or are spread evenly, and in both cases the difference is shorter than the number. SAME_ACTOR
means the actor of the entry before; a key has one preferred coordinator, so runs are long.

The values stand apart because a search looks at many keys and one value: with the keys close
together it touches a few cache lines instead of one per entry, which takes half a microsecond off
a point read.

Blocks are laid one behind the other in one buffer, because a whole segment is handed to the
compressor at once (engine/table_writer).
"""

from engine.buffer cimport append, discard, reserve
from engine.entry cimport PUT, Entry
from engine.varint cimport store32, store64, write_varint, zigzag
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy


cdef class BlockWriter:
    def __dealloc__(self):
        discard(&self.raw)
        discard(&self.stored)
        discard(&self.values)
        discard(&self.restarts)
        discard(&self.last_key)

    cdef int add(self, const Entry* e) except -1 nogil:
        """Append an entry; its key must be greater than the one before (the caller checks)."""
        cdef uint32_t shared = 0, limit
        cdef uint32_t[2] position
        cdef uint8_t flags = e.kind
        cdef char* at
        reserve(&self.stored, ENTRY_HEADER_BYTES_MAX + e.key_bytes)
        if self.entries == 0:
            self.base_hlc = e.hlc
        if self.entries % RESTART_EVERY == 0:
            position[0] = <uint32_t>self.stored.used
            position[1] = <uint32_t>self.values.used
            append(&self.restarts, position, RESTART_BYTES)
        else:
            limit = min(<uint32_t>self.last_key.used, e.key_bytes)
            while shared < limit and self.last_key.at[shared] == e.key[shared]:
                shared += 1
            if e.actor == self.last_actor:
                flags |= SAME_ACTOR
        if e.deadline_ms:
            flags |= HAS_DEADLINE
        if e.annotation:
            flags |= HAS_ANNOTATION
        at = self.stored.at + self.stored.used
        at = write_varint(at, shared)
        at = write_varint(at, e.key_bytes - shared)
        at = write_varint(at, e.value_bytes)
        at[0] = <char>flags
        at = write_varint(at + 1, zigzag(e.hlc - self.base_hlc))
        if not flags & SAME_ACTOR:
            store64(at, e.actor)
            at += 8
        if e.deadline_ms:
            at = write_varint(at, e.deadline_ms)
        if e.annotation:
            at = write_varint(at, zigzag(e.annotation - e.hlc))
        memcpy(at, e.key + shared, e.key_bytes - shared)
        self.stored.used = at + (e.key_bytes - shared) - self.stored.at
        if e.value_bytes:
            append(&self.values, e.value, e.value_bytes)
        self.last_actor = e.actor
        self.entries += 1
        self.last_key.used = shared
        append(&self.last_key, e.key + shared, e.key_bytes - shared)
        return 0

    cdef size_t size(self) noexcept nogil:
        """Raw bytes of the block under construction, were it cut now; 0 when it has no entry."""
        if self.entries == 0:
            return 0
        return (
            HEADER_BYTES + self.restarts.used + self.stored.used + self.values.used
        )

    cdef int cut(self) except -1 nogil:
        """End the block. The next add() starts a new one behind it."""
        cdef char* at
        reserve(&self.raw, self.size())
        at = self.raw.at + self.raw.used
        store64(at, self.base_hlc)
        store32(at + 8, <uint32_t>self.stored.used)
        store32(at + 12, self.entries)
        store32(at + 16, <uint32_t>(self.restarts.used // RESTART_BYTES))
        self.raw.used += HEADER_BYTES
        append(&self.raw, self.restarts.at, self.restarts.used)
        append(&self.raw, self.stored.at, self.stored.used)
        if self.values.used:
            append(&self.raw, self.values.at, self.values.used)
        self.stored.used = self.restarts.used = self.values.used = 0
        self.entries = 0
        return 0

    # For Python: tests.

    def append(self, bytes key, int kind=PUT, bytes value=b"", *, hlc=0, actor=0, deadline_ms=0,
               annotation=0):
        cdef Entry e
        e.key = key
        e.key_bytes = <uint32_t>len(key)
        e.kind = kind
        e.value = value
        e.value_bytes = <uint32_t>len(value)
        e.hlc = hlc
        e.actor = actor
        e.deadline_ms = deadline_ms
        e.annotation = annotation
        self.add(&e)

    def finish(self):
        """The raw bytes of the block."""
        cdef bytes block
        self.cut()
        block = self.raw.at[:self.raw.used]
        self.raw.used = 0
        return block
