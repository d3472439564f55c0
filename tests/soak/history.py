"""What was done and what may be found: the judge of a soak run.

Registers: plain SET, DEL and GET of one key by many clients; every value is written once. A write is
open until somebody answers it, and for ever if nobody does (a frozen node finds it in its socket half
a minute later, when its client is gone). A read of value V from write W is wrong if

    made up      nobody wrote V
    overwritten  W was answered, a write began after that and was answered before the read began

nil is a value like any other, of the deletes and of the time before the first write; so what was
deleted and comes back is an overwritten value. That is as much as a quorum store promises: it is not
linearizable, two writes at the same time have no order, and a read during a write may see either.

Carts: a client reads all siblings with their context, adds an item of its own to their union and writes
that with the context. Whatever happens meanwhile, an item that was acknowledged is in the union of the
siblings for ever: nothing overwrites what it has not seen.

Times are time.monotonic() of one process.
"""

import threading
from bisect import bisect_left
from dataclasses import dataclass, field

FOREVER = float("inf")


@dataclass
class Write:
    """`end` is FOREVER until it is answered. `value` None: a delete."""

    value: bytes | None
    begin: float
    end: float = FOREVER


@dataclass
class Register:
    writes: dict = field(default_factory=dict)      # value -> Write; deletes are in `deletes`
    deletes: list = field(default_factory=lambda: [Write(None, -1.0, -1.0)])
    answered: list = field(default_factory=list)    # the ends of answered writes, in order ...
    newest: list = field(default_factory=list)      # ... and the latest begin of those up to each

    def begin(self, value, now):
        write = Write(value, now)
        if value is None:
            self.deletes.append(write)
        else:
            self.writes[value] = write
        return write

    def end(self, write, now):
        write.end = now
        self.answered.append(now)
        self.newest.append(max(write.begin, self.newest[-1] if self.newest else -1.0))

    def fault(self, value, began):
        """What is wrong with a read that began then, or None."""
        if value is not None and value not in self.writes:
            return f"nobody wrote {value!r}"
        before = bisect_left(self.answered, began)
        latest = self.newest[before - 1] if before else -1.0
        found = self.deletes if value is None else [self.writes[value]]
        if all(write.end < latest for write in found):
            return f"{value!r} was overwritten {began - latest:.3f} s before the read or earlier"
        return None

    def forget_old_deletes(self):
        """Those that can be shown to be overwritten: a list that only grows is slow to look through."""
        latest = self.newest[-1] if self.newest else -1.0
        if len(self.deletes) > 100:
            self.deletes = [write for write in self.deletes if write.end >= latest]


@dataclass
class Cart:
    sent: set = field(default_factory=set)
    acknowledged: set = field(default_factory=set)

    def fault(self, items, acknowledged=()):
        """What is wrong with a union of siblings, of which these items must be part."""
        if items - self.sent:
            return f"nobody added {sorted(items - self.sent)[:3]}"
        missing = set(acknowledged) - items
        return f"{len(missing)} items are gone: {sorted(missing)[:3]}" if missing else None


class History:
    """Of all clients; `faults` are sentences."""

    def __init__(self):
        self.lock = threading.Lock()
        self.registers, self.carts, self.faults = {}, {}, []
        self.operations = self.errors = 0

    def register(self, key):
        return self.registers.setdefault(key, Register())

    def cart(self, key):
        return self.carts.setdefault(key, Cart())

    def blame(self, key, fault):
        if fault is not None:
            self.faults.append(f"{key}: {fault}")
