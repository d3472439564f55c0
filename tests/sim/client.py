"""Clients, each with one command at a time, through any node.

A client that gets no answer gives up and does not know; one whose connection breaks neither. Whoever
reads a key with versions keeps the context, and may write with it much later, or with none at all.
"""

from cluster.versions import context_of
from tests.sim.commands import siblings_of
from tests.sim.history import NO, OK, UNKNOWN, Operation, Past

PATIENCE_MS = 1500
HURRY_MS = 20
LIVES_MS = (-1, 200, 1000, 1000, 4000, 4000, 60_000)      # what an EXPIRE gives; in the past it deletes


class Client:
    def __init__(self, world, number):
        self.world, self.loop, self.number = world, world.loop, number
        self.random = world.stream(f"client {number}")
        self.annotating = world.stream(f"client {number}, annotations")
        self.left = world.options.operations
        self.home = self.random.randrange(world.options.nodes)
        self.operation = None
        self.contexts = {}                 # key -> [(context, what is in it)]
        world.loop.call_later(200 + self.random.uniform(0, 200), self.step)

    def step(self):
        if self.loop.now_ms >= self.world.options.last_ms:
            self.left = 0
        if self.left == 0:
            return
        self.left -= 1
        self.begin(self.draw(self.random.choice(self.world.keys)))

    def begin(self, operation, node=None):
        if node is None:
            if self.random.random() < self.world.options.roaming:
                self.home = self.random.randrange(self.world.options.nodes)
            node = self.home
        operation.node, operation.start_us = node, self.world.loop.now_us
        self.operation = operation
        key = operation.key
        (key.writes if operation.writes else
         key.annotations if operation.annotates else key.reads).append(operation)
        self.world.operations.append(operation)
        self.world.loop.call_later(self.random.uniform(0.1, 1), self.arrive, operation)
        self.world.loop.call_later(operation.timeout_ms + PATIENCE_MS, self.give_up, operation)

    def arrive(self, operation):
        node = self.world.machines[operation.node].node
        if node is None:
            self.end(operation, NO, "connection refused")
            return
        operation.generation = node.generation
        node.deliver(node.command_arrives, operation)

    # -- what to do ----------------------------------------------------------------------------

    def draw(self, key):
        if self.annotates(key):
            return self.draw_annotation(key)
        kind = self.draw_kind(key)
        levels = key.read_levels if kind == "GET" else key.write_levels
        level = self.random.choice(levels)
        operation = Operation(self.number, len(self.world.operations), kind, key, level,
                              self.world.need(level), self.random.choice((100, 300, 1000)))
        operation.tombstone = kind in ("DEL", "BURY")
        if not operation.tombstone and operation.writes and kind != "INCR":
            operation.value = b"v:%d:" % operation.number + b"x" * self.random.choice((0, 10, 300))
            if kind == "SET" and self.random.random() < self.world.options.expiring:
                operation.deadline_ms = self.world.loop.now_ms + self.random.choice((200, 1000, 4000))
        if kind in ("PUT", "BURY"):
            known = self.contexts.get(key.name, [(b"", Past())])
            operation.context, operation.past = self.random.choice(known[-2:])
        return operation

    def draw_kind(self, key):
        chance = self.random.random()
        if chance < 0.45 or (key.mode == "single" and key.owner != self.number):
            return "GET"
        if key.mode == "counter":
            return "INCR"
        if key.mode == "mixed" and chance < 0.7:
            return "BURY" if chance > 0.64 else "PUT"
        if key.mode == "causal" and chance < 0.94:
            return "BURY" if chance > 0.85 else "PUT"
        return "DEL" if self.random.random() < self.world.options.deleting else "SET"

    def annotates(self, key):
        share = self.world.options.annotating
        return share > 0 and key.mode != "counter" and (
            key.mode != "single" or key.owner == self.number) and self.annotating.random() < share

    def draw_annotation(self, key):
        random = self.annotating
        kind, level = random.choice(("EXPIRE", "EXPIRE", "PERSIST")), random.choice(key.write_levels)
        operation = Operation(self.number, len(self.world.operations), kind, key, level,
                              self.world.need(level), random.choice((100, 300, 1000)))
        if kind == "EXPIRE":
            operation.deadline_ms = max(1, self.world.loop.now_ms + random.choice(LIVES_MS))
        return operation

    # -- how it ends ---------------------------------------------------------------------------

    def answered(self, operation, outcome):
        result, text, content = outcome
        if operation.result != "open":
            return                         # too late
        if result == OK and operation.kind == "GET":
            operation.siblings = siblings_of(operation.key, content)
            operation.deadlines = {(sibling.hlc, sibling.actor): (sibling.deadline_ms, sibling.annotation)
                                   for sibling in content.siblings}
            self.remember(operation.key, context_of(content),
                          operation.key.past_of(operation.siblings))
        elif result == OK and operation.kind in ("PUT", "BURY"):
            self.remember(operation.key, content, operation.past | Past(
                operation.key.bits[operation.dot]))
        operation.reply = content if isinstance(content, bytes) else None
        self.end(operation, result, text)

    def remember(self, key, context, past):
        self.contexts.setdefault(key.name, []).append((context, past))

    def give_up(self, operation):
        if operation.result == "open":
            self.end(operation, UNKNOWN, "no answer")

    def lost(self, operation):
        if operation.result == "open":
            self.end(operation, UNKNOWN, "connection broke")

    def end(self, operation, result, text):
        operation.result, operation.text = result, text
        operation.end_us = self.world.loop.now_us
        self.operation = None
        if result != OK and not self.world.options.sticky and self.random.random() < 0.5:
            self.home = self.random.randrange(self.world.options.nodes)
        self.world.trace.note(f"client {self.number}", repr(operation))
        options = self.world.options
        think_ms = options.think_ms if self.loop.now_ms >= options.hurry_ms else HURRY_MS
        self.loop.call_later(self.random.uniform(0, think_ms), self.step)

    @property
    def done(self):
        return self.left == 0 and self.operation is None
