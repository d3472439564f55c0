"""Stored blocks: how a block's raw bytes lie in the file, and how they become a Block again.

    stored   := payload raw_bytes:u32 compression:u8 crc:u32
    payload  := the raw bytes (compression 0), or one Zstandard frame of them, made without (1) or with
                the table's dictionary (2)
    crc      := CRC32C of everything before it, exclusive-or the low 32 bits of the file offset

A block that does not shrink is stored raw. The offset in the checksum catches a block that is
whole but in the wrong place (a misdirected write): without it that would be a wrong answer, not an
error. The raw size is known before anything is decompressed, so that a block cannot claim more
memory than BLOCK_BYTES_MAX, and a lying Zstandard header is found out.

The decompressor is the caller's; where the table has a dictionary it must know it. It reads blocks that
were made without one just as well.

Checksums and Zstandard are Python calls. A lone block (a point read) costs two of them; a run of
blocks (a scan, a compaction, a batch of loads) goes through one decompressor call, which gives the
GIL back while it works.
"""

import struct

import google_crc32c
import zstandard

from cpython.buffer cimport PyBUF_SIMPLE, PyBuffer_FillInfo, PyBuffer_Release, PyObject_GetBuffer
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from engine.disk cimport File
from engine.table_file cimport TableFile
from engine.varint cimport load32

from engine.errors import DamagedFile

cdef object crc32c = google_crc32c.value
cdef object frame_content_size = zstandard.frame_content_size
cdef size_t GROUP_BYTES = 4 << 20      # raw bytes that one multi-decompress may ask for


cdef class Span:
    """Lends C memory to a Python call, read-only and without a copy. Never outlives the memory."""

    def __getbuffer__(self, Py_buffer* view, int flags):
        PyBuffer_FillInfo(view, self, <void*>self.at, self.length, 1, flags)


cdef class Block:
    """Raw bytes of one block, wherever their memory comes from. Immutable."""

    def __len__(self):
        return self.length

    def __bytes__(self):
        return self.at[:self.length]


cdef uint32_t checksum(Span span, const char* at, size_t length, uint64_t offset) except? 0:
    """The stored form of the checksum of `length` bytes; `span` is a scratch object."""
    span.at = at
    span.length = length
    return <uint32_t>crc32c(span) ^ <uint32_t>offset


cdef bint _check(Span span, const char* stored, size_t length, TableFile source,
                 uint64_t offset) except -1:
    """Raises DamagedFile unless trailer and checksum are right; whether it is compressed."""
    cdef uint8_t compression
    cdef uint32_t raw_bytes
    if length < TRAILER_BYTES:
        raise DamagedFile(source.path, offset, "a block is shorter than its trailer")
    if checksum(span, stored, length - 4, offset) != load32(stored + length - 4):
        raise DamagedFile(source.path, offset, "the checksum of a block is wrong")
    compression = <uint8_t>stored[length - 5]
    raw_bytes = load32(stored + length - 9)
    if compression > (Compression.ZSTD if source.dictionary is None
                      else Compression.ZSTD_DICTIONARY):
        raise DamagedFile(source.path, offset, f"a block has the unknown compression {compression}")
    if raw_bytes == 0 or raw_bytes > BLOCK_BYTES_MAX:
        raise DamagedFile(source.path, offset, f"a block says that it has {raw_bytes} bytes")
    if compression == Compression.RAW:
        if raw_bytes != length - TRAILER_BYTES:
            raise DamagedFile(source.path, offset, "a block's raw size is wrong")
        return False
    span.at = stored
    span.length = length - TRAILER_BYTES
    try:
        claimed = frame_content_size(span)
    except zstandard.ZstdError as error:
        raise DamagedFile(source.path, offset, f"a block cannot be decompressed: {error}") from None
    if claimed != raw_bytes:
        raise DamagedFile(source.path, offset, "a block's Zstandard frame has another size")
    return True


cdef Block open_block(object decompressor, bytes stored, TableFile source, uint64_t offset):
    """Checks and decompresses one stored block. A raw one keeps `stored` as its memory."""
    cdef Block block = Block.__new__(Block)
    cdef Span span = Span.__new__(Span)
    cdef const char* at = PyBytes_AS_STRING(stored)
    cdef size_t length = PyBytes_GET_SIZE(stored)
    cdef bytes raw
    block.offset = offset
    if _check(span, at, length, source, offset):
        try:
            raw = decompressor.decompress(span)
        except zstandard.ZstdError as error:
            raise DamagedFile(
                source.path, offset, f"a block cannot be decompressed: {error}"
            ) from None
        block.at = PyBytes_AS_STRING(raw)
        block.length = <uint32_t>PyBytes_GET_SIZE(raw)
        block._owner = raw
        if block.length != load32(at + length - 9):
            raise DamagedFile(source.path, offset, "a block's Zstandard frame has another size")
    else:
        block.at = at
        block.length = <uint32_t>(length - TRAILER_BYTES)
        block._owner = stored
    return block


