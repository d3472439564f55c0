"""The engine behind the cluster code's Store door.

Reads that miss memory leave their block loads with the engine; `take_work` collects them, and the
countings that DBSIZE asked for, into one piece of work for a reader thread.
"""

from cluster.slots cimport BUCKET_PREFIX_BYTES, PREFIX_BYTES, SLOTS
from cluster.store cimport ABSENT, FOUND, PENDING, Walk
from engine.cursor cimport Cursor
from engine.entry cimport DELETE, NEEDS_DISK, PUT, RANGE_DELETE, Entry
from libc.stdint cimport uint32_t, uint64_t
from libc.string cimport memcmp

from cluster.errors import DamagedStore, NeedsDisk, WriteRefused
from engine import errors as engine_errors

DATABASE_OFFSET = 3           # where a stored key has its database number (cluster/slots.pyx)
COUNTED_AT_ONCE = 20_000      # records that may be counted on the loop

cdef enum:
    WALKED_AT_ONCE = 8192     # records between two looks at whether a walk should pause or end

cdef const char* FIRST_KEY = b""
cdef bytes END_OF_SLOTS = bytes([SLOTS >> 8, SLOTS & 255])


class Work:
    """Block loads and countings. `run` in any thread, then `install` of the store on the loop."""

    def __init__(self, loads, countings):
        self.loads, self.countings = loads, countings

    def run(self):
        if self.loads is not None:
            self.loads.run()
        for counting in self.countings:
            counting.run()


class Counting:
    """Live keys of a database in ranges of slots, by a snapshot."""

    def __init__(self, snapshot, database, now_ms, ranges):
        self.snapshot, self.database, self.now_ms = snapshot, database, now_ms
        self.ranges = ranges
        self.count = self.error = None

    def run(self):
        try:
            self.count = sum([self.count_range(first, last) for first, last in self.ranges])
        except Exception as error:
            self.error = error

    def count_range(self, first, last):
        counts = self.snapshot.census(DATABASE_OFFSET, first.to_bytes(2, "big"),
                                      (last + 1).to_bytes(2, "big"), self.now_ms)
        return counts.get(self.database, (0, 0, 0))[0]


cdef class Walking:
    """A Walk on its way through a snapshot. `pause(records)`, if there is one, is called now and
    then, in the thread of `run`."""

    cdef object snapshot
    cdef Walk walk
    cdef public object pause

    def __init__(self, snapshot, Walk walk):
        self.snapshot, self.walk = snapshot, walk

    def run(self):
        try:
            self.go()
        except Exception as error:
            self.walk.error = error

    def close(self):
        self.snapshot.close()

    def go(self):
        cdef Cursor cursor = self.snapshot.cursor()
        for start, end in self.walk.ranges:
            if not self.pass_range(cursor, start, end):
                return

    cdef bint pass_range(self, Cursor cursor, bytes start, bytes end) except -1:
        """False: the walk has ended."""
        cdef const char* first = start
        cdef const char* bound = end
        cdef uint32_t first_bytes = <uint32_t>len(start), bound_bytes = <uint32_t>len(end)
        cdef int going = 1
        cdef bint inside = True
        cdef int seen
        with nogil:
            cursor.seek(first, first_bytes)
        while going and inside and not self.walk.aborted:
            seen = 0
            with nogil:
                while seen < WALKED_AT_ONCE:
                    inside = cursor.valid and is_below(&cursor.entry, bound, bound_bytes)
                    if not inside:
                        break
                    going = self.show(&cursor.entry)
                    if not going:
                        break
                    cursor.advance()
                    seen += 1
            if self.pause is not None and seen:
                self.pause(seen)
        if not going:
            self.walk.stopped_at = cursor.entry.key[:cursor.entry.key_bytes] + b"\0"
        return going and not self.walk.aborted

    cdef int show(self, const Entry* entry) except -1 nogil:
        cdef Row row
        give_row(FOUND, entry, &row)
        return self.walk.take(entry.key, entry.key_bytes, &row)


cdef inline bint is_below(const Entry* entry, const char* bound, uint32_t bound_bytes) noexcept nogil:
    cdef uint32_t shared = min(entry.key_bytes, bound_bytes)
    cdef int order = memcmp(entry.key, bound, shared)
    return order < 0 or (order == 0 and entry.key_bytes < bound_bytes)


