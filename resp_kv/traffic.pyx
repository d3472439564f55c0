"""Counters and switches that every command touches, shared by all connections of a node."""


cdef class Traffic:
    """Plain fields; the node's statistics read them, configuration and CLIENT PAUSE set them."""

    def __init__(self):
        self.slow_usec = 10000
        self.query_bytes_max = 1 << 30
        self.tracking = True
        self.woken = []
