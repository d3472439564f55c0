"""What a command sees while it runs at its coordinator: the merged states of its keys, and its own
writes on top. Nothing leaves before the command has ended, so it may be run again from the start.

A View is one command (or one transaction); a KeyspaceView is one database of it, with the doors of
cluster.keyspace.Keyspace, so that the same handlers run on one node and on a cluster.

What a command writes is

    causal  after it has seen the value (INCR, APPEND, SET with GET or NX, GETDEL): it replaces just
            what it has read; something concurrent stays beside it as a sibling
    blind   without (SET, MSET, DEL): it replaces everything older

and EXPIRE annotates the version it saw (versions.annotate). Dots are given at once, from a clock
that has seen everything that was read, so later commands of a transaction see the earlier ones.
"""

from cluster.causal import LateContext, observe, observe_annotations, observe_state
from cluster.errors import NeedsDisk, PairTooLarge, StoreError
from cluster.slots import stored_key
from cluster.versions import State, annotate, blind, live, parse_context, put, to_record, winner

KEY_BYTES_MAX = 65_529


class Seen:
    """A live record as handlers know it (cluster.keyspace.Record)."""

    __slots__ = ("value", "deadline_ms", "hlc", "actor", "annotation")

    def __init__(self, sibling):
        self.value, self.deadline_ms = sibling.value, sibling.deadline_ms
        self.hlc, self.actor, self.annotation = sibling.hlc, sibling.actor, sibling.annotation


class View:
    """`states`: stored key -> State, as the quorum read gave it; `wanted`: what is still to be read.

    `copies` and `wanted_copies` are the same for what each single replica has (causal.Copy)."""

    def __init__(self, clock, actor, *, pair_bytes_max, siblings_max, clock_entries_max=10):
        self.clock, self.actor = clock, actor
        self.pair_bytes_max, self.siblings_max = pair_bytes_max, siblings_max
        self.states, self.wanted = {}, []
        self.copies, self.wanted_copies = {}, []
        self.begin()

    def begin(self):
        """Before each run: what an earlier one wrote is forgotten."""
        self.written, self.valued, self.late = {}, {}, []

    def state(self, key):
        """The State of a stored key, own writes included. Raises NeedsDisk until it is read."""
        state = self.written.get(key)
        if state is None:
            state = self.states.get(key)
        if state is None:
            if key not in self.wanted:
                self.wanted.append(key)
            raise NeedsDisk
        return state

    def put_causal(self, key, context, value, tombstone=False, deadline_ms=0):
        """A version that replaces what `context` covers; the new State."""
        state = self.state(key)
        observe_state(self.clock, state)
        observe(self.clock, context)
        written = put(state, context, self.clock.stamp(), self.actor | 1, value, tombstone,
                      deadline_ms, self.siblings_max)
        self.written[key] = written
        return written

    def put_blind(self, key, value, tombstone=False, deadline_ms=0):
        self.written[key] = blind(self.clock.stamp(), self.actor, value, tombstone, deadline_ms)
        return self.written[key]

    def annotate(self, key, hlc, actor, deadline_ms):
        """Give the version with this dot another deadline, whoever gave it the one that it has.

        One of this command's own is no other's to replace: it is written with that deadline."""
        state, read = self.state(key), self.states.get(key)
        if not actor & 1 and (read is None or not read.covers(hlc, actor)):
            self.written[key] = blind(hlc, actor, winner(state).value, False, deadline_ms)
            return
        observe_annotations(self.clock, state)
        self.written[key] = annotate(state, hlc, actor, deadline_ms, self.clock.stamp())

    def copies_of(self, key):
        """[Copy, ...] of a stored key, in the order of its replicas. Raises NeedsDisk."""
        copies = self.copies.get(key)
        if copies is None:
            if key not in self.wanted_copies:
                self.wanted_copies.append(key)
            raise NeedsDisk
        return copies

    def settle(self, changes):
        """The writes have ended, as these: contexts of blind ones are known now."""
        for late in self.late:
            late.settle(self.written, changes)

    def changes(self):
        """What there is to write: see Coordinator.write_changes."""
        changes = []
        for key, state in self.written.items():
            hlc, actor, deadline_ms, tombstone, value = to_record(state)
            annotation = 0 if actor & 1 else winner(state).annotation
            changes.append((key, hlc, actor, deadline_ms, annotation, tombstone, value))
        return changes


