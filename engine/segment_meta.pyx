"""Segment metas and indexes: where the block lies that may hold a key.

A table's data blocks come in segments of about half a megabyte. Behind each segment stands its
meta: a Bloom filter of the segment's keys and an index of its blocks. One more index, at the end
of the table, names the metas. A single index and filter for the whole table would be simpler, but
would have to be held in memory in full (14 bytes a key and up) or be read in full for one key; a
meta is some ten KB and lives in the block cache like any block
(docs/decisions/0003-segmented-tables.md).

    meta     := lines:u32 probes:u8 zero:u8[3] filter:64 bytes * lines  index
    index    := count:u32 key_end:u32 * count  length:u32 * count  offset:u64 * count  keys
    key_end  := where in `keys` the i-th key ends; it begins where the one before ends

The i-th key is the *last* key of the i-th block (or segment); offset and length say where that
block (or that segment's meta) is stored. So the wanted block is the first whose key is >= the
wanted one.

The numbers lie in arrays, so that a reader can search them in place. `check_*` goes over the whole
structure once, when the bytes come from the disk; after that `open_*` and `find_in_index` rely on
it and check nothing.
"""

from engine.block cimport BLOCK_BYTES_MAX, TRAILER_BYTES
from engine.bloom cimport LINE_BYTES, PROBES_MAX, bloom_may_hold
from engine.buffer cimport append, discard
from engine.murmur cimport key_hash
from engine.varint cimport load32, load64
from libc.string cimport memcmp

cdef enum:
    META_HEADER_BYTES = 8
    INDEX_ENTRY_BYTES = 16


cdef int note_key(IndexDraft* draft, const char* key, size_t key_bytes) except -1 nogil:
    """The last key of the next block."""
    cdef uint32_t end
    append(&draft.keys, key, key_bytes)
    end = <uint32_t>draft.keys.used
    append(&draft.key_ends, &end, 4)
    draft.count += 1
    return 0


cdef int note_place(IndexDraft* draft, uint64_t offset, uint32_t length) except -1 nogil:
    """Where that block is stored; called once per note_key, in the same order, perhaps later."""
    append(&draft.offsets, &offset, 8)
    append(&draft.lengths, &length, 4)
    return 0


cdef int write_index(const IndexDraft* draft, Buffer* out) except -1 nogil:
    append(out, &draft.count, 4)
    append(out, draft.key_ends.at, draft.key_ends.used)
    append(out, draft.lengths.at, draft.lengths.used)
    append(out, draft.offsets.at, draft.offsets.used)
    append(out, draft.keys.at, draft.keys.used)
    return 0


cdef int write_meta(const IndexDraft* draft, const char* filter, uint32_t lines, uint8_t probes,
                    Buffer* out) except -1 nogil:
    cdef uint32_t probes_and_zeros = probes
    append(out, &lines, 4)
    append(out, &probes_and_zeros, 4)
    append(out, filter, <size_t>lines * LINE_BYTES)
    return write_index(draft, out)


cdef void clear_draft(IndexDraft* draft) noexcept nogil:
    draft.count = 0
    draft.key_ends.used = draft.offsets.used = draft.lengths.used = draft.keys.used = 0


cdef void discard_draft(IndexDraft* draft) noexcept nogil:
    draft.count = 0
    discard(&draft.key_ends)
    discard(&draft.offsets)
    discard(&draft.lengths)
    discard(&draft.keys)


