"""Compaction: merges tables into new ones and leaves out what nobody can need any more.

Left out are
    - versions that a newer one in the inputs replaces (the merge shows the newest of each key);
    - what a range delete hides;
    - tombstones, and records whose deadline has passed, when they have become superfluous.

A tombstone is superfluous when nothing older of its key can turn up again once it is gone. Two
things must hold. Its hlc is below `drop_below_hlc`: the caller has proof that every replica has
seen everything up to there and that no older write is under way. And no table outside the inputs
(a *bystander*) that spans the key has a dot at or below its own: such a table may hold just the
version that the tombstone hides. An expired record hides older versions like a tombstone and goes
by the same rule; there the annotation that set the deadline must be below the watermark, too.

The memtables are not looked at: the caller keeps `drop_below_hlc` at or below the least hlc in any
of them.

An input table of which all of this is known from its properties is not even read.

A table of a sorted level is ended at `table_bytes_max`, or earlier, before it overlaps more than
`overlap_tables_max` full tables of the level behind its own. A merge within level 0 makes one table,
whatever its size: there the number is what matters.

run() does all of it; step(budget) a part, so that a thread can pause in between, for the rate or
for a shutdown. No clock: the caller measures. The GIL is taken for each table that begins or ends, not for
what is in them.
"""

from engine.entry cimport Entry, Kind
from engine.level_cursor cimport LevelCursor
from engine.range_deletes cimport RangeDeletes
from libc.stdint cimport uint32_t, uint64_t
from libc.stdlib cimport calloc, free
from libc.string cimport memcmp

from engine.compaction_picker import covers_table
from engine.range_deletes import NONE

cdef uint64_t EVERYTHING = ~<uint64_t>0

cdef enum:
    LOOK_EVERY = 256           # entries between two looks at the flag and the budget