cdef class EngineStore(Store):
    def __init__(self, Engine engine):
        self.engine = engine
        self.counts = {}
        self.counting = []

    cdef int read(self, const char* key, uint32_t key_bytes, Row* out) except -1:
        cdef Entry entry
        try:
            return give_row(self.engine.lookup(key, key_bytes, &entry), &entry, out)
        except (engine_errors.EngineError, OSError) as error:
            raise DamagedStore(f"IOERR {error}") from None

    cdef int read_from(self, const char* key, uint32_t key_bytes, uint64_t floor_hlc,
                       Row* out) except -1:
        cdef Entry entry
        try:
            return give_row(self.engine.lookup_from(key, key_bytes, floor_hlc, &entry), &entry, out)
        except (engine_errors.EngineError, OSError) as error:
            raise DamagedStore(f"IOERR {error}") from None

    cdef int write(self, const char* key, uint32_t key_bytes, const Row* row) except -1:
        cdef Entry entry
        entry.key, entry.key_bytes = key, key_bytes
        entry.value, entry.value_bytes = row.value, row.value_bytes
        entry.hlc, entry.actor = row.hlc, row.actor
        entry.deadline_ms, entry.annotation = row.deadline_ms, row.annotation
        entry.kind = DELETE if row.tombstone else PUT
        try:
            return self.engine.put(&entry)
        except engine_errors.EngineError as error:
            raise refused(error) from None

    cdef int room(self) except -1:
        if self.braked:
            return 0
        try:
            return self.engine.write_room()
        except engine_errors.EngineError as error:
            raise refused(error) from None

    def commit(self):
        """Write what is pending to the log, without fsync. Raises engine errors."""
        self.engine.commit()

    def load(self):
        work = self.take_work()
        if work is not None:
            work.run()
            self.install(work)

    def take_work(self):
        """What has been asked for since the last call, or None."""
        loads = self.engine.take_loads()
        if loads is None and not self.counting:
            return None
        countings, self.counting = self.counting, []
        return Work(loads, countings)

    def install(self, work):
        """Put the result of a finished work where the waiting reads will find it."""
        if work.loads is not None:
            self.engine.install(work.loads)
        for counting in work.countings:
            counting.snapshot.close()
            self.counts[counting.database] = counting

    def forget_counts(self):
        """Countings hold for those who waited for them, not for whoever comes later."""
        self.counts.clear()

    def page(self, bytes start, bytes end, limit, database, now_ms):
        try:
            return self.engine.page_names(start, end, limit, DATABASE_OFFSET, database, now_ms,
                                          BUCKET_PREFIX_BYTES, PREFIX_BYTES)
        except engine_errors.NeedsDisk:
            raise NeedsDisk from None
        except (engine_errors.EngineError, OSError) as error:
            raise DamagedStore(f"IOERR {error}") from None

    def versions(self, bytes start, bytes end, limit):
        try:
            records, following = self.engine.page(start, end, limit, tombstones=True)
        except engine_errors.NeedsDisk:
            raise NeedsDisk from None
        except (engine_errors.EngineError, OSError) as error:
            raise DamagedStore(f"IOERR {error}") from None
        return [(r.key, r.hlc, r.actor, r.deadline_ms, r.annotation, r.deleted, r.value)
                for r in records], following

    def count(self, database, now_ms, ranges):
        counted = self.counts.get(database)
        if counted is None:
            counted = Counting(self.engine.snapshot(), database, now_ms, ranges)
            if self.entries() > COUNTED_AT_ONCE:
                self.counting.append(counted)
                raise NeedsDisk
            counted.run()
            counted.snapshot.close()
        if counted.error is not None:
            raise DamagedStore(f"IOERR {counted.error}")
        return counted.count

    def entries(self):
        """How many versions the engine holds, in memory and in tables; more than there are keys."""
        stats = self.engine.stats()
        return stats["entries"] + stats["memtable_keys"] + (COUNTED_AT_ONCE + 1) * bool(
            stats["sealed_bytes"])

    def walk(self, walk):
        return Walking(self.engine.snapshot(), walk)

    def flush(self, database, hlc, actor):
        cdef Entry entry
        if self.room() == 0:
            pass                  # a range delete takes no room to speak of
        entry.key, entry.key_bytes = FIRST_KEY, 0
        entry.value, entry.value_bytes = END_OF_SLOTS, 2
        entry.hlc, entry.actor = hlc, actor
        entry.deadline_ms = entry.annotation = 0
        entry.kind = RANGE_DELETE
        try:
            self.engine.put_range_delete(&entry, DATABASE_OFFSET, database)
        except engine_errors.EngineError as error:
            raise refused(error) from None


cdef inline int give_row(int answer, const Entry* entry, Row* out) noexcept nogil:
    """The engine's answer as the cluster's."""
    if answer == NEEDS_DISK:
        return PENDING
    if answer != FOUND:
        return ABSENT
    out.value, out.value_bytes = entry.value, entry.value_bytes
    out.hlc, out.actor = entry.hlc, entry.actor
    out.deadline_ms, out.annotation = entry.deadline_ms, entry.annotation
    out.tombstone = entry.kind == DELETE
    return FOUND


cdef refused(error):
    return WriteRefused(f"MISCONF writes are refused: {error}. Reads go on")
