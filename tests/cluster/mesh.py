"""Several whole coordinators in one process, connected directly: frames arrive when `run` is called.

    mesh = Mesh(5, replicas=3)         mesh.down(2)          nobody reaches member 2, it reaches nobody
    mesh.set(0, b"k", b"v")            the Outcome of a blind write through member 0
    mesh.get(1, b"k")                  of a read
"""

import random

from cluster.coordinator import Coordinator
from cluster.environment import Environment
from cluster.hints import Hints
from cluster.hlc import Clock
from cluster.levels import QUORUM
from cluster.plan import Plan
from cluster.replica import Replica
from cluster.request import Sink
from cluster.slots import stored_key
from engine import Engine, Options
from resp_kv.shell.store import EngineStore

START_MS = 1_700_000_000_000
STRICT = 32


class Place:
    def __init__(self, number):
        self.ip, self.port, self.dc = "10.0.0.1", 7000 + number, "dc1"


class Outcome(Sink):
    def finished(self, request):
        self.request, self.text = request, request.text
        self.done, self.ok = True, request.succeeded
        self.value = request.value if request.found and not request.tombstone else None

    done = ok = False


class Node(Environment):
    def __init__(self, mesh, number, path):
        self.mesh, self.number = mesh, number
        self.engine = Engine.open(path, Options(memtable_bytes=1 << 22, block_cache_bytes=1 << 20,
                                                log_reserve_bytes=0), START_MS, mesh.disk)
        self.clock, self.store = Clock(START_MS), EngineStore(self.engine)
        self.random, self.monotonic_ms = random.Random(number), 0
        self.replica = Replica(self.store, self.clock)
        self.coordinator = Coordinator(self, self.replica, mesh.places, number,
                                       (number + 1) << 32 | 2, mesh.plans(number))
        for member in range(len(mesh.places)):
            self.coordinator.set_alive(member, True)
        self.hints = Hints(self.coordinator, window_ms=3_600_000, bytes_max=mesh.hint_bytes_max)

    def send_frame(self, member, frame):
        if not self.mesh.connected(self.number, member):
            return False
        self.mesh.frames.append((self.number, member, self.number, frame))
        return True

    def answer_frame(self, link, frame):
        if self.mesh.connected(self.number, link):
            self.mesh.frames.append((self.number, link, self.number, frame))

    def load_soon(self):
        self.mesh.cold.append(self)
        return 0

    def call_later(self, delay_ms, callback):
        self.mesh.timers.append(callback)

    def commit(self):
        self.engine.commit()
        self.coordinator.committed(self.engine.written_position)


class Mesh:
    def __init__(self, tmp_path, count, replicas=3, hint_bytes_max=1 << 20, disk=None):
        self.disk = disk
        self.places = [Place(number) for number in range(count)]
        self.replicas, self.hint_bytes_max = replicas, hint_bytes_max
        self.frames, self.timers, self.cold, self.unreachable = [], [], [], []
        self.nodes = [Node(self, number, tmp_path / f"node-{number}") for number in range(count)]

    def plans(self, me):
        order = list(range(len(self.places)))
        return [Plan(0, order[:self.replicas], order[self.replicas:], ["dc1"] * self.replicas, me,
                     "dc1")]

    def close(self):
        for node in self.nodes:
            node.engine.close()

    # -- the network --------------------------------------------------------------------------

    def connected(self, one, other):
        return one not in self.unreachable and other not in self.unreachable

    def down(self, *numbers):
        self.unreachable = list(numbers)
        self.tell()

    def tell(self):
        for node in self.nodes:
            for member in range(len(self.nodes)):
                node.coordinator.set_gone(member, not self.connected(node.number, member))
                node.coordinator.set_alive(member, self.connected(node.number, member))
        self.run()

    def run(self):
        """Until nothing moves any more."""
        while self.frames or self.timers or self.cold:
            timers, self.timers = self.timers, []
            for callback in timers:
                callback()
            cold, self.cold = self.cold, []
            for node in cold:
                node.store.load()
                node.coordinator.retry_cold()
            frames, self.frames = self.frames, []
            for sender, receiver, link, frame in frames:
                if self.connected(sender, receiver):
                    self.nodes[receiver].coordinator.receive_bytes(sender, link, frame)
            for node in self.nodes:
                node.commit()

    # -- what clients do ----------------------------------------------------------------------

    def set(self, at, key, value, level=QUORUM, strict=False, tombstone=False):
        outcome = Outcome()
        self.nodes[at].coordinator.write(
            stored_key(0, key), value, 0, tombstone, level, 2000, STRICT if strict else 0, outcome)
        self.nodes[at].commit()
        self.run()
        return outcome

    def get(self, at, key, level=QUORUM):
        outcome = Outcome()
        self.nodes[at].coordinator.read(stored_key(0, key), level, 2000, outcome)
        self.nodes[at].commit()
        self.run()
        return outcome

    def sloppy(self, wanted=True):
        for node in self.nodes:
            node.coordinator.sloppy = wanted
