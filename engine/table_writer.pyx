"""Writes a table: entries in key order come in, a file comes out. Grammar: engine/table_format.

add() runs without the GIL and fills memory: raw blocks, the index of the segment, the hashes of its keys.
When the segment is full (128 blocks, about half a megabyte) its blocks are compressed, checksums are added,
and one write takes it to the file. So memory stays at a few megabytes, whatever the table's size, and a
flush in a thread neither holds up the loop nor waits for it.

A dictionary is trained on the first segment, which is compressed with and without it: it stays, and is
stored behind the last meta, if it saves more than its own length there. So a table never gets larger by it.

finish() comes back with the file on the disk (fsync). The folder is not synced here: whoever names
the table in the manifest does that once for all new tables.
"""

import os

import zstandard

from engine.block cimport Compression, TRAILER_BYTES, checksum
from engine.bloom cimport LINE_BYTES, bloom_add, bloom_lines, bloom_probes
from engine.buffer cimport append, discard, reserve
from engine.cursor cimport Cursor
from engine.entry cimport Entry, Kind
from engine.murmur cimport key_hash
from engine.segment_meta cimport (
    clear_draft, discard_draft, note_key, note_place, write_index, write_meta,
)
from engine.varint cimport load64, store32
from libc.string cimport memcmp, memset

from engine.file_names import table_name
from engine.table_format import TableProperties, encode_footer, encode_properties


cdef enum:
    ENTRY_BYTES_MAX = 1 << 26
    DICTIONARY_BYTES_MIN = 256     # Zstandard makes no shorter ones
    SAMPLE_BYTES = 512             # whole blocks as samples are too few to learn from


cdef inline bint pays(size_t raw_bytes, size_t compressed_bytes) noexcept nogil:
    """A saving below a sixteenth is not worth the decompression at every read."""
    return compressed_bytes < raw_bytes - raw_bytes // 16