cdef const char* check_index(const char* at, size_t size, uint64_t file_bytes) noexcept nogil:
    """NULL when every number points to where it may, else what is wrong."""
    cdef IndexView view
    cdef uint64_t count, keys_bytes, i, offset
    cdef uint32_t end, before = 0, length
    if size < 4:
        return "an index is too short"
    count = load32(at)
    if count == 0 or count > (size - 4) // INDEX_ENTRY_BYTES:
        return "an index has a wrong count"
    keys_bytes = size - 4 - count * INDEX_ENTRY_BYTES
    open_index(at, &view)
    for i in range(count):
        end = load32(view.key_ends + i * 4)
        if end < before or end > keys_bytes:
            return "an index has a key outside its keys"
        before = end
        length = load32(view.lengths + i * 4)
        offset = load64(view.offsets + i * 8)
        if length < TRAILER_BYTES or length > BLOCK_BYTES_MAX + TRAILER_BYTES:
            return "an index has a block of an impossible length"
        if offset > file_bytes or length > file_bytes - offset:
            return "an index points behind the end of the file"
    return NULL


cdef const char* check_meta(const char* at, size_t size, uint64_t file_bytes) noexcept nogil:
    cdef uint64_t filter_bytes
    if size < META_HEADER_BYTES:
        return "a segment meta is too short"
    filter_bytes = <uint64_t>load32(at) * LINE_BYTES
    if filter_bytes > size - META_HEADER_BYTES or <uint8_t>at[4] > PROBES_MAX:
        return "a segment meta has a wrong filter size"
    at += META_HEADER_BYTES + filter_bytes
    return check_index(at, size - META_HEADER_BYTES - filter_bytes, file_bytes)


cdef void open_index(const char* at, IndexView* view) noexcept nogil:
    view.count = load32(at)
    view.key_ends = at + 4
    view.lengths = view.key_ends + <size_t>view.count * 4
    view.offsets = view.lengths + <size_t>view.count * 4
    view.keys = view.offsets + <size_t>view.count * 8


cdef void open_meta(const char* at, MetaView* view) noexcept nogil:
    view.lines = load32(at)
    view.probes = <uint8_t>at[4]
    view.filter = at + META_HEADER_BYTES
    open_index(view.filter + <size_t>view.lines * LINE_BYTES, &view.index)


cdef uint32_t find_in_index(const IndexView* view, const char* key,
                            uint32_t key_bytes) noexcept nogil:
    """The first place whose last key is >= `key`; view.count when the key is behind all of them."""
    cdef uint32_t low = 0, high = view.count, middle, begin, length
    cdef int order
    while low < high:
        middle = low + (high - low) // 2
        begin = load32(view.key_ends + <size_t>middle * 4 - 4) if middle else 0
        length = load32(view.key_ends + <size_t>middle * 4) - begin
        order = memcmp(view.keys + begin, key, min(length, key_bytes))
        if order < 0 or (order == 0 and length < key_bytes):
            low = middle + 1
        else:
            high = middle
    return low


# For Python: `resp-kv dump`, `resp-kv check` and tests.

def read_index(bytes raw, uint64_t file_bytes):
    """[(last key, offset, length), ...] of an index block. ValueError."""
    cdef const char* reason = check_index(raw, len(raw), file_bytes)
    cdef IndexView view
    if reason != NULL:
        raise ValueError(reason.decode())
    open_index(raw, &view)
    return listed(&view)


def read_meta(bytes raw, uint64_t file_bytes):
    """(lines of the filter, probes, its index) of a segment meta. ValueError."""
    cdef const char* reason = check_meta(raw, len(raw), file_bytes)
    cdef MetaView meta
    if reason != NULL:
        raise ValueError(reason.decode())
    open_meta(raw, &meta)
    return meta.lines, meta.probes, listed(&meta.index)


def filter_holds(bytes raw, bytes key):
    """Whether the filter of a segment meta that read_meta() took lets the key pass."""
    cdef MetaView meta
    open_meta(raw, &meta)
    return bloom_may_hold(meta.filter, meta.lines, meta.probes, key_hash(key, <uint32_t>len(key)))


cdef list listed(const IndexView* view):
    cdef list places = []
    cdef uint32_t begin = 0, end, i
    for i in range(view.count):
        end = load32(view.key_ends + <size_t>i * 4)
        places.append((view.keys[begin:end], load64(view.offsets + <size_t>i * 8),
                       load32(view.lengths + <size_t>i * 4)))
        begin = end
    return places
