"""What the cluster code needs of local storage: the door that the environment fills in.

Keys are stored keys (slots.pyx). The shell puts the engine behind this class, a simulation may put
its own; nothing here knows which.
"""


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
