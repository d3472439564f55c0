"""One run: machines, network, clients and faults on one clock; then healing, repair and judgement."""

import os
import shutil
import tempfile
from types import SimpleNamespace

from cluster.plan import Plan
from cluster.slots import stored_key
from tests.sim import canaries
from tests.sim.agreement import Agreement
from tests.sim.checkers import (
    Violation,
    check_calm,
    check_converged,
    check_counter,
    check_key,
    check_poisoned,
    check_steady,
    check_taken,
)
from tests.sim.client import Client
from tests.sim.clock import Loop, stream
from tests.sim.faults import Faults
from tests.sim.gossip import document_of
from tests.sim.history import NOWHERE, OK, Key, Operation
from tests.sim.machine import Machine
from tests.sim.network import Network
from tests.sim.scenario import PARTITIONS
from tests.sim.trace import Trace

SETTLE_MS = 4500                # longer than any time-out, straggler or broken link
REPAIR_ROUNDS = 8
FAST_MS = 10_000
MEMORY = "/dev/shm"


class World:
    def __init__(self, options, keep_trace=False):
        self.options, self.loop = options, Loop()
        self.trace = Trace(self.loop, keep_trace)
        self.folder = tempfile.mkdtemp(dir=MEMORY if os.path.isdir(MEMORY) else None)
        self.random = self.stream("world")
        self.members = [SimpleNamespace(ip="10.0.0.1", port=7001 + i, dc="here")
                        for i in range(options.nodes)]
        self.places = options.places or [self.random.sample(range(options.nodes), options.replicas)
                       for _ in range(PARTITIONS)]
        self.document = document_of(options.nodes, self.places) if options.gossip else None
        self.machines = [Machine(self, i, self.folder, self.draw_clock(i))
                         for i in range(options.nodes)]
        self.network = Network(self)
        self.operations = []
        self.keys = [self.draw_key(i) for i in range(options.key_count)]
        self.clients = [Client(self, i) for i in range(options.clients)]
        self.faults = Faults(self, options.schedule)
        self.agreement = Agreement(self)
        self.canary = canaries.named(options.canary, self)

    def stream(self, purpose):
        return stream(self.options.seed, purpose)

    def draw_clock(self, number):
        offset = self.random.uniform(-self.options.offset_ms, self.options.offset_ms)
        if self.options.extreme_clocks:
            offset = self.random.choice((-1, 1)) * self.options.offset_ms
        if number == self.options.fast_clock:
            offset = FAST_MS
        return offset, self.random.uniform(-self.options.drift, self.options.drift)

    def draw_key(self, number):
        mode = self.random.choice(self.options.modes)
        name = f"{mode}{number}"
        stored = stored_key(0, name.encode())
        replicas = self.places[(stored[0] << 8 | stored[1]) >> 14 - (PARTITIONS.bit_length() - 1)]
        key = Key(name, stored, mode, [self.machines[n] for n in replicas], self.options)
        key.owner = self.random.randrange(self.options.clients)
        strict = mode == "counter" or self.random.random() < 0.6
        key.write_levels = ("QUORUM",) * 4 + ("ALL",) + (() if strict else ("ONE", "ONE"))
        key.read_levels = ("QUORUM",) * 4 + ("ALL", "ONE")
        return key

    def need(self, level):
        replicas = self.options.replicas
        return {"ONE": 1, "TWO": 2, "QUORUM": replicas // 2 + 1, "ALL": replicas}[level]

    def plans_of(self, me):
        return [Plan(p, places, [n for n in range(self.options.nodes) if n not in places],
                     ["here"] * len(places), me, "here") for p, places in enumerate(self.places)]

    # -- what nodes and machines tell ----------------------------------------------------------

    def reply(self, node, operation, outcome):
        client = self.clients[operation.client]
        self.loop.call_later(client.random.uniform(0.1, 1), client.answered, operation, outcome)

    def clients_lose(self, node):
        """A node is gone: so are its clients' connections."""
        for client in self.clients:
            operation = client.operation
            if operation is not None and operation.node == node.number and (
                    operation.generation == node.generation):
                self.loop.call_later(20, client.lost, operation)

    def watch_turn(self, node):
        """Before the replies of a turn leave: is it true what they say?"""
        for operation, outcome in node.replies:
            if outcome[0] == OK and operation.dot != NOWHERE:
                check_taken(operation.key, operation, self.machines, self.loop.now_us)

    def garbage(self, node):
        return self.canary.garbage(node)

    def answers_wait(self, node, position):
        return self.canary.waits(node, position)

    def tampers(self, node, member, link, frame):
        return self.canary.tampers(node, member, link, frame)

    def read_level(self, operation, code):
        return self.canary.read_level(operation, code)

    # -- the run -------------------------------------------------------------------------------

    def run(self):
        """Raises Violation."""
        try:
            self.live()
            self.heal()
            if self.options.repair and self.options.final == "repair":
                self.agreement.reach()
                self.check_converged()
            self.read_all()
            self.judge()
            if self.options.repair:
                self.agreement.bury()
                self.read_all()
                self.judge()
        finally:
            self.close()
        return self

    def live(self):
        for machine in self.machines:
            self.loop.call_later(self.random.uniform(0, 50), machine.start)
        self.loop.run(self.options.heal_ms)

    def heal(self):
        if self.options.final == "repair":
            self.agreement.lose_hints()
        self.faults.heal()
        self.loop.run(self.loop.now_ms + 120_000, lambda: all(c.done for c in self.clients))
        self.loop.run(self.loop.now_ms + SETTLE_MS)
        if self.options.fast_clock >= 0:
            check_poisoned(self)
            self.machines[self.options.fast_clock].offset_ms = 0
            self.loop.run(self.loop.now_ms + FAST_MS + 1000)

    def read_all(self):
        """Every key is read at ALL until a round goes through: what differs is repaired."""
        client = self.clients[0]
        client.left = 0
        for key in self.keys:
            for _ in range(REPAIR_ROUNDS):
                read = Operation(client.number, len(self.operations), "GET", key, "ALL",
                                 self.options.replicas, 3000)
                read.final = True
                client.begin(read, self.random.randrange(self.options.nodes))
                self.loop.run(self.loop.now_ms + 10_000, lambda: client.done)
                if read.result == OK:
                    break
            else:
                raise Violation("a healed cluster does not answer", key, [read], self.loop.now_us)
        self.loop.run(self.loop.now_ms + 1000)

    def check_converged(self):
        for key in self.keys:
            check_converged(key, self.loop.now_us)

    def judge(self):
        self.check_converged()
        for key in self.keys:
            check_key(key)
            check_steady(key, self.options)
            if self.options.weather == "calm" and not self.options.schedule and (
                    self.options.fast_clock < 0):
                check_calm(key)
                if key.mode == "counter":
                    check_counter(key)

    def close(self):
        for machine in self.machines:
            if machine.node is not None:
                machine.node.stop()
                machine.node = None
        self.loop.heap.clear()
        shutil.rmtree(self.folder, ignore_errors=True)
