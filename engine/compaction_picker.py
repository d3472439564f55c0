"""Which tables to merge next: a pure function of the version, the options and the time.

Leveled compaction. Level 0 takes flushed memtables as they come; each deeper level is one sorted
run of disjoint tables and may be `level_multiplier` times as large as the one above. Every level
has a score, above 1 when it wants work:

    level 0     tables / level0_tables_trigger          (every point read may ask each of them)
    level n     bytes / (level_bytes_base * level_multiplier ** (n - 1))

The highest score goes first. Of level 0 all tables are taken, of a deeper level the one that has
the fewest bytes below it per byte of its own (the cheapest to push down), and with them all tables
of the next level that they overlap. A table that overlaps nothing moves down without being read: so
keys that come in ascending order are written once to the log and once to a table. (Out of level 0 only
if it is not small: many small tables would be left lying beside each other, and each keeps a file open.)

When no level is too large, what only takes up room is cleaned up: tables that a range delete covers
or that consist mostly of old tombstones and expired records, then, one by one, tables that hold
something a range delete hides, so that the range delete itself can be retired one day.

Since the dot alone decides which version of a key wins, *any* choice of inputs keeps every answer
right; a choice is only better or worse. The one rule is that the tables of a level below 0 stay
disjoint, so all tables of the target level that overlap the inputs are inputs.

Several compactions may be under way at once (Busy says which choices they rule out). Since level 0
wants the whole range of level 1, pushing level 1 down on other threads could keep it waiting for
ever: so while level 0 is due and its way is taken, nothing more is taken from level 1. And once
level 0 has grown to `level0_tables_slowdown` tables, those that wait are merged into one table of
level 0: each byte is written once more than needed, but reads and the writers' brake count tables.

Left out: tiered compaction in general (fewer writes, more tables per read). See
docs/decisions/0004-compaction.md.
"""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import accumulate

GARBAGE_SHARE = 0.5
MOVED_SHARE_MIN = 1 / 8        # of a full table: what may leave level 0 unmerged


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
    def least_key(self):
        return min(table.properties.least_key for table in self.tables)

    @property
    def greatest_key(self):
        return max(table.properties.greatest_key for table in self.tables)

    @property
    def is_move(self):
        """One table with nothing below it: it goes down by an edit alone."""
        return len(self.tables) == 1 and self.level < self.target and self.reason in ("size", "alone")


class Busy:
    """What the compactions under way (Choices) leave to others.

    No table may be an input of two. And of two that write into one sorted level the ranges of keys
    must be apart: what they will put there is in no version yet, so nobody could take it along."""

    def __init__(self, under_way=()):
        self.under_way = tuple(under_way)
        self.numbers = frozenset().union(*(choice.numbers for choice in self.under_way))

    def __contains__(self, table):
        return table.number in self.numbers

    def rules_out(self, choice):
        if choice.numbers & self.numbers:
            return True
        return any(
            choice.target == other.target > 0
            and choice.least_key <= other.greatest_key
            and other.least_key <= choice.greatest_key
            for other in self.under_way
        )


def choose(version, options, now_ms=0, drop_below_hlc=0, under_way=()):
    """The most urgent Choice beside those that are `under_way`, or None."""
    busy = Busy(under_way)
    level0_waits = False
    for score, level in sorted(scores(version, options), reverse=True):
        if score < 1 or (level == 1 and level0_waits):
            continue
        if level == 0:
            choice = choose_level0(version, options, busy)
            level0_waits = choice is None or choice.target == 0
        else:
            choice = choose_from(version, level, busy)
        if choice is not None:
            return choice
    return (
        choose_covered(version, busy)
        or choose_garbage(version, now_ms, drop_below_hlc, busy)
        or choose_uncleared(version, busy)
    )


def scores(version, options):
    """Pairs (score, level) of every level that can be pushed down."""
    count = len(version.levels[0])
    slow = count >= options.slowdown_tables
    yield (float("inf") if slow else count / options.level0_tables_trigger), 0
    allowed = options.level_bytes_base
    for level in range(1, len(version.levels) - 1):
        yield version.level_bytes(level) / allowed, level
        allowed *= options.level_multiplier


def choose_level0(version, options, busy):
    """A table that overlaps no other, else all of level 0 that is free, goes down; else, when there is
    too much of it, together."""
    free = [table for table in version.levels[0] if table not in busy]
    if len(free) < options.level0_tables_trigger:
        return None
    for table in reversed(free):
        if stands_alone(table, version, options):
            choice = Choice(0, 1, (table,), "alone")
            if not busy.rules_out(choice):
                return choice
    choice = downwards(version, 0, tuple(free), "tables", busy)
    if choice is None and len(version.levels[0]) >= options.slowdown_tables:
        choice = within_level0(free, options)
    return choice


def stands_alone(table, version, options):
    """Whether a table of level 0 may be one of level 1 as it is."""
    properties = table.properties
    if properties.file_bytes < options.table_bytes_max * MOVED_SHARE_MIN:
        return False
    around = (properties.least_key, properties.greatest_key)
    return version.overlapping(0, *around) == [table] and not version.overlapping(1, *around)


def within_level0(free, options):
    """The smallest tables, up to the size of level 1; two at least."""
    free = sorted(free, key=lambda table: (table.properties.file_bytes, table.number))
    sums = accumulate(table.properties.file_bytes for table in free)
    fitting = sum(1 for total in sums if total <= options.level_bytes_base)
    return Choice(0, 0, tuple(free[:fitting]), "crowded") if fitting > 1 else None


def choose_from(version, level, busy):
    for _, _, table in sorted(costs(version, level)):
        if table not in busy:
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
    choice = Choice(level, level + 1, (*tables, *below), reason)
    return None if busy.rules_out(choice) else choice


def choose_covered(version, busy):
    """A table that a range delete hides as a whole: it goes without being read."""
    for item in version.range_deletes:
        for level, table in version.placed():
            if table not in busy and covers_table(item, table.properties):
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
            table in busy
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
                table not in busy
                and properties.cleared_sequence < item.sequence
                and properties.least_dot < item.dot
                and properties.greatest_key >= item.start
                and (not item.end or properties.least_key < item.end)
            ):
                return Choice(level, level, (table,), "uncleared")
    return None
