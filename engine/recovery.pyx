"""Finds out, at the start, what was written: replays the log behind the last flush.

The manifest says which tables there are, which log segment is the first that is still needed, and the
sequence that the tables end with. Everything behind that is in the segments, and is put into a fresh
memtable; a segment below the first needed one was flushed and is only waiting to be unlinked.

Three things may be found at the end of the log, told apart as described in log_reader: a clean
end; a torn tail, which is cut off, made durable and reported; damage, which stops the start. The
segments behind a cut can only hold what was never promised (or else their frames say that the cut
place was synced, and that is damage); they are renamed to `NNNNNN.log.cut` and reported, not lost.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from engine.entry cimport RANGE_DELETE, Entry
from engine.log_format cimport read_record
from engine.memtable cimport Memtable, Node, supersedes
from engine.murmur cimport key_hash
from libc.stdint cimport int32_t, uint8_t, uint64_t

from engine.errors import DamagedFile
from engine.file_names import segment_name
from engine.log_reader import LogReader
from engine.range_deletes import RangeDeleteRecord


class Replay:
    """What the log held.

    memtable, range_deletes   the writes
    sequence                  the last one used
    position                  where the log ends: the next segment starts there
    segments                  numbers of the segments that back the memtable
    reports                   sentences about what was cut off, for the operator
    """

    __slots__ = (
        "greatest_hlc", "memtable", "position", "range_deletes", "reports", "segments", "sequence",
    )

    def __init__(self, memtable, range_deletes, sequence):
        self.memtable = memtable
        self.range_deletes = range_deletes
        self.sequence = sequence
        self.position = 0
        self.segments = []
        self.reports = []
        self.greatest_hlc = 0


def replay_log(disk, directory, numbers, replay, after_segment=None):
    """Replays the segments `numbers`, ascending, into `replay`. Raises DamagedFile.
    `after_segment()` is called behind each, so that the caller can flush a memtable that got large."""
    for i, number in enumerate(numbers):
        file = disk.open_to_append(f"{directory}/{segment_name(number)}")
        try:
            reader = LogReader(file)
            if i and not reader.empty and reader.start_position != replay.position:
                check_gap(replay, reader)
                drop_segments(disk, directory, numbers[i:], replay, "a power failure cut the log before it")
                return
            for frame in reader:
                replay_frame(frame, reader.path, replay)
            if reader.problem:
                cut_tail(disk, directory, reader, file, numbers[i + 1:], replay)
                return
            file.sync()                # a killed process may have left it in the page cache only
            if reader.empty:
                disk.unlink(reader.path)
                continue
            replay.position = reader.position
            replay.segments.append(number)
        finally:
            file.close()
        if after_segment is not None:
            after_segment()


def check_gap(replay, reader):
    """The segment does not start where the one before ended."""
    for _ in reader:
        pass
    if reader.start_position < replay.position or reader.claim > replay.position:
        raise DamagedFile(
            reader.path, 24,
            f"it starts at position {reader.start_position} of the log, but what is before it "
            f"ends at {replay.position}: a synced part of the log is missing",
        )


def cut_tail(disk, directory, reader, file, later, replay):
    reader.judge_tail()
    for number in later:
        behind = disk.open(f"{directory}/{segment_name(number)}")
        try:
            behind_reader = LogReader(behind)
            for _ in behind_reader:
                pass
        finally:
            behind.close()
        if behind_reader.claim > reader.position:
            raise DamagedFile(reader.path, reader.end, f"{reader.problem}, in a part that had been synced")
    lost = reader.size - reader.end
    file.truncate(reader.end)
    file.sync()
    replay.reports.append(
        f"{reader.path}: cut off {lost} bytes behind byte {reader.end}: {reader.problem}"
    )
    if reader.empty:
        disk.unlink(reader.path)
    else:
        replay.position = reader.position
        replay.segments.append(reader.number)
    drop_segments(disk, directory, later, replay, "it is behind a torn place that was not synced")


def drop_segments(disk, directory, numbers, replay, reason):
    for number in numbers:
        path = f"{directory}/{segment_name(number)}"
        disk.rename(path, path + ".cut")
        replay.reports.append(f"{path}: renamed to {path}.cut: {reason}")
    if numbers:
        disk.sync_directory(directory)


def replay_frame(frame, path, replay):
    """Puts the records of one frame into the memtable."""
    cdef bytes records = frame.records
    cdef const char* start = PyBytes_AS_STRING(records)
    cdef const char* at = start
    cdef const char* end = start + PyBytes_GET_SIZE(records)
    cdef uint64_t sequence = frame.sequence, hash, greatest = replay.greatest_hlc
    cdef Memtable memtable = replay.memtable
    cdef Node* node
    cdef Entry e
    cdef int32_t offset = -1
    cdef uint8_t byte = 0
    if sequence != <uint64_t>(replay.sequence + 1):
        raise DamagedFile(
            path, frame.offset,
            f"the frame begins with sequence {sequence} instead of {replay.sequence + 1}",
        )
    while at < end:
        at = read_record(at, end, &e, &offset, &byte)
        if at == NULL:
            raise DamagedFile(path, frame.offset, "the frame's checksum is right, its records are not")
        if e.hlc > greatest:
            greatest = e.hlc
        if e.kind == RANGE_DELETE:
            replay.range_deletes = replay.range_deletes.added(RangeDeleteRecord(
                e.key[:e.key_bytes], e.value[:e.value_bytes], e.hlc, e.actor, offset, byte, sequence,
            ))
        else:
            hash = key_hash(e.key, e.key_bytes)
            node = memtable.find(e.key, e.key_bytes, hash)
            if node == NULL or supersedes(&e, node.newest):
                memtable.put(node, &e, hash, sequence)
        sequence += 1
    replay.sequence = sequence - 1
    replay.greatest_hlc = greatest
