"""Walks a table's entries in key order.

Offline (compaction, snapshots; any thread): reads a run of neighbouring blocks with one pread and
opens them together, then walks through the run without the GIL; a snapshot takes what the cache
holds from there, and a scan of the engine's owner leaves there what there is room for. On the loop
(with `loads`): takes block by block from the cache and never waits; see Table.cursor.

Place in the table = segment (its meta is open), run (blocks of that segment that are open), block,
entry. Moving on tries the innermost first.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from engine.block cimport Block, open_run, own
from engine.block_reader cimport (
    DAMAGED, OVER, THERE, first_in_block, next_in_block, open_view, seek_in_block,
)
from engine.buffer cimport append, discard
from engine.entry cimport Lookup
from engine.segment_meta cimport find_in_index, open_meta
from engine.varint cimport load32, load64
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.errors import DamagedFile, NeedsDisk


cdef class TableCursor(Cursor):
    """Made by Table.cursor()."""

    def __init__(self, Table table, Loads loads, readahead_bytes, cached=0):
        if table.source is None:
            raise ValueError(f"{table.path} was closed")
        self.table = table
        self.source = table.source
        self.loads = loads
        self.readahead_bytes = readahead_bytes
        self.cached = cached
        if loads is None:
            self.decompressor = self.source.make_decompressor()

    def __dealloc__(self):
        discard(&self.pieces)
        discard(&self.place.key)

    cdef int seek(self, const char* key, uint32_t key_bytes) except -1 nogil:
        cdef uint32_t segment = find_in_index(&self.table.top, key, key_bytes), block
        cdef int step
        self.valid = False
        if segment >= self.table.top.count:
            return 0
        with gil:
            if self._open_segment(segment) == Lookup.NEEDS_DISK:
                return Lookup.NEEDS_DISK
            block = find_in_index(&self.meta.index, key, key_bytes)
            if block >= self.meta.index.count:
                raise DamagedFile(self.table.path, self.meta_block.offset,
                                  "the keys of a segment end before its last key")
            if self._open_run(block) == Lookup.NEEDS_DISK:
                return Lookup.NEEDS_DISK
        self._enter(block)
        step = seek_in_block(&self.place, key, key_bytes, &self.entry)
        if step == OVER:
            return self._enter_next()
        if step == DAMAGED:
            return self._damaged()
        self.valid = True
        return 0

    cdef int advance(self) except -1 nogil:
        cdef int step = next_in_block(&self.place, &self.entry)
        if step == THERE:
            return 0
        if step == DAMAGED:
            return self._damaged()
        return self._enter_next()

    cdef int _enter_next(self) except -1 nogil:
        """The first entry of the next block."""
        cdef uint32_t block = self.block + 1
        cdef int step
        self.valid = False
        while True:
            if block >= self.run_first + self.run_count:
                with gil:
                    if block >= self.meta.index.count:
                        if self.segment + 1 >= self.table.top.count:
                            return 0
                        if self._open_segment(self.segment + 1) == Lookup.NEEDS_DISK:
                            return Lookup.NEEDS_DISK
                        block = 0
                    if self._open_run(block) == Lookup.NEEDS_DISK:
                        return Lookup.NEEDS_DISK
            self._enter(block)
            step = first_in_block(&self.place, &self.entry)
            if step == THERE:
                self.valid = True
                return 0
            if step == DAMAGED:
                return self._damaged()
            block += 1             # a block without entries: nobody writes that, but it is legal

    cdef int _enter(self, uint32_t block) except -1 nogil:
        """Makes an open block the current one."""
        cdef Piece* piece = <Piece*>self.pieces.at + (block - self.run_first)
        self.block = block
        if piece.at == NULL:
            with gil:
                raise self.damage
        if open_view(piece.at, piece.length, &self.place.view) == DAMAGED:
            return self._damaged()
        return 0

    cdef int _damaged(self) except -1 nogil:
        cdef Piece* piece = <Piece*>self.pieces.at + (self.block - self.run_first)
        self.valid = False
        with gil:
            raise DamagedFile(self.table.path, piece.offset, "a block's entries are inconsistent")

    cdef int _open_segment(self, uint32_t segment) except -1:
        """Reads the meta of a segment; NEEDS_DISK or 0."""
        cdef uint64_t offset = load64(self.table.top.offsets + <size_t>segment * 8)
        cdef uint32_t length = load32(self.table.top.lengths + <size_t>segment * 4)
        cdef Block block = None
        if self.meta_block is not None and self.segment == segment:
            return 0
        if self.loads is not None:
            block = self.table.fetch(offset, length, True, self.loads)
        else:
            if self.cached:
                block = self.table.cache.peek(self.table.number, offset, True)
            if block is None:
                block = self.table.read(self.source, self.decompressor, offset, length, True)
                self._leave(block, True)
        self.run_count = 0
        self.meta_block = block
        if block is None:
            return Lookup.NEEDS_DISK
        open_meta(block.at, &self.meta)
        self.segment = segment
        return 0

    cdef int _open_run(self, uint32_t first) except -1:
        """Makes pieces of block `first` and those behind it; NEEDS_DISK or 0."""
        if self.run_first <= first < self.run_first + self.run_count:
            return 0
        self.run_first = first
        self.run_count = 0
        self.pieces.used = 0
        if self.loads is not None:
            return self._lend_block(first)
        if self.cached and self._take_cached(first):
            return 0
        return self._read_run(first)

    cdef int _take_cached(self, uint32_t first) except -1:
        """Makes pieces of the blocks from `first` on that the cache holds; how many."""
        cdef list held = []
        cdef Block block
        cdef uint64_t size = 0
        cdef uint32_t i
        for i in range(first, self.meta.index.count):
            block = self.table.cache.peek(
                self.table.number, load64(self.meta.index.offsets + <size_t>i * 8), False)
            if block is None or (held and size + block.length > self.readahead_bytes):
                break
            held.append(block)
            size += block.length
            self._add_piece(block)
        if held:
            self.held = held
        return self.run_count

    cdef int _leave(self, Block block, bint is_meta) except -1:
        """Put a block that was read into the cache, if that is asked for and room is there."""
        if self.cached == FILL and self.table.cache.has_room(block.length):
            self.table.cache.put(self.table.number, block.offset, own(block), is_meta)
        return 0

    cdef int _add_piece(self, Block block) except -1:
        cdef Piece piece
        piece.at = block.at
        piece.length = block.length
        piece.offset = block.offset
        append(&self.pieces, &piece, sizeof(Piece))
        self.run_count += 1
        return 0

    cdef int _read_run(self, uint32_t first) except -1:
        cdef TableFile source = self.source
        cdef uint64_t offset = load64(self.meta.index.offsets + <size_t>first * 8), size = 0
        cdef uint32_t i, length
        cdef list lengths = [], found
        cdef bytes stored
        cdef char* at
        cdef int64_t got
        cdef Piece piece
        for i in range(first, self.meta.index.count):
            length = load32(self.meta.index.lengths + <size_t>i * 4)
            if i > first and (
                size + length > self.readahead_bytes
                or load64(self.meta.index.offsets + <size_t>i * 8) != offset + size
                or (self.cached and self.table.cache.peek(
                    self.table.number, offset + size, False) is not None)
            ):
                break
            lengths.append(length)
            size += length
        stored = PyBytes_FromStringAndSize(NULL, size)
        at = PyBytes_AS_STRING(stored)
        with nogil:
            got = source.file.read_into(at, size, offset)
        if got != <int64_t>size:
            raise DamagedFile(self.table.path, offset,
                              f"the file ends {size - got} bytes too early")
        found = open_run(self.decompressor, at, source, offset, lengths)
        self.held = (stored, found)
        for block in found:
            if not isinstance(block, Block):
                self.damage = block
                piece.at = NULL
                append(&self.pieces, &piece, sizeof(Piece))
                self.run_count += 1
                break
            self._leave(block, False)
            self._add_piece(block)
        return 0

    cdef int _lend_block(self, uint32_t first) except -1:
        cdef uint64_t size = 0, offset
        cdef uint32_t i, length
        cdef Block block = self.table.fetch(
            load64(self.meta.index.offsets + <size_t>first * 8),
            load32(self.meta.index.lengths + <size_t>first * 4), False, self.loads,
        )
        if block is None:
            for i in range(first, self.meta.index.count):
                offset = load64(self.meta.index.offsets + <size_t>i * 8)
                length = load32(self.meta.index.lengths + <size_t>i * 4)
                size += length
                if i > first and size > self.readahead_bytes:
                    break
                self.loads.want(self.source, offset, length, False)
            return Lookup.NEEDS_DISK
        self.held = block
        self._add_piece(block)
        return 0

    cdef int hold(self, Loads loads) except -1:
        if self.meta_block is not None:
            loads.hold(self.table.number, self.meta_block)
        if self.run_count and isinstance(self.held, Block):
            loads.hold(self.table.number, self.held)
        return 0

    # For Python: tools and tests.

    def entries(self, bytes start=b""):
        """Generates (key, kind, value, hlc, actor, deadline_ms, annotation) from `start` on."""
        if self.seek(start, <uint32_t>len(start)) == Lookup.NEEDS_DISK:
            raise NeedsDisk("a block of the table")
        while self.valid:
            e = self.entry
            yield (e.key[:e.key_bytes], e.kind, e.value[:e.value_bytes], e.hlc, e.actor,
                   e.deadline_ms, e.annotation)
            if self.advance() == Lookup.NEEDS_DISK:
                raise NeedsDisk("a block of the table")
