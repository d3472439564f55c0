from engine.block cimport Block, Piece
from engine.block_reader cimport BlockPlace
from engine.buffer cimport Buffer
from engine.cursor cimport Cursor
from engine.loads cimport Loads
from engine.segment_meta cimport MetaView
from engine.table cimport Table
from engine.table_file cimport TableFile
from engine.zstd cimport Decompressor
from libc.stdint cimport uint32_t, uint64_t

cdef enum:
    PEEK = 1       # what the cache holds is not read again
    FILL = 2       # and what is read goes into it as long as there is room; on the owner's thread only


cdef class TableCursor(Cursor):
    cdef Table table
    cdef TableFile source
    cdef Loads loads
    cdef Decompressor decompressor
    cdef uint64_t readahead_bytes
    cdef int cached                    # 0: the cache is passed by
    cdef BlockPlace place
    cdef uint32_t segment              # which one `meta` describes
    cdef const char* meta_at           # its bytes, NULL: none
    cdef uint64_t meta_offset
    cdef Block meta_block              # where they are lent from
    cdef MetaView meta
    cdef Buffer stored, raw, meta_raw  # what was read last, and what became of it
    cdef Buffer pieces                 # Piece each: the blocks of the run at hand
    cdef uint32_t run_first, run_count  # which blocks of the segment they are
    cdef uint32_t block                # the one that `place` is in
    cdef object held                   # keeps the memory of pieces that are lent
    cdef int _enter_next(self) except -1 nogil
    cdef int _enter(self, uint32_t block) except -1 nogil
    cdef Piece* _piece(self, uint32_t block) noexcept nogil
    cdef int _damaged(self) except -1 nogil
    cdef int _fail(self, uint64_t offset, const char* reason) except -1 nogil
    cdef int _open_segment(self, uint32_t segment) except -1 nogil
    cdef int _lend_meta(self, uint64_t offset, uint32_t length) except -1
    cdef int _read_meta(self, uint64_t offset, uint32_t length) except -1 nogil
    cdef int _read_pieces(self, uint64_t offset, uint64_t size, const char* lengths, uint32_t count,
                          Buffer* raw) except -1 nogil
    cdef int _read(self, uint64_t offset, uint64_t size) except -1 nogil
    cdef int _open_run(self, uint32_t first) except -1 nogil
    cdef int _take_cached(self, uint32_t first) except -1
    cdef int _leave_run(self) except -1
    cdef int _add_piece(self, Block block) except -1
    cdef int _read_run(self, uint32_t first) except -1 nogil
    cdef bint _is_cached(self, uint64_t offset) noexcept nogil
    cdef int _lend_block(self, uint32_t first) except -1
