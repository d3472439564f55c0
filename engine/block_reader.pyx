"""Reads data blocks; the grammar is on top of engine/block_writer.

The bytes have passed their checksum, but a checksum can be right by accident or by malice: so each
read is checked against the end of the entries, and what does not fit gives DAMAGED, which the
caller, who knows file and offset, turns into an error. No input makes these functions read outside
the block.

A point read never builds a key. It walks from a restart point with one number, `matched`: how many
bytes of the wanted key agree with the entry before (whose key is smaller). An entry that shares
more than that with its predecessor differs from the wanted key where the predecessor did: still
smaller. One that shares less has grown at a byte where the predecessor agreed: already greater, so
the key is absent. Only where both numbers are equal must bytes be compared, and only the suffix.
"""

from engine.block cimport BLOCK_BYTES_MAX
from engine.block_writer cimport HEADER_BYTES, RESTART_BYTES
from engine.buffer cimport append, discard
from engine.varint cimport load32, load64, read_varint, unzigzag
from libc.string cimport memcmp, memset


cdef int open_view(const char* at, size_t size, BlockView* view) noexcept nogil:
    """Finds entries and restart points of a block: THERE, or DAMAGED."""
    cdef size_t restart_bytes
    cdef size_t entries_bytes
    if size < HEADER_BYTES:
        return DAMAGED
    view.restarts = load32(at + 16)
    restart_bytes = <size_t>view.restarts * RESTART_BYTES
    if view.restarts == 0 or restart_bytes > size - HEADER_BYTES:
        return DAMAGED
    entries_bytes = load32(at + 8)
    if entries_bytes > size - HEADER_BYTES - restart_bytes:
        return DAMAGED
    view.base_hlc = load64(at)
    view.restarts_at = at + HEADER_BYTES
    view.entries = view.restarts_at + restart_bytes
    view.values = view.entries + entries_bytes
    view.values_end = at + size
    return THERE


cdef inline const char* read_entry(const BlockView* view, const char* at, const char* value,
                                   uint64_t actor_before, StoredEntry* e) noexcept nogil:
    """Decodes the entry that starts at `at`; where the next one starts, or NULL when damaged.

    Its value is at `value`, which lies between the entries and view.values_end."""
    cdef const char* end = view.values
    cdef uint64_t shared, key_bytes, value_bytes, number
    if end - at >= 4 and <uint8_t>(at[0] | at[1] | at[2]) < 0x80:
        shared = <uint8_t>at[0]        # the usual case: three numbers below 128
        key_bytes = <uint8_t>at[1]
        value_bytes = <uint8_t>at[2]
        at += 3
    else:
        at = read_varint(at, end, &shared)
        if at != NULL:
            at = read_varint(at, end, &key_bytes)
        if at != NULL:
            at = read_varint(at, end, &value_bytes)
        if at == NULL or at >= end:
            return NULL
    e.flags = <uint8_t>at[0]
    at = read_varint(at + 1, end, &number)
    if at == NULL or e.flags & 0xC0:
        return NULL
    e.hlc = view.base_hlc + unzigzag(number)
    if e.flags & Flag.SAME_ACTOR:
        e.actor = actor_before
    else:
        if end - at < 8:
            return NULL
        e.actor = load64(at)
        at += 8
    e.deadline_ms = 0
    if e.flags & Flag.HAS_DEADLINE:
        at = read_varint(at, end, &e.deadline_ms)
        if at == NULL:
            return NULL
    e.annotation = 0
    if e.flags & Flag.HAS_ANNOTATION:
        at = read_varint(at, end, &number)
        if at == NULL:
            return NULL
        e.annotation = e.hlc + unzigzag(number)
    if (
        key_bytes > <uint64_t>(end - at)
        or value_bytes > <uint64_t>(view.values_end - value)
        or shared > BLOCK_BYTES_MAX
    ):
        return NULL
    e.shared = <uint32_t>shared
    e.key_bytes = <uint32_t>key_bytes
    e.value_bytes = <uint32_t>value_bytes
    e.key = at
    e.value = value
    return at + key_bytes


