from engine.buffer cimport Buffer
from engine.table_file cimport TableFile
from engine.zstd cimport Decompressor
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    TRAILER_BYTES = 9
    BLOCK_BYTES_MAX = 1 << 27

cdef enum Compression:
    RAW = 0
    ZSTD = 1
    ZSTD_DICTIONARY = 2

cdef struct Piece:             # one block of a run
    const char* at             # its raw bytes
    uint32_t length
    uint64_t offset            # in the file
    const char* damage         # NULL, or why there are none


cdef class Block:
    cdef const char* at        # the block's raw (decompressed, checked) bytes
    cdef uint32_t length
    cdef uint8_t is_meta       # 1: a segment meta whose inner structure was checked, too
    cdef uint64_t offset       # it was read from
    cdef bytes _owner          # holds the memory


cdef Block open_block(Decompressor decompressor, bytes stored, TableFile source, uint64_t offset)
cdef int open_run(Decompressor decompressor, TableFile source, const char* stored, uint64_t offset,
                  const char* lengths, uint32_t count, Buffer* raw, Buffer* pieces) except -1 nogil
cdef Block copy_of(const Piece* piece)
cdef uint32_t checksum(const char* at, size_t length, uint64_t offset) noexcept nogil
