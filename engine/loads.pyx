"""Cold reads: blocks that were missing in memory, fetched off the event loop.

A lookup (or a cursor) that misses the cache either gets the block at once from the page cache,
with a read that refuses to wait (read_now, about 2 us), or notes here what it wants and answers
NEEDS_DISK. All that was wanted in one turn of the loop is one Loads:

    lookup ... want(); lookup ... want()      on the loop; the same block twice is wanted once
    loads.run()                               on a thread: read, check, decompress
    loads.install(cache)                      on the loop; then every lookup is asked again

A lookup that is asked again begins again: it needs the metas and blocks that it has passed already. A
cache that is small for them may have given them away meanwhile, the first for the second and the second
for the first, for ever. So who misses a block also holds those that it had (hold), install() puts them
all back, and the cache evicts nothing until they were asked for: each round takes a lookup further by
a block at least.

run() reads neighbouring blocks with one pread and opens all of a run without the GIL, which is taken a few
times per run and not per block. It raises nothing: a block that cannot be
had keeps its reason, and the next lookup that needs this block raises DamagedFile with it.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from engine.block cimport Piece, copy_of, open_block, open_run
from engine.buffer cimport Buffer, append, discard, reserve
from engine.segment_meta cimport check_meta
from libc.stdint cimport int64_t

from engine.errors import DamagedFile

cdef enum:
    RUN_BYTES_MAX = 1 << 20        # stored bytes that one read may fetch
    READ_NOW_BYTES_MAX = 1 << 18   # a larger block would hold up the loop


cdef bint open_meta_block(Block block, TableFile source) except -1:
    """Checks the structure of a segment meta, once; DamagedFile."""
    cdef const char* reason = check_meta(block.at, block.length, source.bytes)
    if reason != NULL:
        raise DamagedFile(source.path, block.offset, reason.decode())
    block.is_meta = 1
    return True


cdef Block read_now(Decompressor decompressor, TableFile source, uint64_t offset, uint32_t length,
                    bint is_meta):
    """The block if the page cache holds it, else None. DamagedFile."""
    cdef bytes stored
    cdef Block block
    if length > READ_NOW_BYTES_MAX:
        return None
    stored = PyBytes_FromStringAndSize(NULL, length)
    if source.file.read_nowait(PyBytes_AS_STRING(stored), length, offset) != <int64_t>length:
        return None
    block = open_block(decompressor, stored, source, offset)
    if is_meta:
        open_meta_block(block, source)
    return block


cdef class Load:
    def __lt__(self, Load other):
        return (self.source.number, self.offset) < (other.source.number, other.offset)


cdef class Loads:
    """A set of wanted blocks. It keeps their files open, even when their tables are closed."""

    def __cinit__(self):
        self._wanted = {}
        self._held = {}

    def __len__(self):
        return len(self._wanted)

    cdef int want(self, TableFile source, uint64_t offset, uint32_t length,
                  bint is_meta) except -1:
        cdef Load load
        key = (source.number, offset)
        if key in self._wanted:
            return 0
        load = Load.__new__(Load)
        load.source = source
        load.offset = offset
        load.length = length
        load.is_meta = is_meta
        self._wanted[key] = load
        return 0

    cdef int hold(self, uint64_t number, Block block) except -1:
        """Keeps a block in memory for someone who wants another one."""
        self._held[number, block.offset] = block
        return 0

    def run(self):
        """Reads everything. Call it once, in any thread."""
        cdef Decompressor decompressor = Decompressor()
        for run in _runs(sorted(self._wanted.values())):
            try:
                _read_run(decompressor, run)
            except (OSError, MemoryError) as error:
                _fail(run, f"it cannot be read: {error}")

    def install(self, BlockCache cache):
        """Hands over what run() got. On the loop."""
        self.install_into(cache)

    cdef int install_into(self, BlockCache cache) except -1:
        cdef Load load
        cdef Block block
        cache.crowding = True
        for (number, offset), block in self._held.items():
            cache.put(number, offset, block, block.is_meta)
        for load in self._wanted.values():
            if load.block is not None:
                cache.put(load.source.number, load.offset, load.block, load.is_meta)
            elif load.damage is not None:
                cache.mark_damaged(load.source.number, load.offset, load.damage)
        return 0

    def damages(self):
        """What could not be read, as (path, offset, reason)."""
        cdef Load load
        return [
            (load.source.path, load.offset, load.damage)
            for load in self._wanted.values()
            if load.damage is not None
        ]


def _runs(list loads):
    """Sorted loads as lists of neighbours in one file."""
    cdef Load load, before = None
    cdef list run = []
    cdef uint64_t run_bytes = 0
    for load in loads:
        if run and (
            load.source.number != before.source.number
            or load.offset != before.offset + before.length
            or run_bytes + load.length > RUN_BYTES_MAX
        ):
            yield run
            run = []
            run_bytes = 0
        run.append(load)
        run_bytes += load.length
        before = load
    if run:
        yield run


cdef int _fail(list run, str reason) except -1:
    cdef Load load
    for load in run:
        load.damage = reason
    return 0


cdef int _read_run(Decompressor decompressor, list run) except -1:
    cdef Load load
    cdef TableFile source = (<Load>run[0]).source
    cdef uint64_t offset = (<Load>run[0]).offset
    cdef Buffer stored = [NULL, 0, 0], lengths = [NULL, 0, 0], raw = [NULL, 0, 0], pieces = [NULL, 0, 0]
    cdef size_t size = 0, at = 0
    cdef int64_t got
    cdef uint32_t first = 0, opened, i, count = len(run)
    try:
        for load in run:
            append(&lengths, &load.length, 4)
            size += load.length
        reserve(&stored, size)
        with nogil:
            got = source.file.read_into(stored.at, size, offset)
        if got != <int64_t>size:
            return _fail(run, f"the file ends {size - got} bytes too early")
        while first < count:
            with nogil:
                open_run(decompressor, source, stored.at + at, offset + at,
                         lengths.at + <size_t>first * 4, count - first, &raw, &pieces)
            opened = <uint32_t>(pieces.used // sizeof(Piece))
            for i in range(opened):
                load = run[first + i]
                _take(load, <Piece*>pieces.at + i)
                at += load.length
            first += opened
    finally:
        discard(&stored)
        discard(&lengths)
        discard(&raw)
        discard(&pieces)
    return 0


cdef int _take(Load load, const Piece* piece) except -1:
    """The block that was loaded, or why it is none."""
    if piece.damage != NULL:
        load.damage = piece.damage.decode()
        return 0
    load.block = copy_of(piece)
    if load.is_meta:
        try:
            open_meta_block(load.block, load.source)
        except DamagedFile as damage:
            load.block = None
            load.damage = damage.reason
    return 0
