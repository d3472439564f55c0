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

from engine.cursor cimport Cursor
from engine.entry cimport ABSENT, DELETE, FOUND, NEEDS_DISK, PUT, RANGE_DELETE, Entry, newer
from engine.memtable cimport Node, supersedes
from engine.murmur cimport key_hash
from engine.record cimport make_record

from engine.disk import Disk
from engine.errors import DirectoryInUse, DiskFull, EngineClosed, Poisoned, WriteRefused
from engine.file_names import LOCK, number_of, numbers_of
from engine.options import Options
from engine.range_deletes import RangeDeleteRecord
from engine.snapshot import make_snapshot
from engine.recovery import Replay, replay_log

# write_room() is 1 only while at least this much log space is set aside.
cdef uint64_t WRITE_ROOM_BYTES = 64 << 10
# page() stops after so many entries, wanted or not: about a millisecond.
cdef Py_ssize_t PAGE_ENTRIES_MAX = 4096


cdef class Engine:
    """Made by `Engine.open`."""

    @staticmethod
    def open(path, options=None, now_ms=0, disk=None):
        """Opens the directory, or makes it. Raises DirectoryInUse, DamagedFile, UnknownFormat.

        `now_ms` is the time, for the engine's own stamps; `disk` replaces the operating system.
        """
        cdef Engine engine = Engine.__new__(Engine)
        engine.path = str(path)
        engine.options = options or Options()
        engine.disk = disk or Disk()
        engine.memtable_bytes = engine.options.memtable_bytes
        engine.log_bytes_max = engine.options.log_bytes_max
        engine.unsynced = []
        engine.start(now_ms)
        return engine

    def start(self, now_ms):
        self.disk.make_directory(self.path)
        self.lock = self.disk.lock(f"{self.path}/{LOCK}")
        if self.lock is None:
            raise DirectoryInUse(f"{self.path} is open in another process (its LOCK is held)")
        try:
            self.recover()
        except BaseException:
            self.lock.close()
            raise
        # Our own stamps are clock << 16, like the server's, and never behind what is stored.
        self.greatest_hlc = max(self.greatest_hlc, (<uint64_t>now_ms) << 16)

    def recover(self):
        cdef uint64_t number
        names = self.disk.list(self.path)
        numbers = numbers_of(names, ".log")
        self.next_number = max(map(number_of, names), default=0) + 1
        replay = Replay(self.new_memtable(), RangeDeletes(), 0)
        replay_log(self.disk, self.path, numbers, replay)
        self.active = replay.memtable
        self.range_deletes = replay.range_deletes
        self.sequence = replay.sequence
        self.greatest_hlc = replay.greatest_hlc
        self.reports = replay.reports
        self.frame_sequence = self.sequence + 1
        self.written_position = self.synced_position = replay.position
        self.start_segment()

    def new_memtable(self):
        chunk = 2 << 20
        while chunk > 64 << 10 and chunk * 16 > self.memtable_bytes:
            chunk >>= 1
        return Memtable(chunk)

    def start_segment(self):
        """The log goes on in a new file. Raises OSError."""
        self.log = LogWriter(
            self.disk, self.path, self.take_number(), self.written_position,
            self.options.log_reserve_bytes,
        )
        self.written_position = self.log.end_position()
        self.directory_unsynced = True

    cdef uint64_t take_number(self) noexcept:
        cdef uint64_t number = self.next_number
        self.next_number += 1
        return number

    cdef int check_open(self) except -1:
        if self.lock is None:
            raise EngineClosed("the engine is closed")
        return 0

    # The C door.

    cdef int lookup(self, const char* key, uint32_t key_bytes, Entry* out) except -1:
        """ABSENT, FOUND (`out` is borrowed; a tombstone is FOUND too) or NEEDS_DISK."""
        cdef uint64_t hash = key_hash(key, key_bytes)
        cdef Entry other
        cdef bint found = self.active.lookup(key, key_bytes, hash, out)
        if self.sealed is not None and (not found or out.hlc <= self.sealed.greatest_hlc):
            if self.sealed.lookup(key, key_bytes, hash, &other):
                if not found or newer(&other, out):
                    out[0] = other
                    found = True
        if not found or self.range_deletes.covers(out):
            return ABSENT
        return FOUND

    cdef int put(self, const Entry* e) except -1:
        """Into the pending frame and the memtable; ignored when the memtable has a newer version.
        Raises WriteRefused, and then nothing has happened."""
        cdef uint64_t hash = key_hash(e.key, e.key_bytes)
        cdef Node* node = self.active.find(e.key, e.key_bytes, hash)
        if self.refused is not None:
            raise self.refused
        if node != NULL and not supersedes(e, node.newest):
            return 0
        self.log.add(e, -1, 0)
        self.sequence += 1
        self.active.put(node, e, hash, self.sequence)
        if e.hlc > self.greatest_hlc:
            self.greatest_hlc = e.hlc
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

    cdef bint dirty(self) noexcept:
        return self.log.dirty()

    cdef int commit(self) except -1:
        """Writes what is pending, without fsync. DiskFull: it stays pending, and the next commit
        tries again."""
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
        return 0

    cdef int write_room(self) except -1:
        """1: write freely; 0: memory is full and the flush is behind, ask again after a step was
        finished. Raises WriteRefused."""
        if self.refused is not None:
            raise self.refused
        if self.lock is None:
            self.check_open()
        self.log.ensure(WRITE_ROOM_BYTES)
        return 1

    # The Python door.

    def get(self, key):
        """The Record of the key, or None. Reads the disk if it must. An expired record is returned;
        the caller knows the time."""
        cdef Entry e
        cdef bytes name = bytes(key)
        cdef int answer
        self.check_open()
        answer = self.lookup(name, len(name), &e)
        while answer == NEEDS_DISK:
            self.load_now()
            answer = self.lookup(name, len(name), &e)
        if answer == ABSENT or e.kind == DELETE:
            return None
        return make_record(&e)

    cdef int load_now(self) except -1:
        raise NotImplementedError

    def write(self, batch, sync=False):
        """Stores the batch as one frame, stamped by the engine's own counter. Raises WriteRefused."""
        cdef Entry e
        cdef uint64_t total = 0
        self.check_open()
        self.wait_for_room()
        for kind, key, value, deadline_ms, offset, byte in batch.writes:
            total += len(key) + len(value) + 64
        self.log.ensure(total)
        e.actor = 0
        e.annotation = 0
        for kind, key, value, deadline_ms, offset, byte in batch.writes:
            e.key = key
            e.key_bytes = len(key)
            e.value = value
            e.value_bytes = len(value)
            e.hlc = self.greatest_hlc + 1
            e.deadline_ms = deadline_ms
            e.kind = kind
            if kind == RANGE_DELETE:
                self.put_range_delete(&e, offset, byte)
            else:
                self.put(&e)
        self.commit()
        if sync:
            self.sync()

    def wait_for_room(self):
        self.write_room()

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
        if sync.error is not None:
            self.refused = Poisoned(
                f"an fsync of the log failed ({sync.error}); restart to find out what was stored"
            )
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

    def page(self, start, end, Py_ssize_t limit, int offset=-1, int byte=0, bint tombstones=False):
        """(records, next start or None): up to `limit` records with start <= key < end (an empty
        end: no bound) and, with offset >= 0, key[offset] == byte, ascending. Looks at a bounded
        number of entries, so there may be fewer although more follow. Raises NeedsDisk."""
        cdef bytes first = bytes(start), bound = bytes(end)
        cdef Cursor cursor = self.active.cursor(self.sequence)
        cdef Entry* e = &cursor.entry
        cdef Py_ssize_t looked_at = 0
        cdef list found = []
        self.check_open()
        cursor.seek(first, len(first))
        while cursor.valid:
            if bound and e.key[:e.key_bytes] >= bound:
                break
            if len(found) >= limit or looked_at >= PAGE_ENTRIES_MAX:
                return found, e.key[:e.key_bytes]
            looked_at += 1
            if (
                (tombstones or e.kind == PUT)
                and (offset < 0 or (<uint32_t>offset < e.key_bytes and <uint8_t>e.key[offset] == byte))
                and not self.range_deletes.covers(e)
            ):
                found.append(make_record(e))
            cursor.advance()
        return found, None

    def snapshot(self):
        """A consistent view of now; see engine.snapshot."""
        self.check_open()
        return make_snapshot(self)

    def close(self):
        """Commits, syncs and lets go. The memtable comes back from the log at the next open."""
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
            lock = self.lock
            self.lock = None
            lock.close()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()



class Sync:
    """fsync of the log up to `position`. run() belongs on a thread, and never raises: the engine
    looks at `error` in finish_sync."""

    __slots__ = ("directory", "disk", "error", "files", "position")

    def __init__(self, disk, files, directory, position):
        self.disk = disk
        self.files = files
        self.directory = directory
        self.position = position
        self.error = None

    def run(self):
        try:
            for file in self.files:
                file.sync()
            if self.directory is not None:
                self.disk.sync_directory(self.directory)
        except OSError as error:
            self.error = error