cdef inline const char* restart_at(const BlockView* view, uint32_t i,
                                   const char** value) noexcept nogil:
    """The entry and the value of restart point i (below view.restarts), or NULL."""
    cdef const char* restart = view.restarts_at + <size_t>i * RESTART_BYTES
    cdef uint32_t offset = load32(restart), value_offset = load32(restart + 4)
    if (
        offset >= <size_t>(view.values - view.entries)
        or value_offset > <size_t>(view.values_end - view.values)
    ):
        return NULL
    value[0] = view.values + value_offset
    return view.entries + offset


cdef inline int order(const char* a, uint32_t a_bytes,
                      const char* b, uint32_t b_bytes) noexcept nogil:
    cdef int found = memcmp(a, b, a_bytes if a_bytes < b_bytes else b_bytes)
    if found:
        return found
    return (a_bytes > b_bytes) - (a_bytes < b_bytes)


cdef const char* last_restart_before(const BlockView* view, const char* key, uint32_t key_bytes,
                                     const char** value) noexcept nogil:
    """The last restart point whose key is <= `key`, else the first of all, and where its value
    is; NULL when damaged."""
    cdef uint32_t low = 0, high = view.restarts, middle
    cdef StoredEntry e
    cdef const char* at
    while high - low > 1:
        middle = low + (high - low) // 2
        at = restart_at(view, middle, value)
        if at == NULL or read_entry(view, at, value[0], 0, &e) == NULL or e.shared != 0:
            return NULL
        if order(e.key, e.key_bytes, key, key_bytes) <= 0:
            low = middle
        else:
            high = middle
    return restart_at(view, low, value)


cdef inline void fill(const StoredEntry* e, const char* key, uint32_t key_bytes,
                      Entry* out) noexcept nogil:
    out.key = key
    out.key_bytes = key_bytes
    out.value = e.value
    out.value_bytes = e.value_bytes
    out.hlc = e.hlc
    out.actor = e.actor
    out.deadline_ms = e.deadline_ms
    out.annotation = e.annotation
    out.kind = e.flags & Flag.KIND_MASK


cdef int find_in_block(const BlockView* view, const char* key, uint32_t key_bytes,
                       Entry* out) noexcept nogil:
    """The entry of exactly this key: THERE, OVER or DAMAGED. `out.key` is the caller's own key."""
    cdef StoredEntry e
    cdef const char* value
    cdef const char* at = last_restart_before(view, key, key_bytes, &value)
    cdef uint64_t actor = 0
    cdef uint32_t matched = 0, length_before = 0, same, limit
    cdef bint first = True
    if at == NULL:
        return DAMAGED
    while at < view.values:
        at = read_entry(view, at, value, actor, &e)
        if at == NULL or (first and (e.shared != 0 or e.flags & Flag.SAME_ACTOR)):
            return DAMAGED
        if e.shared > length_before:
            return DAMAGED
        first = False
        actor = e.actor
        value += e.value_bytes
        length_before = e.shared + e.key_bytes
        if e.shared > matched:
            continue
        if e.shared < matched:
            return OVER
        limit = min(e.key_bytes, key_bytes - matched)
        same = 0
        while same < limit and e.key[same] == key[matched + same]:
            same += 1
        if same == key_bytes - matched:
            if same != e.key_bytes:
                return OVER                    # the wanted key is a prefix of this one
            if (e.flags & Flag.KIND_MASK) == 0:
                return DAMAGED
            fill(&e, key, key_bytes, out)
            return THERE
        if same < e.key_bytes and <uint8_t>e.key[same] > <uint8_t>key[matched + same]:
            return OVER
        matched += same
    return OVER


