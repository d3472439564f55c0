"""Puts what a log segment holds into a memtable: the hot part of recovery."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from engine.entry cimport RANGE_DELETE, Entry
from engine.log_format cimport read_record
from engine.memtable cimport Memtable, Node, supersedes
from engine.murmur cimport key_hash
from libc.stdint cimport int32_t, uint8_t, uint64_t

from engine.errors import DamagedFile
from engine.range_deletes import RangeDeleteRecord


class Replay:
    """What the log held.

    memtable, range_deletes   the writes
    sequence                  the last one used
    position                  where the log ends: the next segment starts there
    segments                  numbers of the segments that back the memtable
    idle                      numbers of segments that hold no record and can go
    log_start                 where the first of them starts
    reports                   sentences about what was cut off, for the operator
    version, manifest, log    filled in by recover()
    """

    def __init__(self, memtable, range_deletes, sequence):
        self.memtable = memtable
        self.range_deletes = range_deletes
        self.sequence = sequence
        self.position = 0
        self.log_start = 0
        self.segments = []
        self.idle = []
        self.reports = []
        self.greatest_hlc = 0
        self.version = self.manifest = self.log = None


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
        greatest = max(greatest, e.hlc, e.annotation)
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
