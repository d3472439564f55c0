"""The engine: commit log, memtable and tables behind one door.

    put     pending log frame + memtable          commit   one write(2) of the frame
    lookup  active memtable, sealed memtable, tables from the newest to the oldest, range deletes
    seal    a new memtable and a new log segment; the old pair waits for a flush step
    steps   flush and compaction, run by whoever owns the threads

There is no thread and no clock in here. All methods belong to one thread (the event loop); only
what a step, a sync, a load or a snapshot does in its own run() may happen elsewhere, and touches
nothing of the engine: it works on immutable tables, on a sealed memtable, or on pinned versions.

Of two versions of a key the one with the greater dot wins, wherever they are found, so a put never
reads: an old version that arrives late is stored and hidden. A lookup may stop as soon as the dot it
has found is above the greatest dot of everything it has not looked into yet.

A write is refused (WriteRefused, with a sentence for the client) when the log cannot take it; reads
go on. DiskFull is over when space is back. After a failed fsync nobody knows what the disk holds:
the engine is poisoned until a restart has read the log again.
"""

from engine.batch cimport KEY_BYTES_MAX, PAIR_BYTES_MAX, Batch
from engine.cursor cimport Cursor
from engine.entry cimport ABSENT, DELETE, FOUND, NEEDS_DISK, RANGE_DELETE, Entry, newer
from engine.log_format cimport FRAME_BYTES_MAX, FRAME_HEADER_BYTES, RECORD_BYTES_MAX
from engine.memtable cimport Node, supersedes
from engine.merged_view cimport merge_all
from engine.murmur cimport key_hash
from engine.record cimport Record, make_record

import engine.schedule as schedule
from engine.checkpoint import write_checkpoint
from engine.disk import Disk
from engine.errors import (
    DirectoryInUse, DiskFull, EngineClosed, EntryTooLarge, NeedsDisk, Poisoned, WriteRefused, too_large,
)
from engine.file_names import LOCK
from engine.options import Options
from engine.paging import page_names, page_records
from engine.range_deletes import RangeDeleteRecord
from engine.record import as_bytes
from engine.recovery import recover
from engine.snapshot import make_scan, make_snapshot
from engine.statistics import approximate_size, collect_statistics, verify_tables
from engine.sync import Sync

# write_room() is 1 only while at least this much log space is set aside.
cdef uint64_t WRITE_ROOM_BYTES = 64 << 10
# get() lets go of evicted blocks at this; whoever uses the C door does so by commit().
cdef uint64_t RETIRED_BYTES_MAX = 1 << 20