cdef int next_in_block(BlockPlace* place, Entry* out) except -2 nogil:
    """The next entry, its key whole in place.key: THERE, OVER or DAMAGED; MemoryError."""
    cdef StoredEntry e
    cdef const char* at
    if place.next >= place.view.values:
        return OVER
    at = read_entry(&place.view, place.next, place.next_value, place.actor, &e)
    if at == NULL or e.shared > place.key.used or (e.flags & Flag.KIND_MASK) == 0:
        return DAMAGED
    place.key.used = e.shared
    append(&place.key, e.key, e.key_bytes)
    place.actor = e.actor
    place.next = at
    place.next_value = e.value + e.value_bytes
    fill(&e, place.key.at, <uint32_t>place.key.used, out)
    return THERE


cdef int first_in_block(BlockPlace* place, Entry* out) except -2 nogil:
    place.next = place.view.entries
    place.next_value = place.view.values
    place.key.used = 0
    place.actor = 0
    return next_in_block(place, out)


cdef int seek_in_block(BlockPlace* place, const char* key, uint32_t key_bytes,
                       Entry* out) except -2 nogil:
    """The first entry with a key >= `key`."""
    cdef int step
    place.next = last_restart_before(&place.view, key, key_bytes, &place.next_value)
    if place.next == NULL:
        return DAMAGED
    place.key.used = 0
    place.actor = 0
    while True:
        step = next_in_block(place, out)
        if step != THERE or order(out.key, out.key_bytes, key, key_bytes) >= 0:
            return step


# For Python: `resp-kv dump`, `resp-kv check` and tests.

def read_block(bytes raw):
    """All entries of a raw block, as (key, kind, value, hlc, actor, deadline_ms, annotation).

    ValueError when the bytes are no block, its keys do not ascend, or its restart points are wrong."""
    cdef BlockPlace place
    cdef Entry e
    cdef int step
    cdef list found = []
    memset(&place, 0, sizeof(BlockPlace))
    if open_view(raw, len(raw), &place.view) == DAMAGED:
        raise ValueError("the header of a block is wrong")
    try:
        step = first_in_block(&place, &e)
        while step == THERE:
            found.append((e.key[:e.key_bytes], e.kind, e.value[:e.value_bytes], e.hlc, e.actor,
                          e.deadline_ms, e.annotation))
            step = next_in_block(&place, &e)
        if step == DAMAGED:
            raise ValueError(f"entry {len(found)} of a block is inconsistent")
        for one, other in zip(found, found[1:]):
            if one[0] >= other[0]:
                raise ValueError(f"key {other[0]!r} does not follow {one[0]!r}")
        if place.next_value != place.view.values_end or load32(<const char*>raw + 12) != len(found):
            raise ValueError("a block holds more than its entries")
        for entry in found:
            if find_key(raw, entry[0]) != entry:
                raise ValueError(f"key {entry[0]!r} is there, but cannot be found")
    finally:
        discard(&place.key)
    return found


def find_key(bytes raw, bytes key):
    """The entry of that key in a raw block, or None. ValueError when it is no block."""
    cdef BlockView view
    cdef Entry e
    cdef int step = open_view(raw, len(raw), &view)
    if step == THERE:
        step = find_in_block(&view, key, <uint32_t>len(key), &e)
    if step == DAMAGED:
        raise ValueError("a block is inconsistent")
    if step == OVER:
        return None
    return key, e.kind, e.value[:e.value_bytes], e.hlc, e.actor, e.deadline_ms, e.annotation


def seek_keys(bytes raw, bytes start):
    """The keys of a raw block from `start` on."""
    cdef BlockPlace place
    cdef Entry e
    cdef int step
    cdef list found = []
    memset(&place, 0, sizeof(BlockPlace))
    if open_view(raw, len(raw), &place.view) == DAMAGED:
        raise ValueError("the header of a block is wrong")
    try:
        step = seek_in_block(&place, start, <uint32_t>len(start), &e)
        while step == THERE:
            found.append(e.key[:e.key_bytes])
            step = next_in_block(&place, &e)
        if step == DAMAGED:
            raise ValueError("a block is inconsistent")
    finally:
        discard(&place.key)
    return found
