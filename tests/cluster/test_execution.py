"""Commands that read and write: exact while one coordinator runs them, whole or not at all."""

import pytest

from cluster.errors import StoreError
from cluster.execution import LEASE_MS, WAITERS_MAX, Levels, Locks
from cluster.levels import ALL, QUORUM
from cluster.slots import stored_key
from tests.cluster.nodes import START_MS, Nodes, annotate, increment, never

KEY = stored_key(0, b"a")
A, B = stored_key(0, b"{t}a"), stored_key(0, b"{t}b")


@pytest.fixture
def nodes(tmp_path):
    made = Nodes(tmp_path, 3)
    yield made
    made.close()


def test_a_counter(nodes):
    for number in range(1, 6):
        assert nodes.command(0, increment(b"a"), b"a") == [(b"%d" % number, None)]
    assert nodes.values(b"a") == [b"5"] * 3


def test_commands_at_once_run_one_after_the_other(nodes):
    ended = [nodes.command(0, increment(b"a"), b"a", go=False) for _ in range(50)]
    nodes.run()
    assert [end[0][0] for end in ended] == [b"%d" % number for number in range(1, 51)]
    assert nodes.values(b"a") == [b"50"] * 3
    assert nodes[0].locks.held == {} and nodes[0].locks.waiting == 0


def test_another_coordinator_sees_what_the_first_has_acknowledged(nodes):
    for number in range(1, 10):
        assert nodes.command(number % 3, increment(b"a"), b"a") == [(b"%d" % number, None)]


def test_it_sees_plain_writes_and_they_see_it(nodes):
    nodes.write(1, b"a", b"41")
    assert nodes.command(0, increment(b"a"), b"a") == [(b"42", None)]
    nodes.write(2, b"a", b"7")
    assert nodes.read(1, b"a").request.value == b"7"
    assert nodes.command(0, increment(b"a"), b"a") == [(b"8", None)]


def test_two_that_did_not_see_each_other_stay_as_siblings(nodes):
    nodes.command(0, increment(b"a"), b"a")
    one = Levels(1, 1, 5000, 2000)
    nodes.down(0)
    nodes.down(1, 2, seen_by=[0])
    assert nodes.command(0, increment(b"a"), b"a", levels=one) == [(b"2", None)]
    assert nodes.command(1, increment(b"a"), b"a") == [(b"2", None)]
    nodes.up(0, 1, 2)
    assert nodes.read(2, b"a", level=ALL).succeeded
    nodes.run()
    states = [nodes.state(number, b"a") for number in range(3)]
    assert states[0] == states[1] == states[2]
    assert len(states[0].siblings) == 2


def test_an_annotation_is_later_than_the_one_it_has_seen(nodes):
    """That one was made by a clock that is ahead, and came with no message that told the time."""
    nodes.write(0, b"a", b"1")
    first = nodes.state(0, b"a").siblings[0]
    ahead = START_MS + 400 << 16
    for node in nodes:
        node.coordinator.replica.apply_all(
            [(KEY, first.hlc, first.actor, START_MS + 5000, ahead, False, b"1")])
    assert nodes.command(1, annotate(b"a", START_MS + 9000), b"a") == [(b"1", None)]
    for number in range(3):
        found = nodes.state(number, b"a").siblings[0]
        assert found.deadline_ms == START_MS + 9000 and found.annotation > ahead


def test_what_a_clock_far_ahead_made_is_not_built_on(nodes):
    """Anti-entropy may have brought it here."""
    nodes[0].coordinator.replica.apply_all(
        [(KEY, START_MS + 10_000 << 16, 99 << 32, 0, 0, False, b"1")])
    [(reply, error)] = nodes.command(0, increment(b"a"), b"a")
    assert reply is None and error.startswith("ERR what is there was made by a clock that is wrong: ")
    assert nodes[0].clock.last >> 16 <= START_MS
    nodes.pass_ms(9600)
    assert nodes.command(0, increment(b"a"), b"a") == [(b"2", None)]


def test_an_annotation_that_is_overtaken_is_done(nodes):
    """The value that it annotated has been replaced while it was on its way: as if it had come first."""
    expire = annotate(b"a", START_MS + 9000)

    def overtaken(view):
        reply = expire(view)
        for node in nodes:
            node.coordinator.replica.apply_all([(KEY, view.clock.last + 1, 99 << 32, 0, 0, False, b"2")])
        return reply

    nodes.write(0, b"a", b"1")
    assert nodes.command(0, overtaken, b"a") == [(b"1", None)]
    assert nodes.values(b"a") == [b"2"] * 3 and nodes.state(0, b"a").siblings[0].deadline_ms == 0


