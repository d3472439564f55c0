"""Writes that are stored together or not at all.

    batch = Batch()
    batch.put(b"a", b"1")
    batch.delete(b"b")
    batch.delete_range(b"c", b"d")
    engine.write(batch)

The order counts: a later write of a batch supersedes an earlier one of the same key.
"""

from engine.record import DELETE, PUT, RANGE_DELETE


class Batch:
    """`writes` are tuples (kind, key or start, value or end, deadline_ms, offset, byte)."""

    __slots__ = ("writes",)

    def __init__(self):
        self.writes = []

    def put(self, key, value, deadline_ms=0):
        """Sets a key; past the deadline (absolute, in Unix milliseconds; 0: none) it counts as gone."""
        self.writes.append((PUT, bytes(key), bytes(value), deadline_ms, -1, 0))

    def delete(self, key):
        self.writes.append((DELETE, bytes(key), b"", 0, -1, 0))

    def delete_range(self, start, end, offset=-1, byte=0):
        """Deletes start <= key < end (an empty end: no bound); with offset >= 0 only the keys that
        have `byte` there."""
        self.writes.append((RANGE_DELETE, bytes(start), bytes(end), 0, offset, byte))

    def __len__(self):
        return len(self.writes)
