"""Walks a table's entries in key order.

Offline (compaction, snapshots; any thread): reads a run of neighbouring blocks with one pread, opens
them together and walks through the run, all without the GIL, which is needed to ask the cache: a snapshot
takes what it holds from there, and a scan of the engine's owner leaves there what there is room for. On the
loop (with `loads`): takes block by block from the cache and never waits; see Table.cursor.

Place in the table = segment (its meta is open), run (blocks of that segment that are open), block,
entry. Moving on tries the innermost first.
"""

from engine.block cimport Block, Piece, copy_of, open_run
from engine.block_reader cimport (
    DAMAGED, OVER, THERE, first_in_block, next_in_block, open_view, seek_in_block,
)
from engine.buffer cimport Buffer, append, discard, reserve
from engine.entry cimport Lookup
from engine.segment_meta cimport check_meta, find_in_index, open_meta
from engine.varint cimport load32, load64
from libc.stdint cimport int64_t, uint32_t, uint64_t

from engine.errors import DamagedFile, NeedsDisk


cdef extern from "Python.h" nogil:
    int PyGILState_Check()

cdef enum:
    KEPT_BYTES_MAX = 8 << 20       # of a buffer that a large value has blown up


cdef inline void trim(Buffer* buffer) noexcept nogil:
    """What is in it is not needed any more."""
    if buffer.room > KEPT_BYTES_MAX:
        discard(buffer)


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
            self.decompressor = Decompressor()

    def __dealloc__(self):
        discard(&self.stored)
        discard(&self.raw)
        discard(&self.meta_raw)
        discard(&self.pieces)
        discard(&self.place.key)

    cdef int seek(self, const char* key, uint32_t key_bytes) except -1 nogil:
        cdef uint32_t segment = find_in_index(&self.table.top, key, key_bytes), block
        cdef int step
        self.valid = False
        if segment >= self.table.top.count:
            return 0
        if self._open_segment(segment) == Lookup.NEEDS_DISK:
            return Lookup.NEEDS_DISK
        block = find_in_index(&self.meta.index, key, key_bytes)
        if block >= self.meta.index.count:
            self._fail(self.meta_offset, "the keys of a segment end before its last key")
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
        cdef Piece* piece = self._piece(block)
        self.block = block
        if piece.damage != NULL:
            self._fail(piece.offset, piece.damage)
        if open_view(piece.at, piece.length, &self.place.view) == DAMAGED:
            return self._damaged()
        return 0

    cdef Piece* _piece(self, uint32_t block) noexcept nogil:
        return <Piece*>self.pieces.at + (block - self.run_first)

    cdef int _damaged(self) except -1 nogil:
        self._fail(self._piece(self.block).offset, "a block's entries are inconsistent")

    cdef int _fail(self, uint64_t offset, const char* reason) except -1 nogil:
        self.valid = False
        with gil:
            raise DamagedFile(self.table.path, offset, reason.decode())

    cdef int _open_segment(self, uint32_t segment) except -1 nogil:
        """Makes the meta of a segment the current one; NEEDS_DISK or 0."""
        cdef uint64_t offset = load64(self.table.top.offsets + <size_t>segment * 8)
        cdef uint32_t length = load32(self.table.top.lengths + <size_t>segment * 4)
        if self.meta_at != NULL and self.segment == segment:
            return 0
        self.run_count = 0
        self.meta_at = NULL
        if self.loads is not None or self.cached:
            with gil:
                self._lend_meta(offset, length)
            if self.meta_at == NULL:
                return Lookup.NEEDS_DISK
        else:
            self._read_meta(offset, length)
        open_meta(self.meta_at, &self.meta)
        self.segment, self.meta_offset = segment, offset
        return 0

    cdef int _lend_meta(self, uint64_t offset, uint32_t length) except -1:
        """From the cache, if it holds it; with `loads` from nowhere else."""
        cdef Block block
        if self.loads is not None:
            block = self.table.fetch(offset, length, True, self.loads)
        else:
            block = self.table.cache.peek(self.table.number, offset, True)
            if block is None:
                block = self.table.read(self.source, self.decompressor, offset, length, True)
                if self.cached == FILL and self.table.cache.has_room(block.length):
                    self.table.cache.put(self.table.number, offset, block, True)
        self.meta_block = block
        if block is not None:
            self.meta_at = block.at
        return 0

    cdef int _read_meta(self, uint64_t offset, uint32_t length) except -1 nogil:
        """From the disk."""
        cdef Piece* piece
        cdef const char* damage
        self._read_pieces(offset, length, <char*>&length, 1, &self.meta_raw)
        piece = <Piece*>self.pieces.at
        damage = piece.damage
        if damage == NULL:
            if piece.at == self.stored.at:             # it is not compressed
                append(&self.meta_raw, piece.at, piece.length)
            damage = check_meta(self.meta_raw.at, self.meta_raw.used, self.source.bytes)
        if damage != NULL:
            self._fail(offset, damage)
        self.meta_at = self.meta_raw.at
        return 0

    cdef int _read_pieces(self, uint64_t offset, uint64_t size, const char* lengths, uint32_t count,
                          Buffer* raw) except -1 nogil:
        """Reads and opens blocks that lie side by side. Who holds the GIL lets go of it meanwhile."""
        trim(&self.stored)
        trim(&self.raw)
        trim(raw)
        if PyGILState_Check():
            with gil:
                with nogil:
                    self._read_pieces(offset, size, lengths, count, raw)
            return 0
        self._read(offset, size)
        return open_run(self.decompressor, self.source, self.stored.at, offset, lengths, count, raw,
                        &self.pieces)

    cdef int _read(self, uint64_t offset, uint64_t size) except -1 nogil:
        """Those bytes of the file, into `stored`."""
        cdef int64_t got
        self.stored.used = 0
        reserve(&self.stored, size)
        got = self.source.file.read_into(self.stored.at, size, offset)
        if got != <int64_t>size:
            with gil:
                raise DamagedFile(self.table.path, offset, f"the file ends {size - got} bytes too early")
        return 0

    cdef int _open_run(self, uint32_t first) except -1 nogil:
        """Makes pieces of block `first` and those behind it; NEEDS_DISK or 0."""
        if self.run_first <= first < self.run_first + self.run_count:
            return 0
        self.run_first = first
        self.run_count = 0
        self.pieces.used = 0
        if self.loads is not None:
            with gil:
                return self._lend_block(first)
        if self.cached:
            with gil:
                if self._take_cached(first) == 0:
                    self.held = None
                    self._read_run(first)
                    self._leave_run()
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

    cdef int _leave_run(self) except -1:
        """Put what was read into the cache, if that is asked for and as far as room is there."""
        cdef Piece* piece
        cdef uint32_t i
        if self.cached != FILL:
            return 0
        for i in range(self.run_first, self.run_first + self.run_count):
            piece = self._piece(i)
            if piece.damage == NULL and self.table.cache.has_room(piece.length):
                self.table.cache.put(self.table.number, piece.offset, copy_of(piece), False)
        return 0

    cdef int _add_piece(self, Block block) except -1:
        cdef Piece piece
        piece.at, piece.length, piece.offset, piece.damage = block.at, block.length, block.offset, NULL
        append(&self.pieces, &piece, sizeof(Piece))
        self.run_count += 1
        return 0

    cdef int _read_run(self, uint32_t first) except -1 nogil:
        cdef uint64_t offset = load64(self.meta.index.offsets + <size_t>first * 8), size = 0
        cdef uint32_t i, length
        for i in range(first, self.meta.index.count):
            length = load32(self.meta.index.lengths + <size_t>i * 4)
            if i > first and (
                size + length > self.readahead_bytes
                or load64(self.meta.index.offsets + <size_t>i * 8) != offset + size
                or (self.cached and self._is_cached(offset + size))
            ):
                break
            size += length
        else:
            i = self.meta.index.count
        self._read_pieces(offset, size, self.meta.index.lengths + <size_t>first * 4, i - first, &self.raw)
        self.run_count = <uint32_t>(self.pieces.used // sizeof(Piece))
        return 0

    cdef bint _is_cached(self, uint64_t offset) noexcept nogil:
        with gil:
            return self.table.cache.peek(self.table.number, offset, False) is not None

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