cdef class Engine:
    """Made by `Engine.open`."""

    @staticmethod
    def open(path, options=None, now_ms=0, disk=None):
        """Opens the directory, or makes it. Raises DirectoryInUse, DamagedFile, UnknownFormat.

        `now_ms` is the time, for the engine's own stamps; `disk` replaces the operating system.
        """
        cdef Engine engine = Engine.__new__(Engine)
        engine.path = str(path)
        engine.options = Options() if options is None else options
        if not isinstance(engine.options, Options):
            raise TypeError("options is an engine.Options")
        if now_ms < 0 or now_ms >> 48:
            raise ValueError("now_ms is a time in Unix milliseconds")
        engine.disk = disk or Disk()
        engine.memtable_bytes = engine.options.memtable_bytes
        engine.log_bytes_max = engine.options.log_bytes_max
        engine.level0_tables_slowdown = engine.options.slowdown_tables
        engine.level0_tables_stop = engine.options.level0_tables_stop
        engine.cache = BlockCache(engine.options.block_cache_bytes)
        engine.loads = Loads()
        engine.unsynced, engine.compacting, engine.step_errors = [], [], {}
        engine.counters = dict.fromkeys(
            ("flushes", "flush_bytes", "compactions", "compaction_bytes", "stalls"), 0)
        engine.start(now_ms)
        return engine

    def start(self, now_ms):
        self.disk.make_directory(self.path)
        self.lock = self.disk.lock(f"{self.path}/{LOCK}")
        if self.lock is None:
            raise DirectoryInUse(f"{self.path} is open in another process (its LOCK is held)")
        try:
            found = recover(self)
        except BaseException:
            self.lock.close()
            self.lock = None
            raise
        self.active = found.memtable
        self.range_deletes = found.range_deletes
        self.sequence = found.sequence
        self.frame_sequence = found.sequence + 1
        # Our own stamps are clock << 16, like the server's, and never behind what is stored.
        self.greatest_hlc = max(found.greatest_hlc, (<uint64_t>now_ms) << 16)
        self.reports = found.reports
        self.log = found.log
        self.directory_unsynced = True
        self.synced_position = found.position
        self.log_start = found.log_start
        self.written_position = self.log.end_position()
        self.manifest = found.manifest
        self.flushed_sequence = found.manifest.state.sequence
        self.use_version(found.version)

    def make_memtable(self):
        chunk = 2 << 20
        while chunk > 64 << 10 and chunk * 16 > self.memtable_bytes:
            chunk >>= 1
        return Memtable(chunk)

    def make_segment(self, position):
        """A new log segment that starts at that position. Raises OSError."""
        return LogWriter(
            self.disk, self.path, self.take_number(), position, self.options.log_reserve_bytes
        )

    def take_number(self):
        """A file number that was never used; in any thread, with the GIL."""
        cdef uint64_t number = self.next_number
        self.next_number += 1
        return number

    def start_numbers(self, uint64_t number):
        self.next_number = number

    cdef int use_version(self, object version) except -1:
        self.tables = TableSearch(version)
        self.choice_known = False
        self.layout += 1
        return 0

    cdef int check_open(self) except -1:
        if self.lock is None:
            raise EngineClosed("the engine is closed")
        return 0

    # The C door.

    cdef int lookup(self, const char* key, uint32_t key_bytes, Entry* out) except -1:
        """ABSENT, FOUND (`out` is borrowed; a tombstone is FOUND too) or NEEDS_DISK."""
        cdef uint64_t hash = key_hash(key, key_bytes)
        cdef Entry other
        cdef int answer
        cdef bint found = self.active.lookup(key, key_bytes, hash, out)
        if self.sealed is not None and (not found or out.hlc <= self.sealed.greatest_hlc):
            if self.sealed.lookup(key, key_bytes, hash, &other):
                if not found or newer(&other, out):
                    out[0] = other
                    found = True
        if self.tables.greatest_hlc and (not found or out.hlc <= self.tables.greatest_hlc):
            answer = self.tables.lookup(key, key_bytes, hash, out, found, self.loads)
            if answer == NEEDS_DISK:
                return NEEDS_DISK
            found = answer == FOUND
        if not found or self.range_deletes.covers(out):
            return ABSENT
        return FOUND

    cdef int lookup_from(self, const char* key, uint32_t key_bytes, uint64_t floor_hlc,
                         Entry* out) except -1:
        """As lookup, but ABSENT also where no version has an hlc of at least `floor_hlc`: tables
        that are older as a whole are not asked. So a write learns what is newer without a read."""
        cdef uint64_t hash = key_hash(key, key_bytes)
        cdef Entry other
        cdef bint found = self.active.lookup(key, key_bytes, hash, out)
        if not found or out.hlc < floor_hlc:
            out.hlc, out.actor, out.annotation, out.kind = floor_hlc, 0, 0, 0
        if self.sealed is not None and floor_hlc <= self.sealed.greatest_hlc:
            if self.sealed.lookup(key, key_bytes, hash, &other) and newer(&other, out):
                out[0] = other
        if out.hlc <= self.tables.greatest_hlc:
            if self.tables.lookup(key, key_bytes, hash, out, True, self.loads) == NEEDS_DISK:
                return NEEDS_DISK
        return ABSENT if out.kind == 0 or self.range_deletes.covers(out) else FOUND

    cdef int put(self, const Entry* e) except -1:
        """Into the pending frame and the memtable; ignored when the memtable has a newer version.
        Raises WriteRefused, and then nothing has happened."""
        cdef uint64_t hash = key_hash(e.key, e.key_bytes)
        cdef Node* node = self.active.find(e.key, e.key_bytes, hash)
        if self.refused is not None:
            raise self.refused
        if e.key_bytes > KEY_BYTES_MAX or <uint64_t>e.key_bytes + e.value_bytes > PAIR_BYTES_MAX:
            raise too_large()
        if node != NULL and not supersedes(e, node.newest):
            return 0
        self.log.add(e, -1, 0)
        self.sequence += 1
        self.active.put(node, e, hash, self.sequence)
        if e.hlc > self.greatest_hlc:
            self.greatest_hlc = e.hlc
        if e.annotation > self.greatest_hlc:
            self.greatest_hlc = e.annotation
        return 0

    cdef int put_range_delete(self, const Entry* e, int32_t offset, uint8_t byte) except -1:
        """`e` is a RANGE_DELETE with the start as its key and the end as its value."""
        if self.refused is not None:
            raise self.refused
        item = RangeDeleteRecord(
            e.key[:e.key_bytes], e.value[:e.value_bytes], e.hlc, e.actor, offset, byte,
            self.sequence + 1,
        )
        self.log.add(e, offset, byte)
        self.sequence += 1
        self.range_deletes = self.range_deletes.added(item)
        if e.hlc > self.greatest_hlc:
            self.greatest_hlc = e.hlc
        return 0

    cpdef bint dirty(self) noexcept:
        return self.log.dirty()

    cpdef int commit(self) except -1:
        """Writes what is pending, without fsync. DiskFull: it stays pending, and the next commit
        tries again. What lookups have lent until now may go: call it once per turn of the loop."""
        if self.cache.retired_bytes or self.cache.crowding:
            self.cache.release()
        if not self.log.dirty():
            return 0
        if self.refused is not None:
            raise self.refused
        try:
            self.log.commit(self.frame_sequence, self.synced_position)
        except Poisoned as error:
            self.refused = error
            raise
        self.frame_sequence = self.sequence + 1
        self.written_position = self.log.end_position()
        if self.sealed is None and (
            self.active.bytes_used() * 2 >= self.memtable_bytes
            or self.written_position - self.log_start >= self.log_bytes_max
        ):
            self.try_seal()
        return 0

    cpdef int write_room(self) except -1:
        """1: write freely; 0: memory is full and the flush is behind, ask again after a step was
        finished. Raises WriteRefused."""
        cdef uint64_t used
        if self.refused is not None:
            raise self.refused
        if self.lock is None:
            self.check_open()
        used = self.active.bytes_used()
        if self.sealed is not None:
            used += self.sealed.bytes_used()
        if used >= self.memtable_bytes or self.tables.level0_count >= self.level0_tables_stop:
            return self.check_stall(used >= self.memtable_bytes)
        self.stalled = False
        self.log.ensure(WRITE_ROOM_BYTES)
        return 1

    cdef int check_stall(self, bint memory_is_full) except -1:
        """0, but when the steps that would end the stall fail, their failure is the answer."""
        error = self.step_errors.get("flush" if memory_is_full else "compaction")
        if error is not None:
            kind = DiskFull if isinstance(error, OSError) else WriteRefused
            raise kind(f"writes wait for a flush or a compaction that fails: {error}")
        if self.sealed is None and self.tables.level0_count < self.level0_tables_stop:
            self.seal()
            return 1
        if not self.stalled:
            self.stalled = True
            self.counters["stalls"] += 1
        return 0

    cpdef double write_pressure(self) noexcept:
        """0: write as fast as you like. From there to 1, where write_room() is 0: flushes or
        compactions are falling behind, slow down (see write_delay_usec_per_kib)."""
        cdef double filled, tables = 0, memory = 0
        cdef double half = self.memtable_bytes / 2.0
        cdef int over = self.tables.level0_count - self.level0_tables_slowdown
        filled = min(1.0, self.active.bytes_used() / half)
        if over >= 0:
            # The active memtable is the next table: so the pressure rises between flushes, too.
            tables = (over + filled) / (self.level0_tables_stop - self.level0_tables_slowdown)
        if self.sealed is not None:
            half = max(1.0, <double>self.memtable_bytes - self.sealed.bytes_used())
            memory = 2 * self.active.bytes_used() / half - 1
        return min(1.0, max(0.0, tables, memory))

    cpdef double write_delay_usec_per_kib(self) noexcept:
        """How long the owner should let pass for each KiB that is written: the square of the
        pressure in milliseconds. So a tenth of the pressure asks for 100 MB/s, a third for 10, all
        of it for 1: whatever the disk can take, somewhere on the way writes come in as fast as they
        go out, and there they stay. The engine has no clock; who obeys it counts the delays."""
        cdef double pressure = self.write_pressure()
        return 1000 * pressure * pressure

    # Sealing and steps.

    def seal(self):
        """Starts a new memtable and log segment, so that a step flushes the old ones. False when
        there is nothing to flush, or a sealed memtable waits already. Raises WriteRefused."""
        cdef LogWriter log
        self.check_open()
        self.commit()
        if self.sealed is not None:
            return False
        if self.active.count == 0 and not self.unflushed_ranges():
            return False
        try:
            log = self.make_segment(self.written_position)
        except OSError as error:
            raise DiskFull(f"the disk is full: no new log segment ({error})") from None
        self.unsynced.append(self.log)
        self.log = log
        self.directory_unsynced = True
        self.sealed = self.active
        self.sealed_sequence = self.sequence
        self.active = self.make_memtable()
        self.log_start = log.start_position
        self.written_position = log.end_position()
        self.layout += 1
        return True

    def try_seal(self):
        """Without space for a segment the memtable goes on growing; write_room() ends that."""
        try:
            self.seal()
        except DiskFull:
            pass

    def unflushed_ranges(self):
        return any(item.sequence > self.flushed_sequence for item in self.range_deletes)

    def step_wanted(self, now_ms=0, drop_below_hlc=0):
        """Whether take_step(), with the same arguments, would give one."""
        return schedule.step_wanted(self, now_ms, drop_below_hlc)

    def take_step(self, now_ms=0, drop_below_hlc=0):
        """The most urgent step that is not under way, or None: see engine/step.py. One flush and
        `compactions_max` compactions may run at the same time, and be finished in any order.

        A compaction may drop tombstones and what expired before `now_ms`, if older than
        `drop_below_hlc`: what the caller knows to be seen by all who should."""
        self.check_open()
        return schedule.take_step(self, now_ms, drop_below_hlc)

    def finish(self, step):
        """Puts a step's result in force. Returns its error, or None."""
        return schedule.finish(self, step)

    def run_steps(self, now_ms=0, drop_below_hlc=0, kind=None):
        """Runs steps here and now until none (of that kind) is wanted; returns how many. Raises
        what stopped one."""
        count = 0
        while True:
            if kind == "flush" and self.sealed is None:
                return count
            step = self.take_step(now_ms, drop_below_hlc)
            if step is None:
                return count
            count += 1
            step.run()
            error = self.finish(step)
            if error is not None:
                raise error
            step.cleanup()

    def flush(self):
        """Everything that was written is in tables when this returns."""
        self.check_open()
        self.run_steps(kind="flush")
        if self.seal():
            self.run_steps(kind="flush")

    # Reading.

    def get(self, key, *, bint wait=True):
        """The Record of the key, or None. Reads the disk if it must; without `wait`, for an event loop,
        it raises NeedsDisk instead: run take_loads(), install it, ask again. An expired record is
        returned; the caller knows the time. Like a commit, it ends what lookups have lent."""
        cdef Entry e
        cdef bytes name = as_bytes(key)
        cdef int answer
        self.check_open()
        answer = self.lookup(name, len(name), &e)
        while answer == NEEDS_DISK:
            if not wait:
                raise NeedsDisk("a block of a table")
            self.load_now()
            answer = self.lookup(name, len(name), &e)
        record = None if answer == ABSENT or e.kind == DELETE else make_record(&e)
        if self.cache.retired_bytes > RETIRED_BYTES_MAX or self.cache.crowding:
            self.cache.release()
        return record

    def take_loads(self):
        """The blocks that lookups and pages have missed since the last call, or None. Run them in
        a thread, then install them."""
        if not len(self.loads):
            return None
        loads = self.loads
        self.loads = Loads()
        return loads

    def install(self, Loads loads not None):
        """Puts what loads.run() has read into the cache."""
        loads.install_into(self.cache)

    def load_now(self):
        loads = self.take_loads()
        if loads is not None:
            loads.run()
            self.install(loads)

    cdef Cursor merged(self, Loads loads, object readahead_bytes):
        """The newest version of each key; with `loads`, from memory and cache only."""
        return merge_all(self.active, self.sealed, self.tables.version, self.range_deletes,
                         self.sequence, loads, readahead_bytes)

    def page(self, start, end, Py_ssize_t limit, int offset=-1, int byte=0, bint tombstones=False):
        """(records, next start or None): up to `limit` records with start <= key < end (an empty
        end: no bound) and, with offset >= 0, key[offset] == byte, ascending. Looks at a bounded
        number of entries, so there may be fewer although more follow. Raises NeedsDisk."""
        self.check_open()
        return page_records(self, as_bytes(start), as_bytes(end), limit, offset, byte, tombstones)

    def page_names(self, start, end, limit, offset=-1, byte=0, now_ms=0, whole=0, skip=0):
        """(keys, next start or None): as `page`, but only keys, of records that live at `now_ms`,
        without their first `skip` bytes. Keys that agree in their first `whole` bytes are never
        split between two pages, even if `limit` is exceeded."""
        self.check_open()
        return page_names(self, as_bytes(start), as_bytes(end), limit, offset, byte, now_ms, whole, skip)

    def scan(self, start=b"", end=b"", reverse=False):
        """Iterates over the records with start <= key < end of this moment (an empty end: no
        bound), ascending or, with `reverse`, descending. Use it on the thread of the engine."""
        self.check_open()
        return make_scan(make_snapshot(self, fills=True), start, end, reverse, owned=True)

    def snapshot(self):
        """A consistent view of now, usable in any thread: see engine/snapshot.pyx."""
        self.check_open()
        return make_snapshot(self)

    # Writing, for Python.

    def has_room(self):
        """Whether a write would be taken now, without waiting for a step. Raises WriteRefused."""
        self.check_open()
        return self.write_room() == 1

    def write(self, Batch batch not None, sync=False):
        """Stores the batch as one frame, stamped by the engine's own counter. While memory is full it
        runs the steps that are due, here and now. Raises WriteRefused."""
        cdef Entry e
        cdef int32_t offset
        cdef uint8_t byte
        cdef const char* at = batch.writes.at
        cdef const char* end = at + batch.writes.used
        cdef uint64_t most = batch.writes.used + batch.count * <uint64_t>RECORD_BYTES_MAX
        self.check_open()
        if most > FRAME_BYTES_MAX - FRAME_HEADER_BYTES:
            raise EntryTooLarge(f"a batch holds at most {FRAME_BYTES_MAX} bytes")
        self.commit()  # what others have pending is a frame of its own
        while not self.write_room():
            if not self.run_steps():
                raise WriteRefused("memory is full, and the steps under way were not finished yet")
        self.log.ensure(most)
        e.actor = 0
        e.annotation = 0
        while at < end:
            at = batch.read(at, &e, &offset, &byte)
            e.hlc = self.greatest_hlc + 1
            if e.kind == RANGE_DELETE:
                self.put_range_delete(&e, offset, byte)
            else:
                self.put(&e)
        self.commit()
        if sync:
            self.sync()

    def put_record(self, Record record not None):
        """A write with a dot of the caller's; commit it like any other."""
        cdef Entry e
        self.check_open()
        e.key, e.key_bytes = record.key, len(record.key)
        e.value, e.value_bytes = record.value, len(record.value)
        e.hlc, e.actor = record.hlc, record.actor
        e.deadline_ms, e.annotation = record.deadline_ms, record.annotation
        e.kind = record.kind
        self.put(&e)

    def delete_range(self, start, end, hlc, actor, offset=-1, byte=0):
        """A range delete with a dot of the caller's; commit it like any other write."""
        cdef Entry e
        cdef bytes first = as_bytes(start), bound = as_bytes(end)
        self.check_open()
        e.key = first
        e.key_bytes = len(first)
        e.value = bound
        e.value_bytes = len(bound)
        e.hlc = hlc
        e.actor = actor
        e.deadline_ms = e.annotation = 0
        e.kind = RANGE_DELETE
        self.put_range_delete(&e, offset, byte)

    def take_sync(self):
        """What must be fsynced so that everything committed so far is durable; None if it is."""
        self.check_open()
        if self.refused is not None:
            raise self.refused
        self.commit()
        if self.synced_position >= self.written_position and not self.directory_unsynced:
            return None
        files = [log.file for log in self.unsynced] + [self.log.file]
        directory = self.path if self.directory_unsynced else None
        self.directory_unsynced = False
        return Sync(self.disk, files, directory, self.written_position)

    def finish_sync(self, sync):
        """Takes the result of sync.run(). A failure poisons the engine."""
        if not sync.ran:
            raise ValueError("this sync was not run")
        if sync.error is not None:
            self.refused = Poisoned(f"an fsync of the log failed ({sync.error}); "
                                    "restart to find out what was stored")
            return
        if sync.position > self.synced_position:
            self.synced_position = sync.position
        self.unsynced = [log for log in self.unsynced if log.end() > self.synced_position]

    def sync(self):
        """Everything written so far is on the disk when this returns. Raises WriteRefused."""
        sync = self.take_sync()
        if sync is not None:
            sync.run()
            self.finish_sync(sync)
            if self.refused is not None:
                raise self.refused

    # The whole directory.

    def checkpoint(self, target):
        """A copy of the tables in a new directory, by hard links; everything written is flushed
        first."""
        self.flush()
        write_checkpoint(self, str(target))

    def approximate_size(self, start, end):
        """Stored bytes of the keys start <= key < end (an empty end: no bound), tables only."""
        self.check_open()
        return approximate_size(self.tables.version, as_bytes(start), as_bytes(end))

    def stats(self):
        """Numbers about the engine, by name: see engine/statistics.py."""
        self.check_open()
        return collect_statistics(self, {
            "memtable_bytes": self.active.bytes_used(), "memtable_keys": self.active.count,
            "sealed_bytes": self.sealed.bytes_used() if self.sealed is not None else 0,
            "log_bytes": self.written_position - self.log_start, "sequence": self.sequence,
            "stalled": self.stalled or self.tables.level0_count >= self.level0_tables_stop,
            "refused": str(self.refused) if self.refused is not None else "",
            "step_error": "; ".join(map(str, self.step_errors.values())),
            "compactions_running": len(self.compacting),
            "write_pressure": self.write_pressure(),
            "write_delay_usec_per_kib": self.write_delay_usec_per_kib(),
            **self.counters,
        })

    def verify(self):
        """Reads every table through and checks it against its properties. Raises DamagedFile."""
        self.check_open()
        verify_tables(self.tables.version)

    @property
    def version(self):
        return self.tables.version

    def close(self):
        """Commits, syncs and lets go. The memtable comes back from the log at the next open. Steps
        that were taken must have run to their end."""
        if self.lock is None:
            return
        try:
            if self.refused is None:
                self.sync()
                # An empty frame that says how far the log was synced: see log_reader.
                self.log.commit(self.sequence + 1, self.synced_position)
                self.log.give_back_space()
        finally:
            self.log.close()
            self.manifest.close()
            lock = self.lock
            self.lock = None
            lock.close()

    def __enter__(self):
        self.check_open()
        return self

    def __exit__(self, *failure):
        self.close()
