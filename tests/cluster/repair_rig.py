"""Several replicas in one process, on real engines, a queue for a network and a virtual clock.

    cluster = Cluster(folder, seed=1)
    cluster.store(0, b"key", b"value")       on node 0 alone, as if the others had missed it
    cluster.repair()                         until every node's rounds have ended
    cluster.contents(0) == cluster.contents(1)

`bytes_sent` counts what crosses the network. Frames of one connection keep their order; which connection
is next is drawn from the seed.
"""

import random
from heapq import heappop, heappush
from types import SimpleNamespace

from cluster.anti_entropy import Options, Repairer
from cluster.coordinator import Coordinator
from cluster.environment import Environment
from cluster.hlc import Clock
from cluster.plan import Plan
from cluster.replica import Replica
from cluster.slots import stored_key
from cluster.versions import EMPTY, State, from_record, put, to_record
from engine import Engine
from engine.options import Options as EngineOptions
from resp_kv.shell.store import EngineStore

EPOCH_MS = 1_700_000_000_000
TICK_MS = 10
SMALL = EngineOptions(memtable_bytes=4 << 20, block_cache_bytes=1 << 20, log_bytes_max=1 << 20,
                      log_reserve_bytes=0, block_bytes=512, level0_tables_trigger=2)


class Node(Environment):
    def __init__(self, cluster, number, engine, generation=1):
        self.cluster, self.number, self.engine = cluster, number, engine
        self.random = random.Random(f"{cluster.seed} {number}")
        self.clock = Clock(EPOCH_MS + cluster.now_ms)
        self.clock.recover(engine.greatest_hlc)
        self.store = EngineStore(engine)
        self.monotonic_ms = cluster.now_ms
        self.replica = Replica(self.store, self.clock)
        self.actor = (number + 1) << 32 | generation << 1
        self.loading = False
        plans = [Plan(partition, cluster.replicas_of(partition), (), ["dc1"] * cluster.copies, number,
                      "dc1") for partition in range(cluster.partitions)]
        self.coordinator = Coordinator(self, self.replica, cluster.members, number, self.actor, plans)
        for member in range(cluster.count):
            self.coordinator.set_alive(member, cluster.up[member])
        self.repairer = Repairer(self.coordinator, cluster.options)

    def send_frame(self, member, frame):
        return self.cluster.send(self.number, member, frame)

    def answer_frame(self, link, frame):
        self.cluster.send(self.number, link, frame)

    def call_later(self, delay_ms, callback):
        self.cluster.call_later(delay_ms, self, callback)

    def load_soon(self):
        if not self.loading:
            self.loading = True
            self.call_later(1, self.loaded)
        return 0

    def loaded(self):
        self.loading = False
        self.store.load()
        self.coordinator.retry_cold()

    def tick(self):
        self.clock.now_ms = EPOCH_MS + self.cluster.now_ms
        self.monotonic_ms = self.cluster.now_ms
        make_room(self.engine)
        self.coordinator.tick(self.monotonic_ms)
        self.repairer.tick()
        self.engine.commit()

    @property
    def is_idle(self):
        parts = self.repairer.parts.values()
        return not any(part.round is not None or part.asked for part in parts)


