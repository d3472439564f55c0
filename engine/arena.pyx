"""Memory that is handed out piece by piece and given back all at once.

A memtable allocates millions of small pieces and frees them together, so there is no free list and
no header per piece. Chunks come straight from mmap, for two reasons: they go back to the system at
once, without malloc keeping them, and a chunk of 2 MiB can be one huge page, which saves most of
the page faults and TLB misses of a memtable that is walked at random.

Giving back takes milliseconds per 100 MiB: `release` runs without the GIL so that a thread can do it.
"""

from posix.mman cimport (
    MAP_ANONYMOUS, MAP_FAILED, MAP_PRIVATE, PROT_READ, PROT_WRITE, mmap, munmap,
)

cdef extern from "sys/mman.h" nogil:
    int madvise(void* at, size_t length, int advice)
    enum: MADV_HUGEPAGE

cdef size_t HUGE_PAGE = 2 << 20


cdef void* map_memory(size_t size) noexcept nogil:
    """NULL on failure. A huge page must be aligned to its size, so more is mapped and trimmed."""
    cdef size_t wanted = size + HUGE_PAGE if size >= HUGE_PAGE else size
    cdef char* at = <char*>mmap(NULL, wanted, PROT_READ | PROT_WRITE,
                                MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
    cdef size_t skip
    if <void*>at == MAP_FAILED:
        return NULL
    if wanted > size:
        skip = (HUGE_PAGE - (<size_t>at & (HUGE_PAGE - 1))) & (HUGE_PAGE - 1)
        if skip:
            munmap(at, skip)
        munmap(at + skip + size, HUGE_PAGE - skip)
        at += skip
        madvise(at, size, MADV_HUGEPAGE)
    return at


cdef class Arena:
    """Pieces are aligned to 8 bytes. `chunk_bytes` is what is taken from the system at a time; a
    piece larger than half of that gets a mapping of its own."""

    def __cinit__(self, size_t chunk_bytes=HUGE_PAGE):
        self.chunk_bytes = (chunk_bytes + 4095) & ~<size_t>4095

    def __dealloc__(self):
        self.release()

    cdef void* allocate(self, size_t count) except NULL:
        cdef void* piece
        count = (count + 7) & ~<size_t>7
        if count > self.free_bytes:
            return self.allocate_slowly(count)
        piece = self.free_at
        self.free_at += count
        self.free_bytes -= count
        self.used_bytes += count
        return piece

    cdef void* allocate_slowly(self, size_t count) except NULL:
        cdef size_t size = self.chunk_bytes
        cdef bint alone = count > size // 2
        cdef Chunk* chunk
        if alone:
            size = (count + sizeof(Chunk) + 4095) & ~<size_t>4095
        chunk = <Chunk*>map_memory(size)
        if chunk == NULL:
            raise MemoryError(f"no {size} bytes for the memtable")
        chunk.previous = self.newest
        chunk.size = size
        self.newest = chunk
        self.mapped_bytes += size
        self.used_bytes += count
        if not alone:
            self.free_at = <char*>chunk + sizeof(Chunk) + count
            self.free_bytes = size - sizeof(Chunk) - count
        return <char*>chunk + sizeof(Chunk)

    cdef void release(self) noexcept nogil:
        cdef Chunk* chunk = self.newest
        cdef Chunk* previous
        while chunk != NULL:
            previous = chunk.previous
            munmap(chunk, chunk.size)
            chunk = previous
        self.newest = NULL
        self.free_at = NULL
        self.free_bytes = 0
        self.used_bytes = 0
        self.mapped_bytes = 0
