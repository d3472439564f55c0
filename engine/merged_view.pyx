"""The whole of an engine as one cursor: memtables and tables merged, range deletes applied."""

from engine.level_cursor cimport LevelCursor
from engine.table_cursor cimport FILL, PEEK


cdef MergeCursor merge_all(Memtable active, Memtable sealed, object version,
                           RangeDeletes range_deletes, uint64_t sequence, Loads loads,
                           object readahead_bytes, bint fills=False):
    """The newest version of each key, of the writes up to `sequence`. With `loads` it reads from
    memory and cache only, on the loop; with None, from cache and disk, in any thread, or in the
    owner's if it `fills` what is free of the cache. The memtables must be pinned, or the cursor be
    used up before the next write."""
    cdef int cached = 0 if loads is not None else FILL if fills else PEEK
    cdef list cursors = [active.cursor(sequence)]
    if sealed is not None:
        cursors.append(sealed.cursor(sequence))
    cursors += [table.cursor(loads, readahead_bytes, cached) for table in version.levels[0]]
    for level in version.levels[1:]:
        if level:
            cursors.append(LevelCursor(level, loads, readahead_bytes, cached))
    return MergeCursor(cursors, range_deletes)
