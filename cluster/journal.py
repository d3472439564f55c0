"""The conflict journal: versions that lost against a concurrent one, kept for a while.

A last-write-wins store drops the loser of two concurrent writes in silence. Here its value can be
looked up (KV.CONFLICTS) until newer losers push it out: `entries_max` in all, and as many bytes as
that many pairs of the largest size would have at a tenth of it.
"""

from collections import OrderedDict
from typing import NamedTuple

BYTES_PER_ENTRY = 1000


class Loser(NamedTuple):
    hlc: int
    actor: int
    tombstone: bool
    value: bytes


class Journal:
    """Losers by stored key, the oldest goes first. `noted` counts all that ever came."""

    def __init__(self, entries_max):
        self.entries_max = entries_max
        self.noted, self.bytes = 0, 0
        self.losers = OrderedDict()          # (stored key, hlc, actor) -> Loser

    def note(self, key, hlc, actor, tombstone, value):
        name = (key, hlc, actor)
        if name in self.losers:
            return
        self.noted += 1
        self.losers[name] = Loser(hlc, actor, tombstone, value)
        self.bytes += len(key) + len(value)
        self.keep_to_limit()

    def keep_to_limit(self):
        while self.losers and (len(self.losers) > self.entries_max
                               or self.bytes > self.entries_max * BYTES_PER_ENTRY):
            (key, _, _), loser = self.losers.popitem(last=False)
            self.bytes -= len(key) + len(loser.value)

    def of(self, key):
        """The losers of one stored key, oldest first."""
        return [loser for (name, _, _), loser in self.losers.items() if name == key]
