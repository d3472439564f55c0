"""The commit log's bytes: what log_writer writes and log_reader trusts only after checking.

A log is a row of segments `NNNNNN.log`, each a header and frames:

    segment := magic:"RESPKVLG" format:u32 crc:u32 number:u64 start_position:u64  frame* zero*
    frame   := crc:u32 length:u32 sequence:u64 synced:u64  record*
    record  := kind_and_flags:u8 key_bytes:varint value_bytes:varint hlc:u64 actor:u64
               [deadline_ms:u64] [annotation:u64] [offset:i32 byte:u8]  key value
    kind_and_flags := kind (bits 0-3) | 16 HAS_DEADLINE | 32 HAS_ANNOTATION

Numbers are little-endian. A segment's crc covers number and start_position; a frame's crc covers all of
the frame behind it; both are CRC32C. `length` counts the bytes of the records. offset and byte are
there for RANGE_DELETE only, whose key is the start and whose value is the end of the range.

One frame is one commit (all writes of one turn of the event loop), so a commit is there as a whole or
not at all. `sequence` numbers the frame's first record, the others follow by one; the first of the next
frame goes on where this one ended, so a missing frame is noticed. An empty frame is legal: a clean
close writes one.

A position counts the bytes of all segments that ever were: `start_position` is that of the
segment's first byte, the next segment starts where this one ended. `synced` says up to which
position the log was known to be on the disk when the frame was made. That is how the reader tells an
unsynced tail, which a power failure may tear anywhere, from damage to what was promised: see log_reader.

Behind the last frame there may be zeros, never anything else.
"""

from engine.entry cimport RANGE_DELETE, Entry
from engine.varint cimport load32, load64, read_varint, store32, store64, write_varint
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    LOG_FORMAT = 1
    SEGMENT_HEADER_BYTES = 32
    FRAME_HEADER_BYTES = 24
    RECORD_BYTES_MAX = 1 + 5 + 5 + 8 * 4 + 5   # beyond key and value
    FRAME_BYTES_MAX = 1 << 30
    HAS_DEADLINE = 16
    HAS_ANNOTATION = 32


cdef inline size_t write_record(char* at, const Entry* e, int32_t offset,
                                uint8_t byte) noexcept nogil:
    """Returns the bytes used; there must be room for RECORD_BYTES_MAX + key + value."""
    cdef char* start = at
    cdef uint8_t head = e.kind
    if e.deadline_ms:
        head |= HAS_DEADLINE
    if e.annotation:
        head |= HAS_ANNOTATION
    at[0] = <char>head
    at = write_varint(at + 1, e.key_bytes)
    at = write_varint(at, e.value_bytes)
    store64(at, e.hlc)
    store64(at + 8, e.actor)
    at += 16
    if e.deadline_ms:
        store64(at, e.deadline_ms)
        at += 8
    if e.annotation:
        store64(at, e.annotation)
        at += 8
    if e.kind == RANGE_DELETE:
        store32(at, <uint32_t>offset)
        at[4] = <char>byte
        at += 5
    memcpy(at, e.key, e.key_bytes)
    at += e.key_bytes
    memcpy(at, e.value, e.value_bytes)
    return at + e.value_bytes - start


cdef inline const char* read_record(const char* at, const char* end, Entry* e, int32_t* offset,
                                    uint8_t* byte) noexcept nogil:
    """Fills `e` with pointers into the frame and returns the next record's place, NULL when the
    bytes are no record."""
    cdef uint64_t key_bytes, value_bytes
    cdef uint8_t head
    cdef size_t fixed = 16
    if at >= end:
        return NULL
    head = <uint8_t>at[0]
    e.kind = head & 15
    if e.kind < 1 or e.kind > RANGE_DELETE or head & 0xC0:
        return NULL
    at = read_varint(at + 1, end, &key_bytes)
    if at == NULL:
        return NULL
    at = read_varint(at, end, &value_bytes)
    if at == NULL:
        return NULL
    if head & HAS_DEADLINE:
        fixed += 8
    if head & HAS_ANNOTATION:
        fixed += 8
    if e.kind == RANGE_DELETE:
        fixed += 5
    if key_bytes > FRAME_BYTES_MAX or value_bytes > FRAME_BYTES_MAX:
        return NULL
    if <size_t>(end - at) < fixed + key_bytes + value_bytes:
        return NULL
    e.hlc = load64(at)
    e.actor = load64(at + 8)
    at += 16
    e.deadline_ms = e.annotation = 0
    if head & HAS_DEADLINE:
        e.deadline_ms = load64(at)
        at += 8
    if head & HAS_ANNOTATION:
        e.annotation = load64(at)
        at += 8
    if e.kind == RANGE_DELETE:
        offset[0] = <int32_t>load32(at)
        byte[0] = <uint8_t>at[4]
        at += 5
    e.key = at
    e.key_bytes = <uint32_t>key_bytes
    at += key_bytes
    e.value = at
    e.value_bytes = <uint32_t>value_bytes
    return at + value_bytes
