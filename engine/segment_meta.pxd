from engine.buffer cimport Buffer
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef struct IndexView:
    uint32_t count
    const char* key_ends       # u32 each: where in `keys` the i-th key ends
    const char* offsets        # u64 each
    const char* lengths        # u32 each
    const char* keys

cdef struct MetaView:
    const char* filter
    uint32_t lines
    uint8_t probes
    IndexView index

cdef struct IndexDraft:
    uint32_t count
    Buffer key_ends
    Buffer offsets
    Buffer lengths
    Buffer keys

cdef int note_key(IndexDraft* draft, const char* key, size_t key_bytes) except -1 nogil
cdef int note_place(IndexDraft* draft, uint64_t offset, uint32_t length) except -1 nogil
cdef int write_index(const IndexDraft* draft, Buffer* out) except -1 nogil
cdef int write_meta(const IndexDraft* draft, const char* filter, uint32_t lines, uint8_t probes,
                    Buffer* out) except -1 nogil
cdef void clear_draft(IndexDraft* draft) noexcept nogil
cdef void discard_draft(IndexDraft* draft) noexcept nogil

cdef const char* check_index(const char* at, size_t size, uint64_t file_bytes) noexcept nogil
cdef const char* check_meta(const char* at, size_t size, uint64_t file_bytes) noexcept nogil
cdef void open_index(const char* at, IndexView* view) noexcept nogil
cdef void open_meta(const char* at, MetaView* view) noexcept nogil
cdef uint32_t find_in_index(const IndexView* view, const char* key, uint32_t key_bytes) noexcept nogil
