"""An open table: answers point reads from the block cache and makes cursors.

Open per table are a file descriptor, the index of its segments (some twelve KB for 64 MB), its
properties and its dictionary, where it has one. Everything else comes through the cache:

    key range?  ->  top index -> segment meta: bloom filter, index -> data block -> entry

so a present key costs two cache probes and four binary searches, and a missing one mostly ends at
the filter. Nothing here waits for the disk: what is neither cached nor in the page cache is noted
in `loads`.
"""

import os

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize
from engine.block cimport open_block
from engine.block_reader cimport DAMAGED, THERE, BlockView, find_in_block, open_view
from engine.bloom cimport bloom_may_hold
from engine.cache cimport CacheSlot
from engine.disk cimport File
from engine.entry cimport Entry, Lookup
from engine.loads cimport open_meta_block, read_now
from engine.murmur cimport key_hash
from engine.segment_meta cimport MetaView, check_index, find_in_index, open_index, open_meta
from engine.varint cimport load32, load64
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.string cimport memcmp

from engine.errors import DamagedFile
from engine.file_names import table_name
from engine.table_format import FOOTER_BYTES, decode_footer, decode_properties


cdef class Table:
    """Made by Table.open(). Lookups on the loop thread only; offline cursors in any thread."""

    @classmethod
    def open(cls, disk, directory, number, BlockCache cache):
        """Reads footer, properties and top index. DamagedFile, UnknownFormat, OSError."""
        file = disk.open(os.path.join(directory, table_name(number)))
        return open_table(cls(), file, number, cache)

    @classmethod
    def open_file(cls, File file, number, BlockCache cache):
        """A table under any file name."""
        return open_table(cls(), file, number, cache)

    cdef int lookup(self, const char* key, uint32_t key_bytes, uint64_t hash, Entry* out,
                    Loads loads) except -1:
        """ABSENT, FOUND (`out` borrows from the cache) or NEEDS_DISK (noted in `loads`).

        `hash` is engine/murmur's key_hash. With `loads` None it waits for the disk. DamagedFile."""
        cdef MetaView meta
        cdef BlockView view
        cdef const char* at
        cdef uint64_t offset
        cdef uint32_t i, size
        cdef int found
        if not self.may_span(key, key_bytes):
            return Lookup.ABSENT
        i = find_in_index(&self.top, key, key_bytes)
        if i >= self.top.count:
            return Lookup.ABSENT
        if not self.lend(load64(self.top.offsets + <size_t>i * 8),
                         load32(self.top.lengths + <size_t>i * 4), True, loads, &at, &size):
            return Lookup.NEEDS_DISK
        open_meta(at, &meta)
        if not bloom_may_hold(meta.filter, meta.lines, meta.probes, hash):
            return Lookup.ABSENT
        i = find_in_index(&meta.index, key, key_bytes)
        if i >= meta.index.count:
            return Lookup.ABSENT
        offset = load64(meta.index.offsets + <size_t>i * 8)
        if not self.lend(offset, load32(meta.index.lengths + <size_t>i * 4), False, loads, &at,
                         &size):
            return Lookup.NEEDS_DISK
        found = open_view(at, size, &view)
        if found == THERE:
            found = find_in_block(&view, key, key_bytes, out)
        if found == DAMAGED:
            raise DamagedFile(self.path, offset, "a block's entries are inconsistent")
        return Lookup.FOUND if found == THERE else Lookup.ABSENT

    cdef bint may_span(self, const char* key, uint32_t key_bytes) noexcept nogil:
        """0 when the key lies outside the table's least and greatest key."""
        cdef int order = memcmp(key, self._greatest, min(key_bytes, self._greatest_bytes))
        if order > 0 or (order == 0 and key_bytes > self._greatest_bytes):
            return False
        order = memcmp(key, self._least, min(key_bytes, self._least_bytes))
        return order > 0 or (order == 0 and key_bytes >= self._least_bytes)

    cdef bint lend(self, uint64_t offset, uint32_t length, bint is_meta, Loads loads,
                   const char** at, uint32_t* size) except -1:
        """The bytes of a block, as fetch() finds them, or False. They stay until
        cache.release()."""
        cdef CacheSlot* slot
        cdef Block block
        if loads is not None and loads.holding:
            block = self.cache.peek(self.number, offset, is_meta)
            if block is None:
                return False
            loads.hold(self.number, block)
            at[0] = block.at
            size[0] = block.length
            return True
        slot = self._touch(offset, is_meta)
        if slot != NULL:
            at[0] = slot.at
            size[0] = slot.length
            return True
        block = self._miss(offset, length, is_meta, loads)
        if block is None:
            return False
        at[0] = block.at
        size[0] = block.length
        return True

    cdef Block fetch(self, uint64_t offset, uint32_t length, bint is_meta, Loads loads):
        """A block from the cache, else from the page cache; None when it is in neither. With
        `loads` the missing block is noted there; without, it is waited for."""
        cdef CacheSlot* slot = self._touch(offset, is_meta)
        if slot != NULL:
            return <Block>slot.block
        return self._miss(offset, length, is_meta, loads)

    cdef CacheSlot* _touch(self, uint64_t offset, bint is_meta) except? NULL:
        cdef CacheSlot* slot = self.cache.touch(self.number, offset)
        if slot != NULL and slot.is_meta != is_meta:
            raise DamagedFile(self.path, offset, "a block is named as data and as meta")
        return slot

    cdef Block _miss(self, uint64_t offset, uint32_t length, bint is_meta, Loads loads):
        cdef Block block
        if self.source is None:
            raise ValueError(f"{self.path} was closed")
        reason = self.cache.take_damage(self.number, offset)
        if reason is not None:
            raise DamagedFile(self.path, offset, reason)
        block = read_now(self.cache.decompressor, self.source, offset, length, is_meta)
        if block is None:
            if loads is not None:
                loads.want(self.source, offset, length, is_meta)
                return None
            block = self.read(self.source, self.cache.decompressor, offset, length, is_meta)
        self.cache.put(self.number, offset, block, is_meta)
        return block

    cdef Block read(self, TableFile source, Decompressor decompressor, uint64_t offset,
                    uint32_t length, bint is_meta):
        """A block from the disk, past the cache; for any thread with a decompressor of its own."""
        cdef bytes stored = PyBytes_FromStringAndSize(NULL, length)
        cdef char* at = PyBytes_AS_STRING(stored)
        cdef int64_t got
        cdef Block block
        with nogil:
            got = source.file.read_into(at, length, offset)
        if got != <int64_t>length:
            raise DamagedFile(self.path, offset, f"the file ends {length - got} bytes too early")
        block = open_block(decompressor, stored, source, offset)
        if is_meta:
            open_meta_block(block, source)
        return block

    def cursor(self, Loads loads=None, readahead_bytes=262144, cached=0):
        """A Cursor over the entries.

        Without `loads` it reads the disk itself, `readahead_bytes` at once, and may live in any
        thread; the cache is passed by, unless `cached` (PEEK or FILL, see table_cursor.pxd). With
        `loads` it uses cache and page cache only, on the loop: when a block is missing, seek and
        advance return NEEDS_DISK, `valid` is 0, and that block and those behind it up to
        `readahead_bytes` are noted; seek again after the install."""
        from engine.table_cursor import TableCursor    # here: its .pxd needs this module's

        return TableCursor(self, loads, readahead_bytes, cached)

    def get(self, bytes key):
        """lookup() for Python, reading the disk if it must: a tuple (kind, value, hlc, actor,
        deadline_ms, annotation), or None."""
        return self.ask(key, None)

    def count_found(self, list keys):
        """How many of the keys have an entry here."""
        cdef Entry e
        cdef uint64_t found = 0
        cdef bytes key
        for key in keys:
            found += self.lookup(
                key, <uint32_t>len(key), key_hash(key, <uint32_t>len(key)), &e, None
            ) == Lookup.FOUND
        return found

    def ask(self, bytes key, Loads loads):
        """lookup() as the loop does it, for Python: like get(), or the string "needs disk"."""
        cdef Entry e
        cdef uint32_t key_bytes = <uint32_t>len(key)
        cdef int found = self.lookup(key, key_bytes, key_hash(key, key_bytes), &e, loads)
        if found == Lookup.NEEDS_DISK:
            return "needs disk"
        if found == Lookup.ABSENT:
            return None
        return e.kind, e.value[:e.value_bytes], e.hlc, e.actor, e.deadline_ms, e.annotation

    def segments(self):
        """Where the metas of the segments are: a list of (offset, length)."""
        return [(load64(self.top.offsets + i * 8), load32(self.top.lengths + i * 4))
                for i in range(self.top.count)]

    def close(self):
        """No more lookups. The descriptor is closed when no load and no cursor needs it any
        more."""
        self.source = None


