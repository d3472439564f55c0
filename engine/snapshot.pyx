"""A consistent view of the engine at one moment, usable from any thread.

A snapshot holds on to the memtables of its moment (pinned, so that versions it sees are not
overwritten in place), to the tables and to the range deletes. Nothing it does changes the engine;
what it costs is the memory it keeps alive: close it soon.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from engine.backwards cimport merge_backwards
from engine.cursor cimport Cursor
from engine.engine cimport Engine
from engine.entry cimport DELETE, PUT, Entry
from engine.memtable cimport Memtable
from engine.merged_view cimport merge_all
from engine.record cimport make_record
from engine.range_deletes cimport RangeDeletes
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp, memset

from engine.errors import EngineClosed
from engine.record import as_bytes


cdef class Snapshot:
    cdef Memtable active, sealed
    cdef readonly uint64_t sequence
    cdef RangeDeletes range_deletes
    cdef object version            # keeps tables open, and their files alive, though unlinked
    cdef object readahead_bytes
    cdef bint closed
    cdef bint fills                # what is read goes into the cache: on the owner's thread only

    def __dealloc__(self):
        if not self.closed and self.active is not None:
            self.active.unpin()
            if self.sealed is not None:
                self.sealed.unpin()

    cdef int check_open(self) except -1:
        if self.closed:
            raise EngineClosed("the snapshot is closed")
        return 0

    cdef Cursor merged(self, object readahead_bytes):
        return merge_all(self.active, self.sealed, self.version, self.range_deletes, self.sequence,
                         None, readahead_bytes, self.fills)

    def cursor(self):
        """A MergeCursor over the newest version of each key, for C code and for `entries()`. The
        snapshot must stay open as long."""
        self.check_open()
        return self.merged(self.readahead_bytes)

    def get(self, key):
        """The Record that the key had, or None."""
        cdef bytes name = as_bytes(key)
        cdef Cursor cursor
        self.check_open()
        cursor = self.merged(0)
        cursor.seek(name, len(name))
        if not cursor.valid or cursor.entry.kind == DELETE:
            return None
        if cursor.entry.key[:cursor.entry.key_bytes] != name:
            return None
        return make_record(&cursor.entry)

    def scan(self, start=b"", end=b"", reverse=False):
        """Records with start <= key < end (an empty end: no bound), ascending or, with `reverse`,
        descending; tombstones left out."""
        return make_scan(self, start, end, reverse)

    def count(self, int offset=-1, int byte=0, uint64_t now_ms=0):
        """Live, unexpired keys; with offset >= 0 only those with key[offset] == byte."""
        cdef Cursor cursor
        cdef uint64_t count = 0
        cdef const Entry* e
        self.check_open()
        cursor = self.merged(self.readahead_bytes)
        with nogil:
            cursor.seek("", 0)
            while cursor.valid:
                e = &cursor.entry
                if (
                    e.kind == PUT
                    and (e.deadline_ms == 0 or e.deadline_ms > now_ms)
                    and (offset < 0 or (<uint32_t>offset < e.key_bytes
                                        and <uint8_t>e.key[offset] == byte))
                ):
                    count += 1
                cursor.advance()
        return count

    def census(self, int offset, start=b"", end=b"", uint64_t now_ms=0):
        """Counts start <= key < end by the byte key[offset], in one pass.

        {byte: (live keys, those of them with a deadline, sum of their milliseconds to live)}
        """
        cdef Cursor cursor
        cdef bytes first = as_bytes(start), bound = as_bytes(end)
        cdef const char* seek_to = first
        cdef const char* stop_at = bound
        cdef uint32_t first_bytes = <uint32_t>len(first), bound_bytes = <uint32_t>len(bound)
        cdef uint64_t[256] keys, expiring, ttl_ms
        cdef const Entry* e
        cdef int byte
        self.check_open()
        cursor = self.merged(self.readahead_bytes)
        memset(keys, 0, sizeof(keys))
        memset(expiring, 0, sizeof(expiring))
        memset(ttl_ms, 0, sizeof(ttl_ms))
        with nogil:
            cursor.seek(seek_to, first_bytes)
            while cursor.valid:
                e = &cursor.entry
                if bound_bytes and not before(e, stop_at, bound_bytes):
                    break
                if (
                    e.kind == PUT and <uint32_t>offset < e.key_bytes
                    and (e.deadline_ms == 0 or e.deadline_ms > now_ms)
                ):
                    byte = <uint8_t>e.key[offset]
                    keys[byte] += 1
                    if e.deadline_ms:
                        expiring[byte] += 1
                        ttl_ms[byte] += e.deadline_ms - now_ms
                cursor.advance()
        return {byte: (keys[byte], expiring[byte], ttl_ms[byte])
                for byte in range(256) if keys[byte]}

    def close(self):
        """Lets go of everything; may be called twice."""
        if not self.closed:
            self.closed = True
            self.active.unpin()
            if self.sealed is not None:
                self.sealed.unpin()
            self.version = None

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()


cdef inline bint before(const Entry* e, const char* bound, uint32_t bound_bytes) noexcept nogil:
    """Whether the entry's key is below `bound`."""
    cdef uint32_t shared = min(e.key_bytes, bound_bytes)
    cdef int order = memcmp(e.key, bound, shared)
    return order < 0 or (order == 0 and e.key_bytes < bound_bytes)


