"""Commands that read and then write, run at the preferred coordinator of their keys.

    lock the keys -> run; whatever it asks for is read from a quorum, then it is run again
                  -> its writes go to the replicas as one bundle -> the reply, when the level is met

One command at a time per key and coordinator: while nodes agree on who that is, INCR is exact. During
a partition two coordinators may run; their writes are causal and end as siblings, not as one lost.

The lock is let go as soon as this node has stored the writes itself: whoever comes next reads this
replica among others, and so sees them. It is kept while they wait for a cold block. A command whose
own replica refuses the write (a full disk) fails as a whole, and nothing is sent: what an actor
ships it must have stored. And what it has stored it must ship: its next dot covers all its earlier
ones, so a version that only this node has would be lost if the quorum was met without it (its
block was cold, and two others were faster). Then its own replica is read as well.

What was read is built on for LEASE_MS. A process that was frozen, or cut off, between reading and writing
would else write what was true before others took its place: a stale counter under the newest dot. The
lease is shorter than the silence after which somebody else may coordinate (the detector's floor, four
heartbeats of a second).
"""

from collections import deque
from contextlib import suppress

from cluster.causal import Copy, settled
from cluster.errors import NeedsDisk, StoreError
from cluster.hlc import ClockDrift
from cluster.request import Sink
from cluster.versions import from_record, merge
from cluster.view import View, state_of_nothing

WAITERS_MAX = 10_000
LEASE_MS = 3000
FROM_LONG_AGO = (f"TIMEOUT reading took longer than {LEASE_MS} ms, so others may have written meanwhile; "
                 "nothing was done")
RUNS_MAX = 100


class Locks:
    """Keys in use, and who waits for them. An Execution gets all its keys or none."""

    def __init__(self):
        self.held, self.waiting = {}, 0

    def acquire(self, execution):
        """True: it has its keys. False: it waits, `start` is called later. Raises StoreError."""
        for key in execution.keys:
            queue = self.held.get(key)
            if queue is not None:
                if self.waiting >= WAITERS_MAX:
                    raise StoreError("BUSY too many commands wait for keys that are in use")
                self.waiting += 1
                queue.append(execution)
                return False
        for key in execution.keys:
            self.held[key] = deque()
        return True

    def release(self, keys):
        """Let the keys go; whoever waited for them tries again, in order."""
        ready = []
        for key in keys:
            ready += self.held.pop(key)
        self.waiting -= len(ready)
        for execution in ready:
            execution.start()


class ReadSink(Sink):
    def __init__(self, execution, key):
        self.execution, self.key = execution, key

    def finished(self, request):
        self.execution.read_done(self.key, request)


class OwnSink(Sink):
    """This node's own replica of a key, beside the `state` that a quorum of others gave."""

    def __init__(self, execution, key, state):
        self.execution, self.key, self.state = execution, key, state

    def finished(self, request):
        if request.succeeded:
            self.execution.take_state(self.key, merge(self.state, state_in(request)))
        else:
            self.execution.read_failed(request.text)


class CopySink(Sink):
    """One replica's answer for View.copies."""

    def __init__(self, execution, key, position, copies):
        self.execution, self.key = execution, key
        self.position, self.copies = position, copies

    def finished(self, request):
        member = request.plan.replicas[0]
        self.copies[self.position] = (
            Copy(member, state_in(request), "") if request.succeeded
            else Copy(member, None, request.text))
        if None not in self.copies:
            self.execution.view.copies[self.key] = self.copies
            self.execution.one_read()


class WriteSink(Sink):
    def __init__(self, execution):
        self.execution = execution

    def finished(self, request):
        self.execution.write_done(request)


class Levels:
    """What a command asks of reads and writes."""

    __slots__ = ("read", "write", "read_timeout_ms", "write_timeout_ms")

    def __init__(self, read, write, read_timeout_ms, write_timeout_ms):
        self.read, self.write = read, write
        self.read_timeout_ms, self.write_timeout_ms = read_timeout_ms, write_timeout_ms


