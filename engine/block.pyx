"""Stored blocks: how a block's raw bytes lie in the file, and how they become a Block again.

    stored   := payload raw_bytes:u32 compression:u8 crc:u32
    payload  := the raw bytes (compression 0), or one Zstandard frame of them, made without (1) or with
                the table's dictionary (2)
    crc      := CRC32C of everything before it, exclusive-or the low 32 bits of the file offset

A block that does not shrink is stored raw. The offset in the checksum catches a block that is
whole but in the wrong place (a misdirected write): without it that would be a wrong answer, not an
error. The raw size is known before anything is decompressed, so that a block cannot claim more
memory than BLOCK_BYTES_MAX, and a lying Zstandard header is found out.

A lone block (a point read) is opened into memory of its own. A run of neighbours (a scan, a compaction, a
batch of loads) is opened into one buffer, without the GIL. The decompressor is the caller's, one for each
thread.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from engine.buffer cimport append, reserve
from engine.crc32c cimport crc32c
from engine.disk cimport File
from engine.varint cimport load32
from engine.zstd cimport content_bytes

from engine.errors import DamagedFile

cdef size_t RUN_BYTES_MAX = 4 << 20      # raw bytes that one run may ask for, unless it is a single block


cdef class Block:
    """Raw bytes of one block. Immutable."""

    def __len__(self):
        return self.length

    def __bytes__(self):
        return self.at[:self.length]


cdef uint32_t checksum(const char* at, size_t length, uint64_t offset) noexcept nogil:
    """The stored form of the checksum of `length` bytes."""
    return crc32c(at, length) ^ <uint32_t>offset


cdef const char* check_stored(const char* stored, size_t length, TableFile source,
                              uint64_t offset) noexcept nogil:
    """NULL when trailer and checksum are right, else what is wrong."""
    cdef uint8_t compression
    cdef uint32_t raw_bytes
    cdef uint64_t claimed
    if length < TRAILER_BYTES:
        return "a block is shorter than its trailer"
    if checksum(stored, length - 4, offset) != load32(stored + length - 4):
        return "the checksum of a block is wrong"
    compression = compression_of(stored, length)
    raw_bytes = raw_bytes_of(stored, length)
    if compression > Compression.ZSTD_DICTIONARY:
        return "a block has an unknown compression"
    if compression == Compression.ZSTD_DICTIONARY and source.dictionary is None:
        return "a block needs a dictionary that is not there"
    if raw_bytes == 0 or raw_bytes > BLOCK_BYTES_MAX:
        return "a block says that it has an impossible number of bytes"
    if compression == Compression.RAW:
        if raw_bytes != length - TRAILER_BYTES:
            return "a block's raw size is wrong"
        return NULL
    claimed = content_bytes(stored, length - TRAILER_BYTES)
    if claimed == raw_bytes:
        return NULL
    if claimed > BLOCK_BYTES_MAX:
        return "a block cannot be decompressed"
    return "a block's Zstandard frame has another size"


cdef inline uint8_t compression_of(const char* stored, size_t length) noexcept nogil:
    return <uint8_t>stored[length - 5]


cdef inline uint32_t raw_bytes_of(const char* stored, size_t length) noexcept nogil:
    return load32(stored + length - 9)


cdef const char* unpack(Decompressor decompressor, const char* stored, size_t length, TableFile source,
                        char* out) noexcept nogil:
    """The raw bytes of a checked, compressed block; NULL, or what is wrong."""
    cdef ssize_t found = decompressor.decompress(
        source.dictionary, out, raw_bytes_of(stored, length), stored, length - TRAILER_BYTES)
    if found < 0:
        return "a block cannot be decompressed"
    if found != raw_bytes_of(stored, length):
        return "a block's Zstandard frame has another size"
    return NULL


cdef Block open_block(Decompressor decompressor, bytes stored, TableFile source, uint64_t offset):
    """Checks and decompresses one stored block. A raw one keeps `stored` as its memory. DamagedFile."""
    cdef Block block = Block.__new__(Block)
    cdef const char* at = PyBytes_AS_STRING(stored)
    cdef size_t length = PyBytes_GET_SIZE(stored)
    cdef const char* damage = check_stored(at, length, source, offset)
    block.offset = offset
    block._owner = stored
    block.length = <uint32_t>(length - TRAILER_BYTES)
    if damage == NULL and compression_of(at, length) != Compression.RAW:
        block.length = raw_bytes_of(at, length)
        block._owner = PyBytes_FromStringAndSize(NULL, block.length)
        damage = unpack(decompressor, at, length, source, PyBytes_AS_STRING(block._owner))
    if damage != NULL:
        raise DamagedFile(source.path, offset, damage.decode())
    block.at = PyBytes_AS_STRING(block._owner)
    return block


cdef int open_run(Decompressor decompressor, TableFile source, const char* stored, uint64_t offset,
                  const char* lengths, uint32_t count, Buffer* raw, Buffer* pieces) except -1 nogil:
    """Opens neighbouring stored blocks, the first of them at `offset`: a Piece each in `pieces`; fewer, but
    one, if they are too large together. `lengths` are u32.

    The pieces point into `stored` (those that are not compressed) and into `raw`."""
    cdef Piece* piece
    cdef Piece next
    cdef const char* at = stored
    cdef size_t length, raw_bytes = 0
    cdef uint32_t i
    pieces.used = raw.used = 0
    for i in range(count):
        length = load32(lengths + <size_t>i * 4)
        next.at, next.length, next.offset = at, <uint32_t>length, offset + (at - stored)
        next.damage = check_stored(at, length, source, next.offset)
        if next.damage == NULL:
            if i and raw_bytes + raw_bytes_of(at, length) > RUN_BYTES_MAX:
                break
            raw_bytes += raw_bytes_of(at, length)
        append(pieces, &next, sizeof(Piece))
        at += length
    reserve(raw, raw_bytes)
    for i in range(<uint32_t>(pieces.used // sizeof(Piece))):
        piece = <Piece*>pieces.at + i
        length = piece.length
        if piece.damage != NULL:
            continue
        if compression_of(piece.at, length) == Compression.RAW:
            piece.length -= TRAILER_BYTES
            continue
        piece.damage = unpack(decompressor, piece.at, length, source, raw.at + raw.used)
        piece.length = raw_bytes_of(piece.at, length)
        piece.at = raw.at + raw.used
        raw.used += piece.length
    return 0


cdef Block copy_of(const Piece* piece):
    """A block with memory of its own: the run's is soon used again."""
    cdef Block block = Block.__new__(Block)
    block._owner = PyBytes_FromStringAndSize(piece.at, piece.length)
    block.at = PyBytes_AS_STRING(block._owner)
    block.length = piece.length
    block.offset = piece.offset
    return block


def read_stored(bytes stored, path, uint64_t offset, bytes dictionary=None):
    """The raw bytes of one stored block, for tools and tests. DamagedFile."""
    cdef File file = File.__new__(File)
    cdef TableFile source
    file.path = str(path)
    source = TableFile(file)
    if dictionary is not None:
        source.use_dictionary(dictionary, offset)
    return bytes(open_block(Decompressor(), stored, source, offset))
