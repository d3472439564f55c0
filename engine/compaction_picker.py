"""Which tables to merge next: a pure function of the version, the options and the time.

Leveled compaction. Level 0 takes flushed memtables as they come; each deeper level is one sorted
run of disjoint tables and may be `level_multiplier` times as large as the one above. Every level
has a score, above 1 when it wants work:

    level 0     tables / level0_tables_trigger          (every point read may ask each of them)
    level n     bytes / (level_bytes_base * level_multiplier ** (n - 1))

The highest score goes first. Of level 0 all tables are taken, of a deeper level the one that has
the fewest bytes below it per byte of its own (the cheapest to push down), and with them all tables
of the next level that they overlap.

When no level is too large, what only takes up room is cleaned up: tables that a range delete covers
or that consist mostly of old tombstones and expired records, then, one by one, tables that hold
something a range delete hides, so that the range delete itself can be retired one day.

Since the dot alone decides which version of a key wins, *any* choice of inputs keeps every answer
right; a choice is only better or worse. The one rule is that the tables of a level below 0 stay
disjoint, so all tables of the target level that overlap the inputs are inputs.

Left out: tiered compaction (fewer writes, more tables per read), and several compactions at once
(`busy` is there for it). See docs/decisions/0004-compaction.md.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate

GARBAGE_SHARE = 0.5


@dataclass(frozen=True, slots=True)
class Choice:
    """Merge `tables` into new ones of level `target`."""

    level: int
    target: int
    tables: tuple
    reason: str

    @property
    def numbers(self):
        return frozenset(table.number for table in self.tables)

    @property
    def is_move(self):
        """One table with nothing below it: it goes down by an edit alone."""
        return len(self.tables) == 1 and 0 < self.level < self.target and self.reason == "size"


def choose(version, options, now_ms=0, drop_below_hlc=0, busy=frozenset()):
    """The most urgent Choice, or None. Tables numbered in `busy` are left alone."""
    for score, level in sorted(scores(version, options), reverse=True):
        if score >= 1:
            choice = choose_level(version, level, busy)
            if choice is not None:
                return choice
    return (
        choose_covered(version, busy)
        or choose_garbage(version, now_ms, drop_below_hlc, busy)
        or choose_uncleared(version, busy)
    )


def scores(version, options):
    """Pairs (score, level) of every level that can be pushed down."""
    yield len(version.levels[0]) / options.level0_tables_trigger, 0
    allowed = options.level_bytes_base
    for level in range(1, len(version.levels) - 1):
        yield version.level_bytes(level) / allowed, level
        allowed *= options.level_multiplier


def choose_level(version, level, busy):
    if level == 0:
        tables = version.levels[0]
        if any(table.number in busy for table in tables):
            return None
        return downwards(version, level, tables, "tables", busy)
    for _, _, table in sorted(costs(version, level)):
        if table.number not in busy:
            choice = downwards(version, level, (table,), "size", busy)
            if choice is not None:
                return choice
    return None


def costs(version, level):
    """(bytes below per byte, number, table) for each table of the level; both levels are sorted."""
    below = version.levels[level + 1]
    least = [table.properties.least_key for table in below]
    greatest = [table.properties.greatest_key for table in below]
    sums = list(accumulate((table.properties.file_bytes for table in below), initial=0))
    for table in version.levels[level]:
        first = bisect_left(greatest, table.properties.least_key)
        behind = max(first, bisect_right(least, table.properties.greatest_key))
        bytes_below = sums[behind] - sums[first]
        yield bytes_below / max(table.properties.file_bytes, 1), table.number, table


def downwards(version, level, tables, reason, busy):
    """The Choice that merges `tables` with what they overlap in the next level; None when busy."""
    least = min(table.properties.least_key for table in tables)
    greatest = max(table.properties.greatest_key for table in tables)
    below = version.overlapping(level + 1, least, greatest)
    if any(table.number in busy for table in below):
        return None
    return Choice(level, level + 1, (*tables, *below), reason)


def choose_covered(version, busy):
    """A table that a range delete hides as a whole: it goes without being read."""
    for item in version.range_deletes:
        for level, table in version.placed():
            if table.number not in busy and covers_table(item, table.properties):
                return Choice(level, level, (table,), "range-deleted")
    return None


def covers_table(item, properties):
    """Whether the range delete hides every entry that such a table can have."""
    least, greatest = properties.least_key, properties.greatest_key
    if properties.greatest_dot >= item.dot or least < item.start:
        return False
    if item.end and greatest >= item.end:
        return False
    if item.offset < 0:
        return True
    # Sorted keys between two that share their first bytes share these as well.
    shared = item.offset + 1
    return (
        len(least) >= shared
        and least[:shared] == greatest[:shared]
        and least[item.offset] == item.byte
    )


def choose_garbage(version, now_ms, drop_below_hlc, busy):
    """A table that is mostly tombstones and expired records which nobody needs any more."""
    for level, table in version.placed():
        properties = table.properties
        if (
            table.number in busy
            or properties.greatest_hlc >= drop_below_hlc
            or properties.greatest_annotation >= drop_below_hlc
        ):
            continue
        garbage = properties.tombstones
        if properties.expiring and properties.greatest_deadline_ms <= now_ms:
            garbage += properties.expiring
        if garbage <= properties.entries * GARBAGE_SHARE:
            continue
        older = [other for other in overlapping_tables(version, table)
                 if other[1].properties.least_dot <= properties.greatest_dot]
        if not older:
            return Choice(level, level, (table,), "garbage")
        # What the tombstones hide lies in another table: they have to meet it.
        if level > 0 and any(depth > level for depth, _ in older):
            choice = downwards(version, level, (table,), "garbage", busy)
            if choice is not None:
                return choice
    return None


def overlapping_tables(version, table):
    """Pairs (level, table) of the other tables that may hold one of its keys."""
    properties = table.properties
    return [
        (depth, other)
        for depth in range(len(version.levels))
        for other in version.overlapping(depth, properties.least_key, properties.greatest_key)
        if other.number != table.number
    ]


def choose_uncleared(version, busy):
    """A table that may hold something a range delete hides; once rewritten it is known not to."""
    for item in version.range_deletes:
        for level, table in version.placed():
            properties = table.properties
            if (
                table.number not in busy
                and properties.cleared_sequence < item.sequence
                and properties.least_dot < item.dot
                and properties.greatest_key >= item.start
                and (not item.end or properties.least_key < item.end)
            ):
                return Choice(level, level, (table,), "uncleared")
    return None
