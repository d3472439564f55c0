"""One database of one node as the commands see it: keys, values, deadlines, dots.

A plain write is *blind*: it carries a new dot (timestamp, actor) and replaces everything older
without reading it. A delete is a blind write of a tombstone. EXPIRE and PERSIST do not make a new
version: they annotate the version they saw, so that a late one never brings back an overwritten
value. Expiry is a pure function of (record, time): a record past its deadline is absent everywhere,
from the same millisecond on, and is dropped from disk at leisure.

Reads answer from memory or say that they must wait (PENDING in C, NeedsDisk in Python); the caller
asks again when the blocks are there. `synchronous` makes reads wait on the spot instead, for the
few places where nothing may run in between (EXEC).
"""

from cluster.causal import Copy, observe
from cluster.errors import NeedsDisk, PairTooLarge
from cluster.versions import (
    State, annotate, context_of, from_record, parse_context, prune, put, to_record)
from cluster.versions import blind as blind_state
from cluster.slots cimport KEY_BYTES_MAX, PREFIX_BYTES, SLOTS, encode_key
from cluster.store cimport ABSENT, FOUND, PENDING
from cluster.versions cimport read_winner
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint32_t
from libc.stdlib cimport free, malloc

cdef enum:
    BUCKETS = SLOTS * 256
    PAGE_KEYS = 1000


cdef class Record:
    """A live record: value, absolute deadline in ms (0: none), dot and annotation."""


cdef class Writer:
    """What all databases of a node share: store, clock, actor, limits, counters.

    `shown`: (first, last) slots, ascending, whose keys SCAN, KEYS, DBSIZE and RANDOMKEY walk over: on a
    cluster those that this node is told of as the master of, so that the sum over nodes is right.
    """

    def __cinit__(self):
        self.stored = <uint8_t*>malloc(PREFIX_BYTES + KEY_BYTES_MAX)
        if self.stored == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.stored)

    def __init__(self, Store store, Clock clock, uint64_t actor, int64_t pair_bytes_max):
        self.store, self.clock, self.actor = store, clock, actor
        self.pair_bytes_max = pair_bytes_max
        self.shown = ((0, SLOTS - 1),)
        self.siblings_max, self.clock_entries_max = 100, 10