cdef list open_run(object decompressor, const char* stored, TableFile source, uint64_t offset,
                   list lengths):
    """Opens neighbouring stored blocks of these lengths, the first of them at `offset`.

    Returns a Block or the DamagedFile for each. The Blocks share memory (raw ones borrow `stored`
    itself!): they are for a cursor that keeps both, not for the cache.
    """
    cdef list found = [None] * len(lengths), group = []
    cdef size_t length, group_bytes = 0, raw_bytes
    cdef const char* at = stored
    cdef Span span = Span.__new__(Span)
    cdef Block block
    cdef Py_ssize_t i
    for i in range(len(lengths)):
        length = lengths[i]
        block = Block.__new__(Block)
        block.offset = offset + (at - stored)
        block.at = at
        block.length = <uint32_t>length
        found[i] = block
        try:
            if _check(span, at, length, source, block.offset):
                raw_bytes = load32(at + length - 9)
                if group and group_bytes + raw_bytes > GROUP_BYTES:
                    _decompress(decompressor, source, found, group)
                    group = []
                    group_bytes = 0
                group.append(i)
                group_bytes += raw_bytes
            else:
                block.length = <uint32_t>(length - TRAILER_BYTES)
        except DamagedFile as damage:
            found[i] = damage
        at += length
    _decompress(decompressor, source, found, group)
    return found


cdef int _decompress(object decompressor, TableFile source, list found, list group) except -1:
    """Replaces the stored bytes of the blocks numbered in `group` by their raw ones."""
    cdef Span span = Span.__new__(Span)
    cdef Block block
    cdef const char* first
    cdef list segments = [], sizes = []
    cdef Py_buffer view
    if not group:
        return 0
    first = (<Block>found[group[0]]).at
    for i in group:
        block = found[i]
        segments += (block.at - first, block.length - TRAILER_BYTES)
        sizes.append(load32(block.at + block.length - 9))
        span.length = block.at + block.length - first
    span.at = first
    try:
        if len(group) == 1:
            span.length = segments[1]
            pieces = [decompressor.decompress(span)]
        else:
            pieces = decompressor.multi_decompress_to_buffer(
                zstandard.BufferWithSegments(span, struct.pack(f"={len(segments)}Q", *segments)),
                decompressed_sizes=struct.pack(f"={len(sizes)}Q", *sizes),
            )
    except zstandard.ZstdError as error:
        # One bad block spoils the call: go through them one by one to find it.
        if len(group) > 1:
            for i in group:
                _decompress(decompressor, source, found, [i])
        else:
            block = found[group[0]]
            found[group[0]] = DamagedFile(
                source.path, block.offset, f"a block cannot be decompressed: {error}"
            )
        return 0
    for piece, i, size in zip(pieces if isinstance(pieces, list) else
                              [pieces[n] for n in range(len(group))], group, sizes):
        block = found[i]
        PyObject_GetBuffer(piece, &view, PyBUF_SIMPLE)
        block.at = <const char*>view.buf
        block.length = <uint32_t>view.len
        PyBuffer_Release(&view)
        block._owner = piece
        if block.length != size:
            found[i] = DamagedFile(
                source.path, block.offset, "a block's Zstandard frame has another size"
            )
    return 0


cdef Block own(Block block):
    """A block with memory of its own: one of a run would keep the whole run's memory alive."""
    cdef bytes copy
    if type(block._owner) is bytes:
        return block
    copy = PyBytes_FromStringAndSize(block.at, block.length)
    block.at = PyBytes_AS_STRING(copy)
    block._owner = copy
    return block


def read_stored(bytes stored, path, uint64_t offset, bytes dictionary=None):
    """The raw bytes of one stored block, for tools and tests. DamagedFile."""
    cdef File file = File.__new__(File)
    cdef TableFile source
    file.path = str(path)
    source = TableFile(file)
    if dictionary is not None:
        source.use_dictionary(dictionary, offset)
    return bytes(open_block(source.make_decompressor(), stored, source, offset))
