"""Some nodes of a cluster in one process: real coordinators, replicas and engines, a network of one queue.

    nodes = Nodes(folder, 3)
    asked = nodes.write(0, b"a", b"1")       through node 0
    nodes.run()                              deliver until nothing is under way
    asked.result, nodes.value(2, b"a")

Nothing is random and time stands still until `pass_ms`. A connection may be `cut` (sends fail) or
`held` (frames wait until `let_go`); a node that is `down` is one that all others know to be.
"""

import errno
from collections import deque

from cluster.coordinator import Coordinator
from cluster.document import Member
from cluster.environment import Environment
from cluster.errors import NeedsDisk
from cluster.execution import Execution, Levels, Locks
from cluster.hlc import Clock
from cluster.levels import QUORUM
from cluster.plan import Plan
from cluster.replica import Replica
from cluster.request import Sink
from cluster.slots import stored_key
from cluster.versions import from_record, winner
from engine import Engine, Options
from engine.disk_faulty import FaultyDisk
from resp_kv.shell.store import EngineStore

START_MS = 1_700_000_000_000
DELIVERIES_MAX = 100_000
SMALL = Options(memtable_bytes=1 << 20, block_cache_bytes=1 << 20, log_reserve_bytes=0)


class Asked(Sink):
    """Remembers how a request ended."""

    def __init__(self):
        self.request, self.times = None, 0

    def finished(self, request):
        self.request, self.times = request, self.times + 1

    @property
    def done(self):
        return self.request is not None

    @property
    def succeeded(self):
        return self.request.succeeded

    @property
    def text(self):
        return self.request.text


class Node(Environment):
    def __init__(self, nodes, number, folder, plans, members):
        self.nodes, self.number, self.monotonic_ms = nodes, number, 1000
        self.open(folder)
        self.coordinator = Coordinator(self, Replica(self.store, self.clock), members, number,
                                       (number + 1) << 32 | 2, plans)
        self.coordinator.executor = self
        self.locks, self.cold, self.commands = Locks(), False, {}
        for member in range(len(members)):
            self.coordinator.set_alive(member, True)

    def open(self, folder):
        self.clock, self.disk = Clock(START_MS), FaultyDisk()
        self.engine = Engine.open(str(folder), SMALL, START_MS, self.disk)
        self.store = EngineStore(self.engine)

    def fill_disk(self):
        """There is no room for the log to grow, until empty_disk()."""
        def full(operation, path, count):
            if operation == "reserve":
                raise OSError(errno.ENOSPC, "No space left on device", path)

        self.disk.fault = full

    def empty_disk(self):
        self.disk.fault = None

    def send_frame(self, member, frame):
        return self.nodes.send(self.number, member, None, frame)

    def answer_frame(self, link, frame):
        self.nodes.send(self.number, link, "answer", frame)

    def load_soon(self):
        self.cold = True
        return 0

    def execute(self, member, link, request_id, header, key, body):
        """Commands of other nodes: those that a test has given a name."""
        self.start(self.commands[body], (key,), lambda reply, error: self.coordinator.executed(
            link, request_id, b"-" + error.encode() if error else reply))

    def start(self, run, keys, done, levels=None):
        Execution(self.coordinator, self.locks, keys, run,
                  levels or Levels(QUORUM, QUORUM, 5000, 2000), done, pair_bytes_max=10_000,
                  siblings_max=100).start()

    def end_turn(self):
        if self.cold:
            self.cold = False
            self.store.load()
            self.coordinator.retry_cold()
        self.store.commit()
        self.coordinator.committed(self.engine.written_position)


