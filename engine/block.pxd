from engine.table_file cimport TableFile
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    TRAILER_BYTES = 9
    BLOCK_BYTES_MAX = 1 << 27

cdef enum Compression:
    RAW = 0
    ZSTD = 1
    ZSTD_DICTIONARY = 2


cdef class Block:
    cdef const char* at        # the block's raw (decompressed, checked) bytes
    cdef uint32_t length
    cdef uint8_t is_meta       # 1: a segment meta whose inner structure was checked, too
    cdef uint64_t offset       # it was read from
    cdef object _owner         # holds the memory


cdef class Span:
    cdef const char* at
    cdef Py_ssize_t length


cdef Block open_block(object decompressor, bytes stored, TableFile source, uint64_t offset)
cdef list open_run(object decompressor, const char* stored, TableFile source, uint64_t offset,
                   list lengths)
cdef Block own(Block block)
cdef uint32_t checksum(Span span, const char* at, size_t length, uint64_t offset) except? 0
