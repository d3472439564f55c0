"""The whole of an engine as one cursor: memtables and tables merged, range deletes applied."""

from engine.level_cursor cimport LevelCursor


cdef MergeCursor merge_all(Memtable active, Memtable sealed, object version,
                           RangeDeletes range_deletes, uint64_t sequence, Loads loads,
                           object readahead_bytes):
    """The newest version of each key, of the writes up to `sequence`. With `loads` it reads from
    memory and cache only, on the loop; with None, from cache and disk, in any thread. The memtables
    must be pinned, or the cursor be used up before the next write."""
    cdef list cursors = [active.cursor(sequence)]
    if sealed is not None:
        cursors.append(sealed.cursor(sequence))
    cursors += [table.cursor(loads, readahead_bytes, loads is None) for table in version.levels[0]]
    for level in version.levels[1:]:
        if level:
            cursors.append(LevelCursor(level, loads, readahead_bytes, loads is None))
    return MergeCursor(cursors, range_deletes)
