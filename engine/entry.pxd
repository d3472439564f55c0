"""The one shape in which a version of a key travels through the engine.

Pointers in an Entry are borrowed: they stay valid until the cursor that lent them moves, or, for a
point read, until the next write, commit or installed step of the same engine.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum Kind:
    PUT = 1
    DELETE = 2
    MERGE = 3          # reserved for the merge operator; no writer makes it yet
    RANGE_DELETE = 4

cdef enum Lookup:
    ABSENT = 0         # no record, or a record that a range delete covers
    FOUND = 1          # `kind` says whether it is a PUT or a DELETE
    NEEDS_DISK = 2     # the answer is not in memory: run the load, then ask again

cdef struct Entry:
    const char* key
    uint32_t key_bytes
    const char* value
    uint32_t value_bytes
    uint64_t hlc               # the dot: (hlc, actor) orders versions of one key
    uint64_t actor
    uint64_t deadline_ms       # absolute Unix time of expiry, 0 for none
    uint64_t annotation        # hlc of the EXPIRE/PERSIST that set the deadline, 0: the dot itself
    uint8_t kind


cdef inline int newer(const Entry* a, const Entry* b) noexcept nogil:
    """1 if `a` supersedes `b`: greater dot, or the same dot with a later annotation; of two annotations of
    one moment the later deadline, so that all who have both keep the same one."""
    if a.hlc != b.hlc:
        return a.hlc > b.hlc
    if a.actor != b.actor:
        return a.actor > b.actor
    if a.annotation != b.annotation:
        return a.annotation > b.annotation
    return a.deadline_ms > b.deadline_ms
