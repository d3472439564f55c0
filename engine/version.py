"""A version: which tables make up the tree at one moment.

Level 0 holds flushed memtables, which overlap each other; in each deeper level the tables are
disjoint and sorted by key. A Version never changes: a flush or a compaction makes a new one, and whoever
reads from the old one (a snapshot, a running compaction) keeps it, its tables and their open files
alive for as long as it likes. The files may be unlinked meanwhile.

A table here is anything with `number`, `properties` (least_key, greatest_key, file_bytes, ...) :
the picker is tested with plain stand-ins.
"""


class Version:
    """levels[0] is newest first (falling number), levels[1:] ascending by key."""

    __slots__ = ("levels", "range_deletes")

    def __init__(self, levels, range_deletes=()):
        self.levels = tuple(tuple(level) for level in levels)
        self.range_deletes = range_deletes

    @classmethod
    def empty(cls, level_count, range_deletes=()):
        return cls([()] * level_count, range_deletes)

    def replaced(self, removed, added):
        """Without the tables numbered in `removed`, with `added`, pairs (level, table)."""
        removed = frozenset(removed)
        levels = [[t for t in level if t.number not in removed] for level in self.levels]
        for level, table in added:
            levels[level].append(table)
        levels[0].sort(key=lambda table: -table.number)
        for level in levels[1:]:
            level.sort(key=lambda table: table.properties.least_key)
        return Version(levels, self.range_deletes)

    def with_range_deletes(self, range_deletes):
        return Version(self.levels, range_deletes)

    def tables(self):
        """Every table, newest level first."""
        return [table for level in self.levels for table in level]

    def placed(self):
        """Every table as a pair (level, table)."""
        return [(depth, table) for depth, level in enumerate(self.levels) for table in level]

    def level_bytes(self, level):
        return sum(table.properties.file_bytes for table in self.levels[level])

    def overlapping(self, level, least_key, greatest_key):
        """Tables of the level that may hold a key between the two, both included."""
        return [
            table
            for table in self.levels[level]
            if table.properties.least_key <= greatest_key
            and table.properties.greatest_key >= least_key
        ]