cdef Table open_table(Table table, File file, number, BlockCache cache):
    cdef const char* reason
    cdef TableFile source = TableFile(file, number)
    cdef Decompressor decompressor = Decompressor()
    table.source = source
    table.number = number
    table.path = file.path
    table.cache = cache
    table.file_bytes = source.bytes
    footer = file.read(FOOTER_BYTES, max(source.bytes, FOOTER_BYTES) - FOOTER_BYTES)
    top_offset, top_length, offset, length, _ = decode_footer(footer, file.path, source.bytes)
    block = table.read(source, decompressor, offset, length, False)
    try:
        properties = decode_properties(bytes(block), source.bytes)
    except ValueError as error:
        raise DamagedFile(file.path, offset, str(error)) from None
    properties.number = number
    properties.file_bytes = source.bytes
    if properties.dictionary_length:
        block = table.read(source, decompressor, properties.dictionary_offset,
                           properties.dictionary_length, False)
        source.use_dictionary(bytes(block), properties.dictionary_offset)
    table._top_block = table.read(source, decompressor, top_offset, top_length, False)
    reason = check_index(table._top_block.at, table._top_block.length, source.bytes)
    if reason != NULL:
        raise DamagedFile(file.path, top_offset, reason.decode())
    open_index(table._top_block.at, &table.top)
    table.properties = properties
    table._keys = properties.least_key, properties.greatest_key
    table._least = properties.least_key
    table._least_bytes = len(properties.least_key)
    table._greatest = properties.greatest_key
    table._greatest_bytes = len(properties.greatest_key)
    table.least_hlc = properties.least_hlc
    table.least_actor = properties.least_actor
    table.greatest_hlc = properties.greatest_hlc
    table.greatest_actor = properties.greatest_actor
    return table