class KeyspaceView:
    """One database inside a View. `local` is this node's own Keyspace of that database."""

    synchronous = True               # nothing here waits: what is not read yet raises NeedsDisk

    def __init__(self, view, local):
        self.view, self.local = view, local

    @property
    def database(self):
        return self.local.database

    def stored(self, key):
        if len(key) > KEY_BYTES_MAX:
            raise StoreError(f"ERR a key has at most {KEY_BYTES_MAX} bytes, not {len(key)}")
        return stored_key(self.local.database, key)

    def live(self, key):
        return live(self.view.state(self.stored(key)), self.view.clock.now_ms)

    # -- one key, as cluster.keyspace.Keyspace has it -----------------------------------------

    def get(self, key):
        sibling = self.live(key)
        self.view.valued[self.stored(key)] = True
        return None if sibling is None else Seen(sibling)

    def exists(self, key):
        return self.live(key) is not None

    def deadline(self, key):
        sibling = self.live(key)
        return -2 if sibling is None else sibling.deadline_ms

    def dot(self, key):
        sibling = winner(self.view.state(self.stored(key)))
        if sibling is None:
            return None
        expired = 0 < sibling.deadline_ms <= self.view.clock.now_ms
        return (sibling.hlc, sibling.actor, sibling.annotation, expired)

    def need(self, keys):
        missing = False
        for key in keys:
            try:
                self.view.state(self.stored(key))
            except NeedsDisk:
                missing = True
        if missing:
            raise NeedsDisk

    def put(self, key, value, deadline_ms=0):
        self.check_size(len(key), len(value))
        stored = self.stored(key)
        if stored in self.view.valued:
            self.view.put_causal(stored, self.view.state(stored).seen, value,
                                 deadline_ms=deadline_ms)
        else:
            self.view.put_blind(stored, value, deadline_ms=deadline_ms)

    def delete(self, key):
        stored = self.stored(key)
        if stored in self.view.valued:
            self.view.put_causal(stored, self.view.state(stored).seen, b"", True)
        else:
            self.view.put_blind(stored, b"", True)

    def annotate(self, key, record, deadline_ms):
        self.view.annotate(self.stored(key), record.hlc, record.actor, deadline_ms)

    def check_size(self, key_bytes, value_bytes):
        limit = self.view.pair_bytes_max
        if key_bytes + value_bytes > limit or key_bytes > KEY_BYTES_MAX:
            raise PairTooLarge(key_bytes + value_bytes, limit)

    def flush(self):
        raise StoreError("ERR a whole database is not deleted inside a transaction on a cluster")

    # -- with versions: the KV commands -------------------------------------------------------

    def state(self, key):
        return self.view.state(self.stored(key))

    def put_with_context(self, key, value, context, *, tombstone=False, deadline_ms=0):
        """A causal write; (parsed context, new State). Raises BadContext, TooManySiblings."""
        self.check_size(len(key), len(value))
        parsed = parse_context(context)
        return parsed, self.view.put_causal(self.stored(key), parsed, value, tombstone, deadline_ms)

    def put_blind(self, key, value, *, tombstone=False, deadline_ms=0):
        """A blind write, whatever was read before; the context of whoever made it."""
        self.check_size(len(key), len(value))
        stored = self.stored(key)
        late = LateContext(stored, self.view.put_blind(stored, value, tombstone, deadline_ms))
        self.view.late.append(late)
        return late

    def copies(self, key):
        """[Copy, ...]: what each replica has, apart from what this command has written."""
        return self.view.copies_of(self.stored(key))

    # -- what is this node's own --------------------------------------------------------------

    def page(self, cursor, count=10):
        return self.on_the_spot(self.local.page, cursor, count)

    def size(self):
        return self.on_the_spot(self.local.size)

    def on_the_spot(self, ask, *arguments):
        """Only transactions come by here, and these do not stop half-way."""
        before, self.local.synchronous = self.local.synchronous, True
        try:
            return ask(*arguments)
        finally:
            self.local.synchronous = before


def state_of_nothing():
    """The State of a key that no replica has."""
    return State()