def test_two_keys_are_written_as_one(nodes):
    def move(view):
        for key, value in ((A, b"x"), (B, b"y")):
            view.put_blind(key, value)
        return b"moved"

    nodes.write(0, b"{t}a", b"1")
    assert nodes.command(0, move, b"{t}a", b"{t}b") == [(b"moved", None)]
    assert nodes.values(b"{t}a") == [b"x"] * 3 and nodes.values(b"{t}b") == [b"y"] * 3
    assert [kind for _, _, kind in nodes.delivered].count("T") == 2         # one bundle each


def test_without_a_quorum_nothing_is_done(nodes):
    nodes.down(1, 2)
    [(reply, error)] = nodes.command(0, increment(b"a"), b"a")
    assert reply is None
    assert error == ("NOQUORUM 2 responses are required but only 1 replica is alive; nothing was done")
    assert nodes.value(0, b"a") is None and nodes[0].locks.held == {}


def test_a_write_that_may_have_happened_says_so(nodes):
    nodes.write(0, b"a", b"1")
    nodes.hold(0, 2)
    ended = nodes.command(0, increment(b"a"), b"a", levels=Levels(QUORUM, ALL, 5000, 2000))
    assert ended == []
    nodes.pass_ms(2000)
    assert ended[0][1].startswith("TIMEOUT the outcome of the write is unknown: 3 responses were ")
    nodes.let_go()
    assert nodes.values(b"a") == [b"2"] * 3


def test_a_read_that_is_lost_lets_the_lock_go(nodes):
    nodes.hold(0, 1)
    nodes.hold(0, 2)
    ended, next_one = (nodes.command(0, increment(b"a"), b"a") for _ in range(2))
    nodes.pass_ms(5000)
    assert ended[0][1].startswith("TIMEOUT the read was given up")
    nodes.let_go()
    assert next_one == [(b"1", None)]


def test_what_was_read_long_ago_is_not_built_on(nodes):
    """A coordinator that was frozen between reading and writing: others took its place meanwhile."""
    nodes.write(0, b"a", b"1")
    nodes.hold(1, 0)
    nodes.hold(2, 0)
    ended = nodes.command(0, increment(b"a"), b"a")
    nodes.down(0, seen_by=[1, 2])
    for now in range(2, 5):
        assert nodes.command(1, increment(b"a"), b"a") == [(b"%d" % now, None)]
    nodes.up(0)
    nodes[0].monotonic_ms += LEASE_MS + 1          # and no tick: its loop stood still
    nodes.let_go()
    [(reply, error)] = ended
    assert reply is None and error.startswith("TIMEOUT") and error.endswith("nothing was done")
    assert nodes.command(0, increment(b"a"), b"a") == [(b"5", None)]


def test_an_error_inside_lets_the_lock_go(nodes):
    def fail(view):
        view.state(stored_key(0, b"a"))
        view.put_blind(stored_key(0, b"a"), b"never")
        raise StoreError("ERR no")

    assert nodes.command(0, fail, b"a") == [(None, "ERR no")]
    assert nodes.command(0, increment(b"a"), b"a") == [(b"1", None)]


def test_a_command_that_asks_for_nothing_ends(nodes):
    [(_, error)] = nodes.command(0, never, b"a")
    assert error.startswith("ERR internal error")
    assert nodes.command(0, increment(b"a"), b"a") == [(b"1", None)]


def test_a_store_that_takes_no_writes_refuses_the_whole(nodes):
    """What this node's own replica does not store goes to no other: a dot must not be used twice."""
    nodes.write(0, b"a", b"1")
    nodes[0].fill_disk()
    [(_, error)] = nodes.command(0, increment(b"a"), b"a")
    assert error.startswith("MISCONF writes are refused: the disk is full")
    assert nodes.values(b"a") == [b"1"] * 3
    nodes[0].empty_disk()
    assert nodes.command(0, increment(b"a"), b"a") == [(b"2", None)]


class Waiter:
    def __init__(self, *keys):
        self.keys, self.started = keys, 0

    def start(self):
        self.started += 1


def test_locks_are_had_together_or_not_at_all():
    locks, one, two, three = Locks(), Waiter("a", "b"), Waiter("b", "c"), Waiter("c")
    assert locks.acquire(one) and not locks.acquire(two) and locks.acquire(three)
    locks.release(three.keys)
    assert two.started == 0
    locks.release(one.keys)
    assert two.started == 1 and locks.acquire(two)


def test_who_waits_goes_in_order():
    locks, first = Locks(), Waiter("a")
    order = []
    locks.acquire(first)
    for number in range(5):
        waiter = Waiter("a")
        waiter.start = lambda number=number: order.append(number)
        assert not locks.acquire(waiter)
    locks.release(first.keys)
    assert order == [0, 1, 2, 3, 4]


def test_so_many_may_wait():
    locks = Locks()
    locks.acquire(Waiter("a"))
    for _ in range(WAITERS_MAX):
        assert not locks.acquire(Waiter("a"))
    with pytest.raises(StoreError, match="BUSY too many commands wait"):
        locks.acquire(Waiter("a"))
    locks.release(["a"])
    assert locks.waiting == 0