cdef class TableWriter:
    """Creates `directory/NNNNNN.sst`; end it with finish() or abandon(), in any thread, one at a
    time.

    Raises OSError (its file stays behind until abandon()). A key that is not greater than the one
    before, or an entry of more than 64 MiB, is a mistake of the caller: ValueError. `lowest` says
    that no level below the table's holds anything: see Options.bloom_bits_per_key_above. With
    `dictionary_bytes` the table may get a dictionary of that length, see Options.dictionary_bytes.
    """

    def __init__(self, disk, directory, number, options, lowest=True, dictionary_bytes=0):
        self.number = number
        self.path = os.path.join(directory, table_name(number))
        self._disk = disk
        self._file = disk.create(self.path)
        self._compressor = None
        self._level = options.compression_level
        if self._level:
            self._compressor = Compressor(self._level)
            if dictionary_bytes:
                self._dictionary_bytes = max(dictionary_bytes, DICTIONARY_BYTES_MIN)
        self._blocks = BlockWriter()
        self._block_bytes = options.block_bytes
        self._blocks_per_segment = options.blocks_per_segment
        self._bits_per_key = options.bloom_bits(lowest)

    def __dealloc__(self):
        discard(&self._cuts)
        discard(&self._hashes)
        discard(&self._out)
        discard(&self._first_key)
        discard_draft(&self._index)
        discard_draft(&self._top)

    cdef int add(self, const Entry* e) except -1 nogil:
        """The next entry; keys ascend and differ."""
        cdef uint64_t hash
        if self._entries == 0:
            append(&self._first_key, e.key, e.key_bytes)
            self._least_hlc = self._greatest_hlc = e.hlc
            self._least_actor = self._greatest_actor = e.actor
        elif not self._follows(e):
            with gil:
                raise ValueError(f"key {e.key[:e.key_bytes]!r} does not follow the one before it")
        if <uint64_t>e.key_bytes + e.value_bytes > ENTRY_BYTES_MAX:
            with gil:
                raise ValueError(f"an entry of {e.key_bytes + e.value_bytes} bytes is too large")
        self._blocks.add(e)
        hash = key_hash(e.key, e.key_bytes)
        append(&self._hashes, &hash, 8)
        self._count(e)
        if self._blocks.size() >= self._block_bytes:
            self._cut_block()
            if (
                self._index.count >= self._blocks_per_segment
                or self._blocks.raw.used >= 2 * <size_t>self._block_bytes * self._blocks_per_segment
            ):
                self._end_segment()
        return 0

    cdef uint64_t size(self) noexcept nogil:
        """About how long the file is so far, with what is still in memory (raw)."""
        return self.bytes_written + self._blocks.raw.used + self._blocks.size()

    cdef inline bint _follows(self, const Entry* e) noexcept nogil:
        cdef size_t before = self._blocks.last_key.used
        cdef int order = memcmp(e.key, self._blocks.last_key.at, min(before, <size_t>e.key_bytes))
        return order > 0 or (order == 0 and e.key_bytes > before)

    cdef inline void _count(self, const Entry* e) noexcept nogil:
        self._entries += 1
        self.raw_bytes += e.key_bytes + <uint64_t>e.value_bytes
        if e.kind == Kind.DELETE:
            self._tombstones += 1
        elif e.deadline_ms:
            if self._expiring == 0 or e.deadline_ms < self._least_deadline:
                self._least_deadline = e.deadline_ms
            self._greatest_deadline = max(self._greatest_deadline, e.deadline_ms)
            self._expiring += 1
        self._greatest_annotation = max(self._greatest_annotation, e.annotation)
        if e.hlc > self._greatest_hlc or (
            e.hlc == self._greatest_hlc and e.actor > self._greatest_actor
        ):
            self._greatest_hlc = e.hlc
            self._greatest_actor = e.actor
        if e.hlc < self._least_hlc or (e.hlc == self._least_hlc and e.actor < self._least_actor):
            self._least_hlc = e.hlc
            self._least_actor = e.actor

    cdef int _cut_block(self) except -1 nogil:
        cdef uint64_t[2] piece
        piece[0] = self._blocks.raw.used
        note_key(&self._index, self._blocks.last_key.at, self._blocks.last_key.used)
        self._blocks.cut()
        piece[1] = self._blocks.raw.used - piece[0]
        append(&self._cuts, piece, 16)
        return 0

    cdef int _end_segment(self) except -1 nogil:
        """Compresses the blocks of the segment and writes them and their meta."""
        cdef uint64_t[2] place
        cdef Buffer meta = [NULL, 0, 0]
        if self._segments == 0 and self._dictionary_bytes:
            with gil:
                self._train()
        self._store_blocks()
        note_key(&self._top, self._blocks.last_key.at, self._blocks.last_key.used)
        try:
            self._build_meta(&meta)
            self._store(meta.at, meta.used, False, place)
        finally:
            discard(&meta)
        note_place(&self._top, place[0], <uint32_t>place[1])
        self._flush()
        self._blocks_written += self._index.count
        self._segments += 1
        clear_draft(&self._index)
        self._cuts.used = self._hashes.used = 0
        self._blocks.raw.used = 0
        return 0

    cdef int _store_blocks(self) except -1 nogil:
        cdef const char* cut = self._cuts.at
        cdef uint64_t[2] place
        for _ in range(self._index.count):
            self._store(self._blocks.raw.at + load64(cut), load64(cut + 8), self._level != 0, place)
            note_place(&self._index, place[0], <uint32_t>place[1])
            cut += 16
        return 0

    cdef int _train(self) except -1:
        """Trains a dictionary on the segment, and keeps it if the blocks get shorter by more than it has."""
        cdef const char* raw = self._blocks.raw.at
        cdef size_t size = self._blocks.raw.used, at
        cdef uint64_t plain_bytes, trained_bytes
        cdef Compressor trained
        try:
            dictionary = zstandard.train_dictionary(
                self._dictionary_bytes,
                [raw[at : min(at + SAMPLE_BYTES, size)] for at in range(0, size, SAMPLE_BYTES)],
                level=self._level,
            ).as_bytes()
        except zstandard.ZstdError:
            return 0               # there is too little of it, or nothing that repeats
        trained = Compressor(self._level, dictionary)
        with nogil:
            plain_bytes = self._payload_bytes(self._compressor)
            trained_bytes = self._payload_bytes(trained)
        if trained_bytes + len(dictionary) + TRAILER_BYTES < plain_bytes:
            self._compressor, self._dictionary = trained, dictionary
        return 0

    cdef uint64_t _payload_bytes(self, Compressor compressor) except? 0 nogil:
        """What the segment's blocks would have, compressed by that one."""
        cdef const char* cut = self._cuts.at
        cdef uint64_t total = 0
        cdef size_t length, room
        for _ in range(self._index.count):
            room = compressor.bound(load64(cut + 8))
            reserve(&self._out, room)
            length = compressor.compress(
                self._out.at + self._out.used, room, self._blocks.raw.at + load64(cut), load64(cut + 8))
            total += length if pays(load64(cut + 8), length) else load64(cut + 8)
            cut += 16
        return total

    cdef int _build_meta(self, Buffer* out) except -1 nogil:
        cdef size_t keys = self._hashes.used // 8, i
        cdef uint32_t lines = bloom_lines(keys, self._bits_per_key)
        cdef uint8_t probes = bloom_probes(self._bits_per_key)
        cdef Buffer filter = [NULL, 0, 0]
        cdef const char* hashes = self._hashes.at
        reserve(&filter, <size_t>lines * LINE_BYTES)
        try:
            memset(filter.at, 0, <size_t>lines * LINE_BYTES)
            if lines:
                for i in range(keys):
                    bloom_add(filter.at, lines, probes, load64(hashes + i * 8))
            write_meta(&self._index, filter.at, lines, probes, out)
        finally:
            discard(&filter)
        return 0

    cdef int _store(self, const char* at, size_t size, bint compressed, uint64_t* place) except -1 nogil:
        """Appends a stored block (engine/block) to `_out`; `place` becomes its offset and length."""
        cdef Buffer* out = &self._out
        cdef size_t begin = out.used, room, length = size
        cdef uint8_t compression = Compression.RAW
        cdef char* trailer
        if compressed:
            room = self._compressor.bound(size)
            reserve(out, room)
            length = self._compressor.compress(out.at + begin, room, at, size)
        if pays(size, length):
            compression = (
                Compression.ZSTD if self._dictionary is None else Compression.ZSTD_DICTIONARY)
            out.used += length
        else:
            append(out, at, size)
        reserve(out, TRAILER_BYTES)
        trailer = out.at + out.used
        store32(trailer, <uint32_t>size)
        trailer[4] = <char>compression
        out.used += 5
        place[0] = self.bytes_written + begin
        store32(trailer + 5, checksum(out.at + begin, out.used - begin, place[0]))
        out.used += 4
        place[1] = out.used - begin
        return 0

    cdef int _flush(self) except -1 nogil:
        self._file.write(self._out.at, self._out.used)
        self.bytes_written += self._out.used
        self._out.used = 0
        return 0

    cdef tuple _store_whole(self, const char* at, size_t size):
        """A block that is not compressed: where it is."""
        cdef uint64_t[2] place
        self._store(at, size, False, place)
        return place[0], place[1]

    def finish(self):
        """Writes the end of the table and syncs it; the TableProperties, or None for no entries."""
        cdef Buffer top = [NULL, 0, 0]
        if self._entries == 0:
            self.abandon()
            return None
        if self._blocks.size():
            self._cut_block()
        if self._index.count:
            with nogil:
                self._end_segment()
        properties = self._properties()
        if self._dictionary is not None:
            properties.dictionary_offset, properties.dictionary_length = self._store_whole(
                self._dictionary, len(self._dictionary))
        try:
            write_index(&self._top, &top)
            top_place = self._store_whole(top.at, top.used)
        finally:
            discard(&top)
        encoded = encode_properties(properties)
        place = self._store_whole(encoded, len(encoded))
        footer = encode_footer(*top_place, *place, version=1 if self._dictionary is None else 2)
        append(&self._out, <const char*>footer, len(footer))
        with nogil:
            self._flush()
        self._file.sync()
        self._file.close()
        self._file = None
        properties.file_bytes = self.bytes_written
        return properties

    def _properties(self):
        return TableProperties(
            entries=self._entries,
            tombstones=self._tombstones,
            expiring=self._expiring,
            raw_bytes=self.raw_bytes,
            blocks=self._blocks_written,
            segments=self._segments,
            least_hlc=self._least_hlc,
            least_actor=self._least_actor,
            greatest_hlc=self._greatest_hlc,
            greatest_actor=self._greatest_actor,
            greatest_annotation=self._greatest_annotation,
            least_deadline_ms=self._least_deadline,
            greatest_deadline_ms=self._greatest_deadline,
            cleared_sequence=self.cleared_sequence,
            least_key=self._first_key.at[:self._first_key.used],
            greatest_key=self._blocks.last_key.at[:self._blocks.last_key.used],
            number=self.number,
        )

    def abandon(self):
        """Closes and removes the file. May be called after a failure, and twice."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self._disk.unlink(self.path)

    def append(self, bytes key, bytes value=b"", *, hlc=0, actor=0, deadline_ms=0, annotation=0,
               kind=Kind.PUT):
        """add() for Python: tools and tests."""
        cdef Entry e
        e.key = key
        e.key_bytes = <uint32_t>len(key)
        e.value = value
        e.value_bytes = <uint32_t>len(value)
        e.hlc = hlc
        e.actor = actor
        e.deadline_ms = deadline_ms
        e.annotation = annotation
        e.kind = kind
        self.add(&e)

    def append_all(self, Cursor cursor):
        """add() for every entry of a cursor, without the GIL."""
        with nogil:
            cursor.seek("", 0)
            while cursor.valid:
                self.add(&cursor.entry)
                cursor.advance()
