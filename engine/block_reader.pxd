from engine.block_writer cimport Flag
from engine.buffer cimport Buffer
from engine.entry cimport Entry
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum Step:
    DAMAGED = -1       # the bytes are not a block: the caller raises DamagedFile
    OVER = 0           # no such key, or no further entry
    THERE = 1

cdef struct BlockView:
    const char* restarts_at
    const char* entries        # they end where the values begin
    const char* values
    const char* values_end
    uint32_t restarts
    uint64_t base_hlc

cdef struct StoredEntry:
    uint32_t shared
    uint32_t key_bytes         # of the suffix
    uint32_t value_bytes
    uint8_t flags
    uint64_t hlc, actor, deadline_ms, annotation
    const char* key            # the suffix
    const char* value

cdef struct BlockPlace:
    BlockView view
    const char* next           # where the next entry starts
    const char* next_value
    uint64_t actor             # of the entry before it
    Buffer key                 # whole key of the current entry

cdef int open_view(const char* at, size_t size, BlockView* view) noexcept nogil
cdef int find_in_block(const BlockView* view, const char* key, uint32_t key_bytes,
                       Entry* out) noexcept nogil
cdef int first_in_block(BlockPlace* place, Entry* out) except -2 nogil
cdef int seek_in_block(BlockPlace* place, const char* key, uint32_t key_bytes,
                       Entry* out) except -2 nogil
cdef int next_in_block(BlockPlace* place, Entry* out) except -2 nogil
