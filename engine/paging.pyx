"""Pages: portions of a walk over the keys that fit into one turn of an event loop.

A page reads memory and cache only. What it lacks it leaves with the engine (take_loads) and raises
NeedsDisk, unless it has something to give already. It looks at a bounded number of entries, so that
a stretch of tombstones or of another database's keys ends in a short page, not in a long turn.
"""

from engine.cursor cimport Cursor
from engine.engine cimport Engine
from engine.entry cimport NEEDS_DISK, PUT, Entry
from engine.record cimport make_record
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcmp

from engine.errors import NeedsDisk

# Entries that a page looks at, wanted or not: about a millisecond.
cdef Py_ssize_t PAGE_ENTRIES_MAX = 4096


cdef inline bint below(const Entry* e, const char* bound, uint32_t bound_bytes) noexcept nogil:
    """Whether the entry's key is before `bound`; an empty bound is no bound."""
    cdef uint32_t shared = e.key_bytes if e.key_bytes < bound_bytes else bound_bytes
    cdef int order = memcmp(e.key, bound, shared)
    return bound_bytes == 0 or order < 0 or (order == 0 and e.key_bytes < bound_bytes)


cdef inline bint chosen(const Entry* e, int offset, int byte) noexcept nogil:
    return offset < 0 or (<uint32_t>offset < e.key_bytes and <uint8_t>e.key[offset] == byte)


def page_records(Engine engine, bytes start, bytes end, Py_ssize_t limit, int offset, int byte,
                 bint tombstones):
    """See Engine.page."""
    cdef Cursor cursor = engine.merged(engine.loads, engine.options.scan_readahead_bytes)
    cdef Entry* e = &cursor.entry
    cdef const char* bound = end
    cdef uint32_t bound_bytes = len(end)
    cdef Py_ssize_t looked_at = 0
    cdef list found = []
    if cursor.seek(start, len(start)) == NEEDS_DISK:
        cursor.hold(engine.loads)
        raise NeedsDisk("a page of records")
    while cursor.valid and below(e, bound, bound_bytes):
        if len(found) >= limit or looked_at >= PAGE_ENTRIES_MAX:
            return found, e.key[:e.key_bytes]
        looked_at += 1
        if (tombstones or e.kind == PUT) and chosen(e, offset, byte):
            found.append(make_record(e))
        if cursor.advance() == NEEDS_DISK:
            if found:
                return found, found[len(found) - 1].key + b"\0"
            cursor.hold(engine.loads)
            raise NeedsDisk("a page of records")
    return found, None


def page_names(Engine engine, bytes start, bytes end, Py_ssize_t limit, int offset, int byte,
               uint64_t now_ms, uint32_t whole, uint32_t skip):
    """See Engine.page_names."""
    cdef Cursor cursor = engine.merged(engine.loads, engine.options.scan_readahead_bytes)
    cdef Entry* e = &cursor.entry
    cdef const char* bound = end
    cdef uint32_t bound_bytes = len(end)
    cdef Py_ssize_t looked_at = 0, complete = 0
    cdef bytes group = b""
    cdef list found = []
    if cursor.seek(start, len(start)) == NEEDS_DISK:
        cursor.hold(engine.loads)
        raise NeedsDisk("a page of keys")
    while cursor.valid and below(e, bound, bound_bytes):
        if (len(group) != whole or e.key_bytes < whole
                or memcmp(e.key, <const char*>group, whole) != 0):
            complete = len(found)
            group = e.key[:min(whole, e.key_bytes)]
            if complete >= limit or looked_at >= PAGE_ENTRIES_MAX:
                return found, group
        looked_at += 1
        if (e.kind == PUT and chosen(e, offset, byte) and e.key_bytes >= skip
                and (e.deadline_ms == 0 or e.deadline_ms > now_ms)):
            found.append(e.key[skip:e.key_bytes])
        if cursor.advance() == NEEDS_DISK:
            if complete:
                return found[:complete], group
            cursor.hold(engine.loads)
            raise NeedsDisk("a page of keys")
    return found, None