class Nodes:
    node_class = Node

    def __init__(self, folder, count, replicas=None, dcs=None):
        self.queue, self.held, self.cut, self.holding = deque(), deque(), set(), set()
        dcs = dcs or ["dc1"] * count
        members = [Member(f"{n:040x}", f"10.0.0.{n}", 7000, 17000, "", f"server{n}", dcs[n], "r", 1.0)
                   for n in range(count)]
        chosen = list(replicas if replicas is not None else range(count))
        others = [n for n in range(count) if n not in chosen]
        self.nodes = [
            self.node_class(self, number, folder / str(number),
                            [Plan(0, chosen, others, [dcs[n] for n in chosen], number, dcs[number])],
                            members)
            for number in range(count)]
        self.delivered = []

    def __getitem__(self, number):
        return self.nodes[number]

    def __iter__(self):
        return iter(self.nodes)

    def close(self):
        for node in self.nodes:
            node.engine.close()

    # -- the network --------------------------------------------------------------------------

    def send(self, source, target, link, frame):
        if (source, target) in self.cut:
            return False
        (self.held if (source, target) in self.holding else self.queue).append(
            (source, target, link, frame))
        return True

    def run(self):
        """Deliver, and let logs be written, until nothing is left to do."""
        for _ in range(DELIVERIES_MAX):
            for node in self.nodes:
                node.end_turn()
            if not self.queue and not any(node.cold or node.engine.dirty() for node in self.nodes):
                return self
            if self.queue:
                source, target, link, frame = self.queue.popleft()
                self.delivered.append((source, target, frame[8:9].decode()))
                self.nodes[target].coordinator.receive_bytes(source, source, frame)
        raise AssertionError("it never ends")

    def hold(self, source, target):
        self.holding.add((source, target))

    def let_go(self):
        self.holding.clear()
        self.queue += self.held
        self.held.clear()
        return self.run()

    def lose_held(self):
        self.holding.clear()
        self.held.clear()

    def down(self, *numbers, seen_by=None):
        """These are gone, and the others know."""
        for number in numbers:
            for node in seen_by or self.nodes:
                other = node.number if seen_by is None else node
                if other != number:
                    self.cut |= {(other, number), (number, other)}
                    self.nodes[other].coordinator.set_alive(number, False)

    def up(self, *numbers):
        for number in numbers:
            for node in self.nodes:
                self.cut -= {(node.number, number), (number, node.number)}
                node.coordinator.set_alive(number, True)

    def pass_ms(self, ms):
        for node in self.nodes:
            node.clock.now_ms += ms
            node.monotonic_ms += ms
            node.coordinator.tick(node.monotonic_ms)
        return self.run()

    # -- requests -----------------------------------------------------------------------------

    def write(self, number, key, value=b"", *, tombstone=False, level=QUORUM, timeout_ms=2000,
              deadline_ms=0, run=True):
        asked = Asked()
        self.nodes[number].coordinator.write(stored_key(0, key), value, deadline_ms, tombstone, level,
                                             timeout_ms, 0, asked)
        return self.after(asked, run)

    def read(self, number, key, *, level=QUORUM, timeout_ms=5000, run=True):
        asked = Asked()
        self.nodes[number].coordinator.read(stored_key(0, key), level, timeout_ms, asked)
        return self.after(asked, run)

    def command(self, number, run, *keys, levels=None, go=True):
        """An Execution at a node: [(reply, error)], empty while it runs."""
        ended = []
        self.nodes[number].start(run, [stored_key(0, key) for key in keys],
                                 lambda reply, error: ended.append((reply, error)), levels)
        return self.after(ended, go)

    def after(self, result, run):
        if run:
            self.run()
        return result

    def value(self, number, key):
        """What the replica of a node has: a value, None where there is nothing or a tombstone."""
        state = self.state(number, key)
        sibling = winner(state) if state is not None else None
        return None if sibling is None or sibling.tombstone else sibling.value

    def values(self, key):
        return [self.value(node.number, key) for node in self.nodes]

    def state(self, number, key):
        """What the replica of a node has, as a State; None for nothing, or where it has no replica."""
        asked, node = Asked(), self.nodes[number]
        if node.coordinator.plan_for(stored_key(0, key)).mine < 0:
            return None
        node.coordinator.read(stored_key(0, key), 1, 5000, asked)      # it asks itself first
        while not asked.done:
            node.end_turn()
        request = asked.request
        if not request.found:
            return None
        return from_record(request.hlc, request.actor, request.deadline_ms, request.annotation,
                           request.tombstone, request.value)


def increment(key):
    """A command that reads and writes, as INCR does."""
    stored = stored_key(0, key)

    def run(view):
        state = view.state(stored)
        sibling = winner(state)
        number = int(sibling.value) + 1 if sibling is not None and not sibling.tombstone else 1
        view.put_causal(stored, state.seen, b"%d" % number)
        return b"%d" % number

    return run


def annotate(key, deadline_ms):
    """A command that gives the version that is there a deadline, as EXPIRE does."""
    stored = stored_key(0, key)

    def run(view):
        first = winner(view.state(stored))
        view.annotate(stored, first.hlc, first.actor, deadline_ms)
        return b"1"

    return run


def never(view):
    """A command that never has all that it asks for."""
    raise NeedsDisk