class Execution:
    """One run. `run(view)` gives the reply; `done(reply, error text or None)` is called once.

    keys    stored keys that it locks, all of one partition, of which this node has a replica
    """

    def __init__(self, coordinator, locks, keys, run, levels, done, *, pair_bytes_max,
                 siblings_max):
        self.coordinator, self.locks = coordinator, locks
        self.keys = tuple(dict.fromkeys(keys))
        self.run, self.levels, self.done = run, levels, done
        self.view = View(coordinator.clock, coordinator.actor, pair_bytes_max=pair_bytes_max,
                         siblings_max=siblings_max)
        self.locked, self.runs, self.outstanding, self.began_ms = False, 0, 0, 0
        self.reply = self.error = None

    def start(self):
        try:
            self.locked = self.locks.acquire(self)
        except StoreError as error:
            self.end(error.text)
            return
        if self.locked:
            self.began_ms = self.coordinator.env.monotonic_ms
            self.step()

    def step(self):
        """Run it, as far as what is read allows."""
        self.runs += 1
        self.view.begin()
        try:
            self.reply = self.run(self.view)
        except NeedsDisk:
            self.read_wanted()
            return
        except StoreError as error:
            self.end(error.text)
            return
        except ValueError as error:
            self.end(f"ERR {error}")
            return
        changes = self.view.changes()
        if not changes:
            self.end(None)
            return
        if self.coordinator.env.monotonic_ms - self.began_ms > LEASE_MS:
            self.end(FROM_LONG_AGO)
            return
        self.write(changes)

    def read_wanted(self):
        wanted = [key for key in self.view.wanted if key not in self.view.states]
        copied = [key for key in self.view.wanted_copies if key not in self.view.copies]
        if not (wanted or copied) or self.runs > RUNS_MAX:
            self.end("ERR internal error: a command asks for nothing and cannot go on")
            return
        self.outstanding = len(wanted) + len(copied)
        for key in copied:
            self.read_copies(key)
        for key in wanted:
            try:
                self.coordinator.read(key, self.levels.read, self.levels.read_timeout_ms,
                                      ReadSink(self, key))
            except ValueError as error:
                self.read_failed(f"ERR {error}")

    def read_done(self, key, request):
        if not request.succeeded:
            self.read_failed(request.text)
            return
        if self.keys and not request.acks >> request.plan.mine & 1:
            self.coordinator.read_at(self.coordinator.me, key, self.levels.read_timeout_ms,
                                     OwnSink(self, key, state_in(request)))
        else:
            self.take_state(key, state_in(request))

    def read_copies(self, key):
        members = self.coordinator.plan_for(key).replicas
        copies = [None] * len(members)
        for position, member in enumerate(members):
            self.coordinator.read_at(member, key, self.levels.read_timeout_ms,
                                     CopySink(self, key, position, copies))

    def take_state(self, key, state):
        with suppress(ClockDrift):         # then whatever has to be later than it is refused (view.py)
            self.coordinator.clock.observe(state.seen.hlc_max)
        self.view.states[key] = state
        self.one_read()

    def read_failed(self, text):
        self.error = self.error or text
        self.one_read()

    def one_read(self):
        self.outstanding -= 1
        if self.outstanding:
            return
        if self.error is not None:
            self.end(self.error)
        else:
            self.step()

    def write(self, changes):
        try:
            request = self.coordinator.write_changes(
                changes, self.levels.write, self.levels.write_timeout_ms, WriteSink(self))
        except (StoreError, ValueError) as error:
            self.end(getattr(error, "text", f"ERR {error}"))
            return
        if not request.cold:
            self.unlock()

    def write_done(self, request):
        self.view.settle(request.changes)
        self.end(None if request.succeeded else request.text)

    def unlock(self):
        if self.locked:
            self.locked = False
            self.locks.release(self.keys)

    def end(self, error):
        done, self.done = self.done, None
        if done is None:
            return
        done(None if error is not None else settled(self.reply), error)
        self.unlock()


def state_in(request):
    """The State that a read gave."""
    if not request.found:
        return state_of_nothing()
    return from_record(request.hlc, request.actor, request.deadline_ms, request.annotation,
                       request.tombstone, request.value)
