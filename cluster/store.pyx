"""What the cluster code needs of local storage: the door that the environment fills in.

Keys are stored keys (slots.pyx). The shell puts the engine behind this class, a simulation may put
its own; nothing here knows which.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE


cdef class Store:
    cdef int read(self, const char* key, uint32_t key_bytes, Row* out) except -1:
        """ABSENT, FOUND (a tombstone is found) or PENDING. Raises DamagedStore."""
        raise NotImplementedError

    cdef int read_from(self, const char* key, uint32_t key_bytes, uint64_t floor_hlc,
                       Row* out) except -1:
        """As `read`, but what has an hlc below the floor may be missed: it need not be looked for."""
        raise NotImplementedError

    cdef int write(self, const char* key, uint32_t key_bytes, const Row* row) except -1:
        """Store a version; an older one than what is there changes nothing. Raises WriteRefused."""
        raise NotImplementedError

    cdef int room(self) except -1:
        """1: a write may follow; 0: none until a flush is done. Raises WriteRefused."""
        raise NotImplementedError

    def load(self):
        """Bring what PENDING reads asked for into memory, now."""
        raise NotImplementedError

    def page(self, bytes start, bytes end, limit, database, now_ms):
        """([key, ...], next start or None): live keys with start <= stored key < end, ascending.

        About `limit` of one physical database; a bucket is never split. Raises NeedsDisk.
        """
        raise NotImplementedError

    def versions(self, bytes start, bytes end, limit):
        """([(key, hlc, actor, deadline_ms, annotation, tombstone, value), ...], next start or None):
        what is stored with start <= key < end, tombstones too, about `limit`. Raises NeedsDisk."""
        raise NotImplementedError

    def count(self, database, now_ms, ranges):
        """Number of live records of a physical database in ranges of slots, (first, last) each.

        Raises NeedsDisk while it is counted."""
        raise NotImplementedError

    def flush(self, database, hlc, actor):
        """Delete all records of a physical database that are older than the dot."""
        raise NotImplementedError

    def has_room(self):
        """`room`, for Python."""
        return self.room() == 1

    def fetch(self, bytes key):
        """The value of a record of the node's own, None if there is none; from the disk if it must."""
        cdef Row row
        cdef int answer = PENDING
        while answer == PENDING:
            answer = self.read(PyBytes_AS_STRING(key), <uint32_t>PyBytes_GET_SIZE(key), &row)
            if answer == PENDING:
                self.load()
        return None if answer == ABSENT or row.tombstone else row.value[:row.value_bytes]

    def keep(self, bytes key, uint64_t hlc, bytes value):
        """Store a record of the node's own: the one with the greatest hlc stays."""
        cdef Row row
        row.value, row.value_bytes = PyBytes_AS_STRING(value), <uint32_t>PyBytes_GET_SIZE(value)
        row.hlc, row.actor, row.deadline_ms, row.annotation, row.tombstone = hlc, 0, 0, 0, False
        self.write(PyBytes_AS_STRING(key), <uint32_t>PyBytes_GET_SIZE(key), &row)

    def walk(self, walk):
        """The work of showing a Walk every record of its ranges as they are now: an object with
        `run()`, for any thread, and `close()`, for afterwards. A failure is the walk's `error`."""
        raise NotImplementedError


cdef class Walk:
    """Who wants to see records, in order: tombstones and expired ones too.

    ranges       [(start, end), ...] of stored keys, ascending
    gentle       nobody waits for it: leave the machine to others most of the time
    aborted      set from anywhere: end early
    stopped_at   where a walk would go on that ended early of its own accord; else None
    """

    cdef int take(self, const char* key, uint32_t key_bytes, const Row* row) except -1 nogil:
        """The next record: 1, or 0 to see no more. Runs in the walk's thread."""
        with gil:
            raise NotImplementedError