cdef class Keyspace:
    """`database` is the physical number 0..255 that is part of the stored key."""

    def __init__(self, Writer writer, int database):
        self.writer, self.database = writer, database

    @property
    def synchronous(self):
        """True: reads go to the disk on the spot instead of raising NeedsDisk."""
        return self.writer.synchronous

    @synchronous.setter
    def synchronous(self, bint wanted):
        self.writer.synchronous = wanted

    # -- for compiled callers: no Python object is made ---------------------------------------

    cdef int find_any(self, const char* key, Py_ssize_t key_bytes, Row* row) except -1:
        """ABSENT, FOUND (tombstones and expired records too) or PENDING."""
        cdef Writer writer = self.writer
        cdef uint32_t size
        cdef int answer
        if key_bytes > KEY_BYTES_MAX:
            return ABSENT
        size = encode_key(writer.stored, self.database, <const uint8_t*>key, <uint32_t>key_bytes)
        answer = writer.store.read(<const char*>writer.stored, size, row)
        while answer == PENDING and writer.synchronous:
            writer.store.load()
            answer = writer.store.read(<const char*>writer.stored, size, row)
        return answer

    cdef int find(self, const char* key, Py_ssize_t key_bytes, Row* row) except -1:
        """FOUND only if the key is live now."""
        cdef Row winner
        cdef int answer = self.find_any(key, key_bytes, row)
        if answer != FOUND:
            return answer
        if row.actor & 1:
            read_winner(row.value, row.value_bytes, &winner)
            row[0] = winner
        if row.tombstone:
            return ABSENT
        if row.deadline_ms != 0 and row.deadline_ms <= self.writer.clock.now_ms:
            self.writer.expired += 1
            return ABSENT
        return FOUND

    cdef int blind(self, const char* key, Py_ssize_t key_bytes, const char* value,
                   Py_ssize_t value_bytes, uint64_t deadline_ms) except -1:
        """A blind write with a new dot. Raises PairTooLarge, WriteRefused."""
        cdef Writer writer = self.writer
        cdef Row row
        self.check_pair(key_bytes, value_bytes)
        row.value, row.value_bytes = value, <uint32_t>value_bytes
        row.hlc, row.actor = writer.clock.tick(), writer.actor
        row.deadline_ms, row.annotation, row.tombstone = deadline_ms, 0, 0
        return self.store_row(key, key_bytes, &row)

    cdef int bury(self, const char* key, Py_ssize_t key_bytes) except -1:
        """A blind tombstone with a new dot. Raises WriteRefused."""
        cdef Row row
        row.value, row.value_bytes = NULL, 0
        row.hlc, row.actor = self.writer.clock.tick(), self.writer.actor
        row.deadline_ms, row.annotation, row.tombstone = 0, 0, 1
        return self.store_row(key, key_bytes, &row)

    cdef int store_row(self, const char* key, Py_ssize_t key_bytes, const Row* row) except -1:
        cdef Writer writer = self.writer
        cdef uint32_t size = encode_key(
            writer.stored, self.database, <const uint8_t*>key, <uint32_t>key_bytes)
        writer.writes += 1
        return writer.store.write(<const char*>writer.stored, size, row)

    cdef int check_pair(self, Py_ssize_t key_bytes, Py_ssize_t value_bytes) except -1:
        if key_bytes + value_bytes > self.writer.pair_bytes_max or key_bytes > KEY_BYTES_MAX:
            raise PairTooLarge(
                key_bytes + value_bytes, min(self.writer.pair_bytes_max, KEY_BYTES_MAX)
                if key_bytes > KEY_BYTES_MAX else self.writer.pair_bytes_max)
        return 0

    # -- one key ------------------------------------------------------------------------------

    cdef int locate(self, bytes key, Row* row) except -1:
        cdef int answer = self.find(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), row)
        if answer == PENDING:
            raise NeedsDisk
        return answer

    def get(self, bytes key):
        """The live Record, or None when absent, deleted or expired."""
        cdef Row row
        if self.locate(key, &row) == ABSENT:
            self.writer.misses += 1
            return None
        self.writer.hits += 1
        cdef Record record = Record.__new__(Record)
        record.value = PyBytes_FromStringAndSize(row.value, row.value_bytes)
        record.deadline_ms, record.annotation = row.deadline_ms, row.annotation
        record.hlc, record.actor = row.hlc, row.actor
        return record

    def exists(self, bytes key):
        cdef Row row
        return self.locate(key, &row) == FOUND

    def deadline(self, bytes key):
        """-2 absent, 0 no deadline, else the absolute deadline in ms."""
        cdef Row row
        return row.deadline_ms if self.locate(key, &row) == FOUND else -2

    def dot(self, bytes key):
        """Names the state of a key: changes with each write, delete, annotation, expiry and flush."""
        cdef Row row
        cdef int answer = self.find_any(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), &row)
        if answer == PENDING:
            raise NeedsDisk
        if answer == ABSENT:
            return None
        expired = row.deadline_ms != 0 and row.deadline_ms <= self.writer.clock.now_ms
        return (row.hlc, row.actor, row.annotation, expired)

    def need(self, keys):
        """Ask for all keys at once: raises NeedsDisk if any of them is not in memory."""
        cdef Row row
        cdef bytes key
        cdef bint pending = False
        for key in keys:
            if self.find_any(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), &row) == PENDING:
                pending = True
        if pending:
            raise NeedsDisk

    def put(self, bytes key, bytes value, uint64_t deadline_ms=0):
        """Blind write. Raises PairTooLarge, WriteRefused; then nothing was stored."""
        self.blind(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key),
                   PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value), deadline_ms)

    def delete(self, bytes key):
        """Blind tombstone, whether the key exists or not."""
        self.bury(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))

    def check_size(self, key_bytes, value_bytes):
        """Raise PairTooLarge for a pair that could not be stored, before it is built."""
        self.check_pair(key_bytes, value_bytes)

    def annotate(self, bytes key, Record record, uint64_t deadline_ms):
        """Give `record`, as just read, another deadline (0: none). Keeps its dot."""
        cdef Row row
        if record.actor & 1:
            return self.annotate_state(key, record, deadline_ms)
        row.value = PyBytes_AS_STRING(record.value)
        row.value_bytes = <uint32_t>PyBytes_GET_SIZE(record.value)
        row.hlc, row.actor, row.tombstone = record.hlc, record.actor, 0
        row.deadline_ms, row.annotation = deadline_ms, self.writer.clock.tick()
        self.store_row(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), &row)

    def annotate_state(self, bytes key, Record record, uint64_t deadline_ms):
        """The same for one sibling of a causal state, which is stored as a whole."""
        self.store_state(key, annotate(self.state(key), record.hlc, record.actor, deadline_ms,
                                       self.writer.clock.tick()))

    # -- with versions: the KV commands of a node without others ------------------------------

    def state(self, bytes key):
        """The State of a key, tombstones and expired siblings included; State() for nothing."""
        cdef Row row
        cdef int answer = self.find_any(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), &row)
        if answer == PENDING:
            raise NeedsDisk
        if answer == ABSENT:
            return State()
        return from_record(row.hlc, row.actor, row.deadline_ms, row.annotation, row.tombstone,
                           row.value[:row.value_bytes])

    def put_with_context(self, bytes key, bytes value, bytes context, *, bint tombstone=False,
                         uint64_t deadline_ms=0):
        """A causal write; (parsed context, new State). Raises BadContext, TooManySiblings."""
        cdef Writer writer = self.writer
        self.check_pair(PyBytes_GET_SIZE(key), PyBytes_GET_SIZE(value))
        parsed, state = parse_context(context), self.state(key)
        observe(writer.clock, parsed)
        written = put(state, parsed, writer.clock.tick(), writer.actor | 1, value, tombstone,
                      deadline_ms, writer.siblings_max)
        self.store_state(key, prune(written, writer.clock_entries_max))
        return parsed, written

    def put_blind(self, bytes key, bytes value, *, bint tombstone=False, uint64_t deadline_ms=0):
        """A blind write; the context of whoever made it."""
        cdef Row row
        self.check_pair(PyBytes_GET_SIZE(key), PyBytes_GET_SIZE(value))
        row.value, row.value_bytes = PyBytes_AS_STRING(value), <uint32_t>PyBytes_GET_SIZE(value)
        row.hlc, row.actor = self.writer.clock.tick(), self.writer.actor
        row.deadline_ms, row.annotation, row.tombstone = deadline_ms, 0, tombstone
        self.store_row(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), &row)
        return context_of(blind_state(row.hlc, row.actor, value, tombstone, deadline_ms))

    cdef int store_state(self, bytes key, object state) except -1:
        """A causal state, which is stored as a whole: of two of one dot the later stays."""
        cdef Row row
        cdef bytes value
        hlc, actor, deadline_ms, tombstone, value = to_record(state)
        row.value, row.value_bytes = PyBytes_AS_STRING(value), <uint32_t>PyBytes_GET_SIZE(value)
        row.hlc, row.actor, row.deadline_ms, row.tombstone = hlc, actor, deadline_ms, tombstone
        row.annotation = self.writer.clock.tick()
        return self.store_row(PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key), &row)

    def copies(self, key):
        """What each replica has: see KeyspaceView.copies. This node is the only one."""
        return [Copy(0, self.state(key), "")]

    # -- many keys ----------------------------------------------------------------------------

    def page(self, cursor, count=10):
        """(next cursor, [key, ...]): live keys from a cursor on; 0 starts and ends.

        A cursor is a (slot, bucket) position, so it outlives restarts and means the same on every
        node; a bucket is never split between two pages, hence `count` is a hint.
        """
        if not 0 <= cursor < BUCKETS:
            return 0, []
        for first, last in self.writer.shown:
            if cursor < (last + 1) << 8:
                return self.settled(self.read_page, max(cursor, first << 8), (last + 1) << 8, count)
        return 0, []

    def settled(self, ask, *arguments):
        """ask(*arguments), loading on the spot what it lacks where this keyspace is synchronous."""
        while True:
            try:
                return ask(*arguments)
            except NeedsDisk:
                if not self.writer.synchronous:
                    raise
                self.writer.store.load()

    def read_page(self, cursor, end, count):
        """A page from one range of slots; behind its last key the next range begins."""
        keys, following = self.writer.store.page(
            bucket_start(cursor), bucket_start(end), max(1, count), self.database,
            self.writer.clock.now_ms)
        if following is not None:
            return int.from_bytes(following[:3], "big"), keys
        return self.next_range(end), keys

    def next_range(self, end):
        for first, _ in self.writer.shown:
            if first << 8 >= end:
                return first << 8
        return 0

    def slot_keys(self, slot, count):
        """Up to `count` live keys of a slot."""
        start, end = bucket_start(slot << 8), bucket_start((slot + 1) << 8)
        keys = []
        if not any([first <= slot <= last for first, last in self.writer.shown]):
            return keys
        while start is not None and len(keys) < count:
            names, start = self.settled(self.writer.store.page, start, end, PAGE_KEYS,
                                        self.database, self.writer.clock.now_ms)
            keys += names
        return keys[:count]

    def slot_count(self, slot):
        """Number of live keys in a slot."""
        return len(self.slot_keys(slot, 1 << 62))

    def size(self):
        """Exact number of live keys. Raises NeedsDisk while it is being counted."""
        return self.settled(self.writer.store.count, self.database, self.writer.clock.now_ms,
                            self.writer.shown)

    def flush(self):
        """Delete every key of this database, in constant time."""
        self.writer.store.flush(self.database, self.writer.clock.tick(), self.writer.actor)


cdef bytes bucket_start(position):
    return int(position).to_bytes(3, "big")
