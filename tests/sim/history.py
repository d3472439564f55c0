"""What clients did and were told, and what each version knew: the truth that checkers compare with.

A version is one write. It may have been given several dots, because a write is stamped again when it
meets something newer; only the last is the one that was acknowledged. What a version covers is
known here as explicit sets: a blind one covers every lesser dot, a causal one the dots in `mask`
(those that its writer had read, and what they covered) and all below `horizon` (the greatest blind dot
among them).

An EXPIRE or PERSIST makes no version: it annotates the dot that it saw, and of the annotations of a dot the
latest is in force. Which ones may be, and so when a version may have expired, is known here, too.
"""

OPEN, OK, NO, UNKNOWN = "open", "ok", "no", "unknown"
NOWHERE = (0, 0)
PROOF_US = 1_500_000           # no proof is of younger writes, however far clocks are apart
CLOCKS_US = 500_000            # clocks differ by at most so much


class Past:
    """A set of dots of one key: single ones as bits, and all below the horizon."""

    __slots__ = ("mask", "horizon")

    def __init__(self, mask=0, horizon=NOWHERE):
        self.mask, self.horizon = mask, horizon

    def __or__(self, other):
        return Past(self.mask | other.mask, max(self.horizon, other.horizon))


class Operation:
    """One command of one client. Times are virtual microseconds."""

    __slots__ = ("client", "number", "kind", "key", "level", "need", "timeout_ms", "context", "past",
                 "value", "dots", "dot", "siblings", "node", "generation", "start_us", "end_us",
                 "result", "text", "tombstone", "reply", "taken", "deadline_ms", "final", "annotation",
                 "deadlines")

    def __init__(self, client, number, kind, key, level, need, timeout_ms):
        self.client, self.number, self.kind, self.key = client, number, kind, key
        self.level, self.need, self.timeout_ms = level, need, timeout_ms
        self.context, self.past, self.value, self.tombstone = b"", Past(), b"", False
        self.dots, self.dot, self.siblings = [], NOWHERE, ()
        self.node = self.generation = self.start_us = self.end_us = None
        self.result, self.text, self.reply, self.taken = OPEN, None, None, None
        self.deadline_ms = 0               # since the beginning of the run; 0: it does not expire
        self.final = False                 # a read after everything was healed
        self.annotation = 0                # of an EXPIRE or PERSIST: its hlc; its `dot` is what it saw
        self.deadlines = {}                # of a read: dot -> (deadline as stored, annotation)

    @property
    def annotates(self):
        return self.kind in ("EXPIRE", "PERSIST")

    @property
    def writes(self):
        return self.kind != "GET" and not self.annotates

    @property
    def blind(self):
        return self.kind in ("SET", "DEL")

    def may_be_gone(self, at_us, surely=()):
        """Whether replicas may have purged it: deleted or expired, and old enough to be proved. `surely`:
        annotations that whoever looks would see."""
        if self.result == NO or at_us < self.start_us + PROOF_US:
            return False
        return self.tombstone or any(
            one.start_us + PROOF_US <= at_us and one.has_passed(at_us) and not one.undone(self, surely)
            for one in [self, *self.key.annotations_of(self)])

    def has_passed(self, at_us):
        """Whether by some clock the deadline that it sets has passed."""
        return 0 < self.deadline_ms * 1000 < at_us + CLOCKS_US

    def undone(self, write, surely):
        """Whether a later annotation was in force before this deadline of `write` had passed anywhere."""
        return any(later.dot in write.dots and later.annotation > self.annotation
                   and not self.has_passed(later.end_us) for later in surely)

    def stamped(self, hlc, actor):
        """It was given a dot, maybe once more."""
        dot = (hlc, actor)
        if hlc and dot != self.dot:
            self.dot = dot
            self.dots.append(dot)
            self.key.stamped(dot, self)

    def __repr__(self):
        return (f"{self.kind} {self.key.name} #{self.number} by client {self.client} at {self.level} "
                f"via node {self.node}: {self.result}{f' ({self.text})' if self.text else ''}")


class Key:
    """One key with all that was done to it. `replicas` are machines."""

    def __init__(self, name, stored, mode, replicas, options):
        self.options = options
        self.name, self.stored, self.mode, self.replicas = name, stored, mode, replicas
        self.writes, self.reads, self.annotations = [], [], []
        self.bits, self.owners = {}, {}      # dot -> its bit, dot -> its Operation

    def stamped(self, dot, operation):
        if dot not in self.bits:
            self.bits[dot] = 1 << len(self.bits)
            self.owners[dot] = operation

    def covers(self, sibling, dot):
        """Whether a version (dot, Operation) has `dot` in its past."""
        own, operation = sibling
        if own == dot:
            return False
        if not own[1] & 1:
            return dot < own
        past = operation.past
        return dot < past.horizon or bool(past.mask & self.bits[dot])

    def annotations_of(self, write):
        """What may have set a deadline of this version, or removed it."""
        return [one for one in self.annotations
                if one.annotation and one.result != NO and one.dot in write.dots]

    def past_of(self, siblings):
        """What somebody has seen who has read these."""
        past = Past()
        for dot, operation in siblings:
            past |= Past(self.bits[dot], dot if not dot[1] & 1 else NOWHERE)
            if dot[1] & 1:
                past |= operation.past
        return past

    def at_risk(self, operation):
        """How many replicas may have forgotten what they took of this write, having lost power
        before they had synced it (with `appendfsync everysec` only)."""
        end_us = operation.end_us
        return sum(any(operation.start_us <= lost_us and end_us >= synced_us
                       for synced_us, lost_us in machine.forgotten)
                   for machine in self.replicas)

    def wiped(self, operation):
        """How many replicas lost their disk, and with it what they had taken of this write."""
        return sum(any(at_us >= operation.start_us for at_us in machine.wiped_us)
                   for machine in self.replicas)

    def holders(self, operation):
        """How many replicas surely keep an acknowledged write. One that is refilled does: until it has
        everything again it answers no reads."""
        kept = operation.need - self.at_risk(operation)
        return kept if kept > self.wiped(operation) else 0