cdef class Compaction:
    """`take_number()` gives the number of a new table, in the thread that runs. `sequence`: every
    range delete up to it is in `range_deletes` or was retired."""

    def __init__(self, choice, version, *, disk, directory, options, take_number,
                 RangeDeletes range_deletes=None, now_ms=0, drop_below_hlc=0, sequence=0):
        self.choice = choice
        self.outputs = []
        self.unread = []
        self._underneath_keys = []
        self._disk = disk
        self._directory = directory
        self._options = options
        self._take_number = take_number
        self._range_deletes = NONE if range_deletes is None else range_deletes
        self._now_ms = now_ms
        self._drop_below_hlc = drop_below_hlc
        # A merge within level 0 is read and rewritten too soon to earn one.
        self._dictionary_bytes = options.dictionary_bytes if choice.target else 0
        self._lowest = choice.target > 0 and not any(version.levels[choice.target + 1:])
        self._table_bytes_max = options.table_bytes_max if choice.target else EVERYTHING
        applied = [item.sequence for item in self._range_deletes]
        applied.append(min(table.properties.cleared_sequence for table in choice.tables))
        self._cleared_sequence = max(sequence, max(applied))
        self._writers = []
        numbers = choice.numbers
        self._watch([table for table in version.tables() if table.number not in numbers])
        self._note_underneath(version)
        self._plan(version)

    def __dealloc__(self):
        free(self._bystanders)
        free(self._underneath)

    cdef int _note_underneath(self, version) except -1:
        """The tables that the outputs will meet when they are pushed down in their turn."""
        cdef Underneath* other
        level = self.choice.target + 1
        tables = ()
        if 1 < level < len(version.levels):
            tables = version.overlapping(level, self.choice.least_key, self.choice.greatest_key)
        self._overlap_bytes_max = self._options.table_bytes_max * self._options.overlap_tables_max
        self._underneath = <Underneath*>calloc(len(tables) + 1, sizeof(Underneath))
        if self._underneath == NULL:
            raise MemoryError
        for table in tables:
            key = table.properties.greatest_key
            self._underneath_keys.append(key)
            other = &self._underneath[self._underneath_count]
            other.greatest_key = <bytes>key
            other.greatest_bytes = <uint32_t>len(key)
            other.file_bytes = table.properties.file_bytes
            self._underneath_count += 1
        return 0

    cdef bint _overlaps_too_much(self, const Entry* e) noexcept nogil:
        """Whether a table that ends before `e` would overlap enough of the level after next. The
        tables underneath are passed once, together with the keys."""
        cdef const Underneath* other
        while self._passed < self._underneath_count:
            other = &self._underneath[self._passed]
            if compare(e.key, e.key_bytes, other.greatest_key, other.greatest_bytes) <= 0:
                break
            self._overlap_bytes += other.file_bytes
            self._passed += 1
        return self._overlap_bytes > self._overlap_bytes_max

    def _plan(self, version):
        """Sorts out tables that need no reading, and makes one lane per table or sorted level."""
        inputs = []
        for table in self.choice.tables:
            if self._is_worthless(table, version):
                self.unread.append(table)
            else:
                inputs.append(table)
        readahead = self._options.compaction_readahead_bytes
        chosen = {table.number for table in inputs}
        lanes = [table.cursor(None, readahead)
                 for table in version.levels[0] if table.number in chosen]
        for level in version.levels[1:]:
            run = [table for table in level if table.number in chosen]
            if run:
                lanes.append(LevelCursor(run, None, readahead))
        self._merge = MergeCursor(lanes, self._range_deletes)

    def _is_worthless(self, table, version):
        properties = table.properties
        if any(covers_table(item, properties) for item in self._range_deletes):
            return True
        if (
            not properties.perishable
            or properties.greatest_deadline_ms > self._now_ms
            or max(properties.greatest_hlc, properties.greatest_annotation) >= self._drop_below_hlc
        ):
            return False
        return not any(
            other.properties.least_dot <= properties.greatest_dot
            for level in range(len(version.levels))
            for other in version.overlapping(level, properties.least_key, properties.greatest_key)
            if other.number != table.number
        )

    cdef int _watch(self, list tables) except -1:
        """Keeps of the tables outside those that can keep a tombstone from being dropped."""
        cdef Bystander* bystander
        least = min(table.properties.least_key for table in self.choice.tables)
        greatest = max(table.properties.greatest_key for table in self.choice.tables)
        watched = [
            table.properties for table in tables
            if table.properties.least_hlc < self._drop_below_hlc
            and table.properties.least_key <= greatest
            and table.properties.greatest_key >= least
        ]
        self._keys = [(properties.least_key, properties.greatest_key) for properties in watched]
        self._bystanders = <Bystander*>calloc(len(watched) + 1, sizeof(Bystander))
        if self._bystanders == NULL:
            raise MemoryError
        for properties, keys in zip(watched, self._keys):
            bystander = &self._bystanders[self._bystander_count]
            bystander.least_key = <bytes>keys[0]
            bystander.least_bytes = <uint32_t>len(keys[0])
            bystander.greatest_key = <bytes>keys[1]
            bystander.greatest_bytes = <uint32_t>len(keys[1])
            bystander.least_hlc = properties.least_hlc
            bystander.least_actor = properties.least_actor
            self._bystander_count += 1
        return 0

    cdef bint _is_superfluous(self, const Entry* e) noexcept nogil:
        """Whether a tombstone or an expired record can go."""
        cdef const Bystander* other
        cdef uint32_t i
        if e.kind != Kind.DELETE and not (
            e.kind == Kind.PUT and e.deadline_ms and e.deadline_ms <= self._now_ms
        ):
            return False
        if e.hlc >= self._drop_below_hlc or e.annotation >= self._drop_below_hlc:
            return False
        for i in range(self._bystander_count):
            other = &self._bystanders[i]
            if other.least_hlc > e.hlc or (
                other.least_hlc == e.hlc and other.least_actor > e.actor
            ):
                continue
            if (
                compare(e.key, e.key_bytes, other.least_key, other.least_bytes) >= 0
                and compare(e.key, e.key_bytes, other.greatest_key, other.greatest_bytes) <= 0
            ):
                return False
        return True

    def run(self):
        """All of it. True when done, False when `aborted` was set: then abandon()."""
        while self.step(EVERYTHING):
            if self.aborted:
                return False
        return True

    def step(self, uint64_t budget_bytes):
        """Merges about `budget_bytes` of keys and values. True while there is more to do.

        After an error (OSError, DamagedFile): abandon()."""
        if not self._started:
            self._started = True
            with nogil:
                self._merge.seek("", 0)
        with nogil:
            self._merge_some(budget_bytes)
        if self._merge.valid:
            return True
        self._end_table()
        return False

    cdef int _merge_some(self, uint64_t budget_bytes) except -1 nogil:
        cdef uint64_t done = 0
        cdef uint32_t until_look = LOOK_EVERY
        cdef Entry* e = &self._merge.entry
        while self._merge.valid:
            until_look -= 1
            if until_look == 0:
                until_look = LOOK_EVERY
                if self.aborted or done >= budget_bytes:
                    return 0
            self.entries_read += 1
            done += e.key_bytes + <uint64_t>e.value_bytes
            if not self._is_superfluous(e):
                if (self._overlaps_too_much(e) or self._writer is None
                        or self._writer.size() >= self._table_bytes_max):
                    with gil:
                        self._start_table()
                self._writer.add(e)
                self.entries_written += 1
            self._merge.advance()
        return 0

    cdef int _start_table(self) except -1:
        self._end_table()
        self._overlap_bytes = 0
        self._writer = TableWriter(
            self._disk, self._directory, self._take_number(), self._options, self._lowest,
            self._dictionary_bytes)
        self._writer.cleared_sequence = self._cleared_sequence
        self._writers.append(self._writer)
        return 0

    cdef int _end_table(self) except -1:
        cdef TableWriter writer = self._writer
        if writer is not None:
            self._writer = None
            properties = writer.finish()
            self.outputs.append(properties)
            self.bytes_written += properties.file_bytes
        return 0

    def abandon(self):
        """Removes every table that was written. Nothing refers to them yet."""
        cdef TableWriter writer
        for writer in self._writers:
            writer.abandon()
            self._disk.unlink(writer.path)
        self._writers = []
        self._writer = None
        self.outputs = []


cdef inline int compare(const char* a, uint32_t a_bytes,
                        const char* b, uint32_t b_bytes) noexcept nogil:
    cdef int order = memcmp(a, b, min(a_bytes, b_bytes))
    if order != 0:
        return order
    return (a_bytes > b_bytes) - (a_bytes < b_bytes)
