"""Counters and switches that every command touches, shared by all connections of a node."""

from cluster.errors import StoreError


cdef class Traffic:
    """Plain fields; the node's statistics read them, configuration and CLIENT PAUSE set them."""

    def __init__(self):
        self.slow_usec = 10000
        self.query_bytes_max = 1 << 30
        self.tracking = True
        self.woken = []

    cdef bint has_room(self, Store store) except -1:
        """False: a write has to wait. Raises WriteRefused where the store takes none, but not on a node that
        has others: they store what it cannot (cluster/writes)."""
        try:
            return store.room() != 0
        except StoreError:
            if self.replicated:
                return True
            raise
