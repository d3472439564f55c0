"""A client's command at the node that it is connected to: through the real coordinator and executions.

    GET  SET  DEL            plain: a quorum read, a blind write
    PUT  BURY                KV.SET and KV.DEL with the context of an earlier read: a causal write
    INCR                     read-modify-write
    EXPIRE  PERSIST          annotate the dot that they see; EXPIRE with a time in the past is a causal delete

What reads and writes runs at the preferred coordinator, like every such command; the shell's way
there is `Coordinator.execute`. Only the reply's encoding is the simulation's own.
"""

from types import SimpleNamespace

from cluster import levels
from cluster.execution import Execution, Levels
from cluster.request import Sink
from cluster.versions import State, from_record, winner, written_context
from cluster.view import KeyspaceView
from resp_kv.commands import expiry
from tests.sim.checkers import check_alive
from tests.sim.clock import EPOCH_MS
from tests.sim.history import NO, OK, UNKNOWN

CODES = {"ONE": 1, "TWO": 2, "QUORUM": levels.QUORUM, "ALL": levels.ALL}
LOCAL = SimpleNamespace(database=0)


class Reply(Sink):
    """Waits for a plain command."""

    ended = False

    def __init__(self, node, operation):
        self.node, self.operation = node, operation

    def finished(self, request):
        self.ended = True
        if not request.succeeded:
            outcome = failure(request.text)
        elif self.operation.writes:
            outcome = OK, None, None
        else:
            outcome = OK, None, State() if not request.found else from_record(
                request.hlc, request.actor, request.deadline_ms, request.annotation,
                request.tombstone, request.value)
        if self.operation.writes:
            self.operation.stamped(request.hlc, request.actor)
        self.node.reply(self.operation, outcome)


class RemoteReply(Sink):
    """Waits for a command that another node runs."""

    def __init__(self, node, operation):
        self.node, self.operation = node, operation

    def finished(self, request):
        if not request.succeeded:
            self.node.reply(self.operation, failure(request.text))
        elif request.value.startswith(b"-"):
            self.node.reply(self.operation, failure(request.value[1:].decode()))
        else:
            self.node.reply(self.operation, (OK, None, request.value[1:]))


def failure(text):
    """(result, text, None): whether it certainly did not happen, as far as the client is told."""
    ambiguous = text is None or text.startswith("TIMEOUT") or "may still take effect" in text
    return UNKNOWN if ambiguous else NO, text, None


def begin(node, operation):
    key, code = operation.key, CODES[operation.level]
    if operation.kind == "GET":
        node.coordinator.read(key.stored, node.world.read_level(operation, code),
                              operation.timeout_ms, Reply(node, operation))
    elif operation.blind:
        sink = Reply(node, operation)
        deadline_ms = EPOCH_MS + operation.deadline_ms if operation.deadline_ms else 0
        node.coordinator.write(key.stored, operation.value, deadline_ms, operation.tombstone, code,
                               operation.timeout_ms, 0, sink)
        if not sink.ended:
            request = next(reversed(node.coordinator.pending.values()))
            node.writing[operation] = request
    else:
        run_somewhere(node, operation, code)


def run_somewhere(node, operation, code):
    coordinator, key = node.coordinator, operation.key
    member = coordinator.preferred(coordinator.plan_for(key.stored), code)
    if member < 0:
        node.reply(operation, (NO, "CLUSTERDOWN", None))
    elif member == node.number:
        execute(node, operation, lambda reply, error: node.reply(
            operation, failure(error) if error is not None else (OK, None, reply)))
    elif not coordinator.execute(member, key.stored, b"%d" % operation.number, code,
                                 operation.timeout_ms, 0, RemoteReply(node, operation)):
        node.reply(operation, (NO, "CLUSTERDOWN", None))


def execute_for(node, link, request_id, header, body):
    operation = node.world.operations[int(body)]

    def done(reply, error):
        text = b"-" + error.encode() if error is not None else b"+" + reply
        node.coordinator.executed(link, request_id, text)

    execute(node, operation, done)


def execute(node, operation, done):
    code = CODES[operation.level]
    asked = Levels(levels.QUORUM, code, operation.timeout_ms, operation.timeout_ms)
    Execution(node.coordinator, node.locks, [operation.key.stored],
              lambda view: run(operation, view, node.world), asked, done,
              pair_bytes_max=10_000, siblings_max=100).start()


def run(operation, view, world):
    """The handler. It may be run several times; only the last time gets as far as a write."""
    keyspace, name = KeyspaceView(view, LOCAL), operation.key.name.encode()
    if operation.annotates:
        return annotate(operation, view, world, name)
    state = keyspace.state(name)
    if operation.kind == "INCR":
        operation.past = operation.key.past_of(siblings_of(operation.key, state))
        found = keyspace.get(name)
        number = int(found.value.partition(b":")[0]) + 1 if found is not None else 1
        keyspace.put(name, b"%d:%d:" % (number, operation.number))
        state, reply = view.state(operation.key.stored), b"%d" % number
    else:
        parsed, state = keyspace.put_with_context(name, operation.value, operation.context,
                                                  tombstone=operation.tombstone)
        reply = written_context(parsed, state)
    first = winner(state)
    operation.stamped(first.hlc, first.actor)
    return reply


def annotate(operation, view, world, name):
    """PEXPIREAT or PERSIST as the server has them; notes the dot that was annotated, or that of a delete."""
    keyspace = world.canary.keyspace(KeyspaceView(view, LOCAL))
    key, seen = operation.key, keyspace.state(name)
    client = SimpleNamespace(keyspace=keyspace, node=SimpleNamespace(now_ms=view.clock.now_ms))
    if operation.kind == "PERSIST":
        reply = expiry.persist(client, [b"PERSIST", name])
    else:
        reply = expiry.pexpireat(
            client, [b"PEXPIREAT", name, b"%d" % (EPOCH_MS + operation.deadline_ms)])
    if not reply:
        return b"0"
    check_alive(operation, winner(seen), world.loop.now_us)
    first = winner(view.state(key.stored))
    if first.tombstone:
        operation.tombstone, operation.deadline_ms = True, 0
        operation.past = key.past_of(siblings_of(key, seen))
        key.writes.append(operation)
        operation.stamped(first.hlc, first.actor)
    elif (first.hlc, first.actor) in [(sibling.hlc, sibling.actor) for sibling in seen.siblings]:
        operation.dot, operation.annotation = (first.hlc, first.actor), view.clock.last
    return b"1"


def siblings_of(key, state):
    """[(dot, Operation or None)]: whose versions these are."""
    found = []
    for sibling in state.siblings:
        dot = sibling.hlc, sibling.actor
        owner = key.owners.get(dot)
        if owner is None:
            number = number_in(sibling.value)
            owner = next((w for w in key.writes if w.number == number), None)
            key.stamped(dot, owner)
        found.append((dot, owner))
    return found


def number_in(value):
    parts = value.split(b":")
    return int(parts[1]) if len(parts) > 2 and parts[1].isdigit() else None