class Cluster:
    def __init__(self, folder, seed=0, count=3, copies=3, partitions=4, options=None, engine=SMALL):
        self.folder, self.seed, self.count, self.copies = folder, seed, count, copies
        self.partitions, self.options, self.engine_options = partitions, options or Options(0), engine
        self.random = random.Random(seed)
        self.members = [SimpleNamespace(ip="node", port=number, dc="dc1") for number in range(count)]
        self.now_ms, self.order, self.timers = 0, 0, []
        self.queues = {}                   # (from, to) -> frames
        self.bytes_sent = self.frames_sent = 0
        self.lose_frame = lambda sender, target, frame: False
        self.up, self.disks = [True] * count, [0] * count
        self.nodes = [self.make(number) for number in range(count)]

    def make(self, number):
        engine = Engine.open(self.folder / f"{number}.{self.disks[number]}", self.engine_options,
                             EPOCH_MS + self.now_ms)
        return Node(self, number, engine)

    def close(self):
        for node in self.nodes:
            if node is not None:
                node.engine.close()

    def replicas_of(self, partition):
        return [(partition + i) % self.count for i in range(self.copies)]

    # -- the world ----------------------------------------------------------------------------

    def send(self, sender, target, frame):
        if not self.up[target] or not self.up[sender]:
            return False
        self.bytes_sent += len(frame)
        self.frames_sent += 1
        if not self.lose_frame(sender, target, frame):
            self.queues.setdefault((sender, target), []).append(frame)
        return True

    def call_later(self, delay_ms, node, callback):
        self.order += 1
        heappush(self.timers, (self.now_ms + delay_ms, self.order, node, callback))

    def step(self):
        """One frame, or one timer, or the next tick of all."""
        full = sorted(pair for pair, frames in self.queues.items() if frames)
        if full:
            sender, target = pair = self.random.choice(full)
            frame = self.queues[pair].pop(0)
            if self.up[target]:
                self.nodes[target].coordinator.receive_bytes(sender, sender, frame)
                self.nodes[target].engine.commit()
        elif self.timers and self.timers[0][0] <= self.now_ms:
            _, _, node, callback = heappop(self.timers)
            if self.nodes[node.number] is node:
                callback()
                node.engine.commit()
        else:
            self.now_ms += TICK_MS
            for node in self.nodes:
                if node is not None:
                    node.tick()

    def run(self, until, limit_ms=600_000):
        end_ms = self.now_ms + limit_ms
        while not until():
            assert self.now_ms < end_ms, [node and node.repairer.progress() for node in self.nodes]
            self.step()

    def run_for(self, ms):
        end_ms = self.now_ms + ms
        while self.now_ms < end_ms:
            self.step()

    def repair(self, number=0):
        """Rounds of every partition that the node holds, and of what others are refilling."""
        self.nodes[number].repairer.repair()
        self.run(lambda: all(node is None or node.is_idle for node in self.nodes))

    def stop(self, number):
        self.up[number] = False
        self.nodes[number].engine.close()
        self.nodes[number] = None
        for pair in list(self.queues):
            if number in pair:
                del self.queues[pair]
        for node in self.nodes:
            if node is not None:
                node.coordinator.set_alive(number, False)

    def start(self, number, wiped=False):
        if wiped:
            self.disks[number] += 1
        self.up[number] = True
        self.nodes[number] = self.make(number)
        if wiped:
            self.nodes[number].repairer.lose_all()
        for node in self.nodes:
            if node is not None:
                node.coordinator.set_alive(number, True)

    # -- data ---------------------------------------------------------------------------------

    def store(self, numbers, key, value=b"", tombstone=False, deadline_ms=0, hlc=None):
        """A blind write that reaches these nodes only, whatever stamped it. Its dot."""
        numbers = [numbers] if isinstance(numbers, int) else numbers
        origin = self.nodes[numbers[0]]
        hlc = hlc or origin.clock.stamp()
        self.apply(numbers, key, (hlc, origin.actor, deadline_ms, 0, tombstone, value))
        return hlc, origin.actor

    def annotate(self, number, key, dot, value, deadline_ms):
        hlc = self.nodes[number].clock.stamp()
        self.apply([number], key, (*dot, deadline_ms, hlc, False, value))

    def store_causal(self, number, key, value, tombstone=False):
        """On top of what the node has, as a sibling of what it has not."""
        node = self.nodes[number]
        state = self.state(number, key)
        node.clock.recover(state.seen.hlc_max)
        hlc, actor, deadline_ms, buried, text = to_record(put(
            state, state.seen if state.siblings else EMPTY, node.clock.stamp(), node.actor | 1, value,
            tombstone))
        self.apply([number], key, (hlc, actor, deadline_ms, 0, buried, text))

    def apply(self, numbers, key, version):
        for number in numbers:
            node = self.nodes[number]
            make_room(node.engine)
            change = [(stored_key(0, key), *version)]
            while node.replica.apply_all(change) == 2:      # COLD
                node.store.load()
            node.engine.commit()

    def record(self, number, key):
        stored = stored_key(0, key)
        return dict(self.records(number, stored, stored + b"\0")).get(stored)

    def state(self, number, key):
        return self.record(number, key) or State()

    def contents(self, number):
        """{stored key: State}, tombstones too."""
        return dict(self.records(number, b"", b"\x40"))

    def records(self, number, start, end):
        """(stored key, State), tombstones too."""
        engine = self.nodes[number].engine
        while start is not None:
            try:
                page, start = engine.page(start, end, 1000, tombstones=True)
            except Exception as error:
                if type(error).__name__ != "NeedsDisk":
                    raise
                engine.load_now()
                continue
            for r in page:
                yield r.key, from_record(r.hlc, r.actor, r.deadline_ms, r.annotation, r.deleted,
                                         r.value)


def make_room(engine):
    """As the shell does in its threads. Nothing is purged but by the test."""
    while not engine.has_room():
        engine.run_steps()
