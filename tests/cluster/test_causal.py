"""What executions do for versions, against a coordinator that answers when the test says so."""

from types import SimpleNamespace

from cluster.causal import Copy
from cluster.context import EMPTY
from cluster.execution import Execution, Levels, Locks
from cluster.hlc import Clock
from cluster.slots import stored_key
from cluster.versions import State, blind, context_of, put, to_record
from cluster.view import KeyspaceView

NOW_MS = 1_000_000
ME = 2                         # this node's actor of blind writes
KEY = stored_key(0, b"k")
LOCAL = SimpleNamespace(database=0)


class Coordinator:
    """`asked`: [(member or None, sink), ...]; `written`: [(changes, sink), ...]."""

    me, actor = 0, ME

    def __init__(self):
        self.clock, self.env = Clock(NOW_MS), SimpleNamespace(monotonic_ms=0)
        self.asked, self.written = [], []

    def read(self, key, level, timeout_ms, sink):
        self.asked.append((None, sink))

    def read_at(self, member, key, timeout_ms, sink):
        self.asked.append((member, sink))

    def plan_for(self, key):
        return SimpleNamespace(replicas=(0, 1, 2))

    def write_changes(self, changes, level, timeout_ms, sink):
        self.written.append((changes, sink))
        return SimpleNamespace(cold=False)

    def answer(self, state, acks=0b011, text=None, member=0):
        """End the oldest read."""
        _, sink = self.asked.pop(0)
        found = bool(state.siblings)
        hlc, actor, deadline_ms, tombstone, value = to_record(state) if found else (0, 0, 0, 0, b"")
        sink.finished(SimpleNamespace(
            succeeded=text is None, text=text, found=found, hlc=hlc, actor=actor,
            deadline_ms=deadline_ms, annotation=0, tombstone=tombstone, value=value, acks=acks,
            plan=SimpleNamespace(mine=0, replicas=(member,))))


def start(coordinator, handler, keys=(KEY,)):
    """The list that (reply, error) will be appended to."""
    ended = []
    Execution(coordinator, Locks(), keys, lambda view: handler(KeyspaceView(view, LOCAL)),
              Levels(1, 1, 100, 100), lambda *end: ended.append(end),
              pair_bytes_max=1000, siblings_max=100).start()
    return ended


def causal(ms, actor, value):
    return put(State(), EMPTY, ms << 16, actor, value)


def appended(keyspace):
    record = keyspace.get(b"k")
    keyspace.put(b"k", record.value + b"!")
    return b"done"


def test_what_only_this_node_has_is_not_lost_when_others_were_faster():
    """Its next dot covers all its earlier ones, so the version must be in what it ships."""
    coordinator = Coordinator()
    start(coordinator, lambda keyspace: keyspace.put_with_context(b"k", b"new", b""))
    coordinator.answer(causal(1, 5, b"theirs"), acks=0b110)
    assert [member for member, _ in coordinator.asked] == [0] and not coordinator.written
    coordinator.answer(causal(2, ME | 1, b"mine"), acks=0b1)
    (change,), _ = coordinator.written[0]
    for value in (b"theirs", b"mine", b"new"):
        assert value in change[-1]


def test_a_command_fails_if_its_own_replica_cannot_be_read():
    coordinator = Coordinator()
    ended = start(coordinator, appended)
    coordinator.answer(causal(1, 5, b"theirs"), acks=0b110)
    coordinator.answer(State(), text="ERR damaged")
    assert ended == [(None, "ERR damaged")] and not coordinator.written


def test_a_command_that_only_reads_needs_no_own_replica():
    coordinator = Coordinator()
    ended = start(coordinator, lambda keyspace: keyspace.get(b"k").value, keys=())
    coordinator.answer(causal(1, 5, b"theirs"), acks=0b110)
    assert ended == [(b"theirs", None)]


def test_a_blind_write_answers_with_the_context_of_the_stamp_that_it_got_in_the_end():
    coordinator = Coordinator()
    ended = start(coordinator, lambda keyspace: keyspace.put_blind(b"k", b"v"))
    (change,), sink = coordinator.written[0]
    later = (change[0], change[1] + 7, *change[2:])
    sink.finished(SimpleNamespace(succeeded=True, text=None, changes=[later]))
    assert ended == [(context_of(blind(change[1] + 7, ME, b"v")), None)]


def test_contexts_inside_a_transaction_are_settled_too():
    def handler(keyspace):
        return [keyspace.put_blind(b"k", b"one"), 5, keyspace.put_blind(b"k", b"two")]

    coordinator = Coordinator()
    ended = start(coordinator, handler)
    (change,), sink = coordinator.written[0]
    late = (NOW_MS + 9) << 16
    sink.finished(SimpleNamespace(
        succeeded=True, text=None, changes=[(change[0], late, *change[2:])]))
    (one, five, two), error = ended[0]
    assert (five, error) == (5, None)
    assert two == context_of(blind(late, ME, b"two"))
    assert one == context_of(blind(change[1] - 1, ME, b"one"))     # overwritten: that stamp stays


def test_copies_are_what_each_replica_said():
    coordinator = Coordinator()
    ended = start(coordinator, lambda keyspace: keyspace.copies(b"k"), keys=())
    assert [member for member, _ in coordinator.asked] == [0, 1, 2]
    state = causal(1, 5, b"v")
    coordinator.answer(state, acks=1, member=0)
    coordinator.answer(State(), text="it cannot be reached", member=1)
    assert not ended
    coordinator.answer(State(), acks=1, member=2)
    assert ended == [([Copy(0, state, ""), Copy(1, None, "it cannot be reached"),
                       Copy(2, State(), "")], None)]