def make_snapshot(Engine engine, bint fills=False):
    cdef Snapshot snapshot = Snapshot.__new__(Snapshot)
    snapshot.fills = fills
    snapshot.sequence = engine.sequence
    snapshot.active = engine.active
    snapshot.active.pin(engine.sequence)
    snapshot.sealed = engine.sealed
    if engine.sealed is not None:
        engine.sealed.pin(engine.sequence)
    snapshot.range_deletes = engine.range_deletes
    snapshot.version = engine.tables.version
    snapshot.readahead_bytes = engine.options.scan_readahead_bytes
    return snapshot


cdef class Scan:
    """Iterates over the records of a snapshot. Not a generator: that would be a third of the time
    that a record takes."""

    cdef Snapshot view
    cdef Cursor cursor
    cdef bytes bound               # the scan stops there: end or, in reverse, start
    cdef bint reverse
    cdef bint owned                # the snapshot was made for this scan and closes with it

    def __iter__(self):
        return self

    def __next__(self):
        cdef Cursor cursor = self.cursor
        cdef const Entry* e
        if cursor is None:
            raise StopIteration
        self.view.check_open()
        e = &cursor.entry
        while cursor.valid and not self.is_past(e):
            if e.kind == PUT:
                record = make_record(e)
                cursor.advance()
                return record
            cursor.advance()
        self.close()
        raise StopIteration

    cdef bint is_past(self, const Entry* e) noexcept:
        cdef uint32_t bound_bytes = <uint32_t>PyBytes_GET_SIZE(self.bound)
        if bound_bytes == 0:
            return False
        return before(e, PyBytes_AS_STRING(self.bound), bound_bytes) == self.reverse

    def close(self):
        """Ends the iteration; may be called twice."""
        self.cursor = None
        if self.owned:
            self.view.close()


def make_scan(Snapshot view, start, end, reverse=False, owned=False):
    cdef Scan scan = Scan.__new__(Scan)
    cdef bytes first = as_bytes(start), end_key = as_bytes(end)
    view.check_open()
    scan.view = view
    scan.owned = owned
    scan.reverse = bool(reverse)
    if reverse:
        scan.bound = first
        scan.cursor = merge_backwards(view.active, view.sealed, view.version, view.range_deletes,
                                      view.sequence, view.readahead_bytes)
        scan.cursor.seek(end_key, len(end_key))
    else:
        scan.bound = end_key
        scan.cursor = view.merged(view.readahead_bytes)
        scan.cursor.seek(first, len(first))
    return scan
