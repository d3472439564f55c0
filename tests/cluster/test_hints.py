import pytest

from cluster.hints import LANES, Replay, hint_key
from cluster.levels import ALL, ANY, QUORUM
from cluster.slots import stored_key
from cluster.versions import EMPTY, from_record, put, to_record
from engine.disk_faulty import FaultyDisk
from tests.cluster.mesh import Mesh, Outcome


@pytest.fixture
def mesh_of(tmp_path):
    made = []

    def make(count, **options):
        made.append(Mesh(tmp_path, count, **options))
        return made[-1]

    yield make
    for mesh in made:
        mesh.close()


def kept(mesh, keeper):
    """{target: how many hints} at a node."""
    return {row[0]: row[1] for row in mesh.nodes[keeper].hints.table() if row[1]}



def value_at(mesh, number, key):
    stored = stored_key(0, key)
    found, _ = mesh.nodes[number].store.versions(stored, stored + b"\0", 1)
    return found[0][6] if found and not found[0][5] else None


def test_a_write_that_a_dead_replica_missed_is_kept_and_handed_over(mesh_of):
    mesh = mesh_of(3)
    mesh.down(2)
    assert mesh.set(0, b"k", b"v1").ok and mesh.set(0, b"k", b"v2").ok
    assert kept(mesh, 0) == {2: 2}
    mesh.down()
    assert value_at(mesh, 2, b"k") == b"v2"
    assert kept(mesh, 0) == {}


def test_strict_quorum_refuses_at_once_and_stores_nothing(mesh_of):
    mesh = mesh_of(3)
    mesh.sloppy()
    mesh.down(1, 2)
    outcome = mesh.set(0, b"k", b"v", strict=True)
    assert not outcome.ok and outcome.text.startswith("NOQUORUM 2 responses are required but only 1")
    assert value_at(mesh, 0, b"k") is None and kept(mesh, 0) == {}


def test_sloppy_quorum_writes_with_two_of_three_down_and_reads_it(mesh_of):
    mesh = mesh_of(3)
    mesh.sloppy()
    mesh.down(1, 2)
    assert mesh.set(0, b"k", b"v").ok
    outcome = mesh.get(0, b"k")
    assert outcome.ok and outcome.value == b"v"
    assert kept(mesh, 0) == {1: 1, 2: 1}
    mesh.down()
    assert [value_at(mesh, number, b"k") for number in range(3)] == [b"v"] * 3


def test_the_next_healthy_node_stands_in_and_answers_reads(mesh_of):
    mesh = mesh_of(5)
    mesh.sloppy()
    mesh.down(0, 1)
    assert mesh.set(2, b"k", b"v").ok
    assert kept(mesh, 3) == {0: 1} and kept(mesh, 4) == {1: 1}
    assert mesh.get(4, b"k").value == b"v"
    mesh.down()
    assert [value_at(mesh, number, b"k") for number in range(3)] == [b"v"] * 3
    assert kept(mesh, 3) == kept(mesh, 4) == {}


def test_no_write_by_hints_alone_except_at_level_any(mesh_of):
    mesh = mesh_of(5)
    mesh.sloppy()
    mesh.down(0, 1, 2)
    assert not mesh.set(3, b"k", b"v").ok
    assert not mesh.set(3, b"k", b"v", level=1).ok
    assert mesh.set(3, b"k", b"v", level=ANY).ok
    mesh.down()
    assert mesh.get(0, b"k", level=ALL).value == b"v"


def test_a_minority_reads_nothing_with_a_strict_quorum(mesh_of):
    mesh = mesh_of(3)
    mesh.set(0, b"k", b"v")
    mesh.down(1, 2)
    outcome = mesh.get(0, b"k")
    assert not outcome.ok and outcome.text.startswith("NOQUORUM")


def test_a_delete_is_a_hint_too(mesh_of):
    mesh = mesh_of(3)
    mesh.set(0, b"k", b"v")
    mesh.down(2)
    mesh.set(0, b"k", b"", tombstone=True)
    mesh.down()
    assert value_at(mesh, 2, b"k") is None
    assert mesh.get(1, b"k", level=ALL).value is None


def test_an_old_hint_does_not_hide_what_is_newer(mesh_of):
    mesh = mesh_of(3)
    mesh.down(2)
    mesh.set(0, b"k", b"old")
    mesh.unreachable = [0]
    for node in mesh.nodes:
        for member in range(3):
            node.coordinator.set_alive(member, mesh.connected(node.number, member))
    assert mesh.set(1, b"k", b"new").ok
    mesh.down()
    assert [value_at(mesh, number, b"k") for number in range(3)] == [b"new"] * 3


def test_over_the_budget_nothing_is_kept(mesh_of):
    mesh = mesh_of(3, hint_bytes_max=1000)
    mesh.down(2)
    for number in range(10):
        assert mesh.set(0, b"k%d" % number, b"v" * 200).ok
    (row,) = mesh.nodes[0].hints.table()
    assert row[1] <= 5 and row[1] + row[6] == 10


def test_hints_past_the_window_are_dropped(mesh_of):
    mesh = mesh_of(3)
    mesh.down(2)
    mesh.set(0, b"k", b"v")
    for node in mesh.nodes:
        node.clock.now_ms += 4_000_000
    mesh.down()
    (row,) = mesh.nodes[0].hints.table()
    assert (row[1], row[6]) == (0, 1) and value_at(mesh, 2, b"k") is None


class Told:
    """In the place of a Repairer."""

    def __init__(self):
        self.partitions = []

    def not_told(self, partition, member):
        self.partitions.append((partition, member))


@pytest.mark.parametrize("budget", [10_000, 0])
def test_the_partitions_of_dropped_hints_are_marked(mesh_of, budget):
    mesh = mesh_of(3, hint_bytes_max=budget)
    told = mesh.nodes[0].coordinator.repairer = Told()
    mesh.down(2)
    mesh.set(0, b"k", b"v")
    if budget:
        for node in mesh.nodes:
            node.clock.now_ms += 4_000_000
        mesh.down()
    partition = mesh.nodes[0].coordinator.plan_for(stored_key(0, b"k")).partition
    assert told.partitions == [(partition, 2)]


def test_hints_survive_a_restart_of_the_keeper(tmp_path):
    mesh = Mesh(tmp_path, 3)
    mesh.down(2)
    for number in range(5):
        mesh.set(0, b"k%d" % number, b"v")
    mesh.close()
    mesh = Mesh(tmp_path, 3)
    assert kept(mesh, 0) == {2: 5}
    mesh.nodes[0].hints.retry()
    mesh.run()
    assert value_at(mesh, 2, b"k3") == b"v" and kept(mesh, 0) == {}
    mesh.close()


def test_many_hints_go_out_in_batches(mesh_of):
    mesh = mesh_of(3)
    mesh.down(2)
    for number in range(300):
        mesh.set(0, b"k%d" % number, b"v%d" % number)
    mesh.down()
    assert kept(mesh, 0) == {}
    assert all(value_at(mesh, 2, b"k%d" % number) == b"v%d" % number for number in range(300))


def test_a_batch_is_one_request_and_busy_nodes_rest_between_two(mesh_of):
    mesh = mesh_of(3)
    mesh.down(2)
    for number in range(20_000):
        version = (stored_key(0, b"%d" % number), (1 << 40) + number, 2, 0, 0, False, b"v")
        mesh.nodes[0].hints.keep(2, [version])
    mesh.nodes[0].hints.window_ms = 1 << 60
    coordinator = mesh.nodes[0].coordinator
    requests = coordinator.next_id
    mesh.down()
    assert kept(mesh, 0) == {}
    assert coordinator.next_id - requests <= 2 * 256 + 20_000 / 64


def test_a_hint_that_comes_while_others_are_handed_over_is_no_less_kept(mesh_of):
    """In a lane that the replay has passed: a write that the target has not answered in time."""
    mesh = mesh_of(3)
    mesh.down(2)
    hints = mesh.nodes[0].hints
    hints.replays[2] = replay = Replay(hints, 2)
    replay.lane = LANES
    assert mesh.set(0, b"k", b"v").ok
    replay.next_batch()                                      # finds that it is done
    assert kept(mesh, 0) == {2: 1}
    mesh.down()
    assert value_at(mesh, 2, b"k") == b"v" and kept(mesh, 0) == {}


def test_a_target_that_dies_again_keeps_its_hints(mesh_of):
    mesh = mesh_of(3)
    mesh.down(2)
    mesh.set(0, b"k", b"v")
    mesh.unreachable = []
    mesh.nodes[0].coordinator.set_alive(2, True)         # the hint leaves ...
    mesh.down(2)                                         # ... and is lost
    assert kept(mesh, 0) == {2: 1}
    mesh.down()
    assert value_at(mesh, 2, b"k") == b"v"


def put_causally(mesh, at, key, value):
    """As a sibling of all that the node has; the siblings then, as text."""
    node, stored = mesh.nodes[at], stored_key(0, key)
    (found, _), outcome = node.store.versions(stored, stored + b"\0", 1), Outcome()
    hlc, actor, deadline_ms, buried, text = to_record(put(
        from_record(*found[0][1:]), EMPTY, node.clock.stamp(), node.coordinator.actor | 1, value))
    node.coordinator.write_changes([(stored, hlc, actor, deadline_ms, 0, buried, text)], QUORUM, 2000,
                                   outcome)
    node.commit()
    mesh.run()
    assert outcome.ok


def siblings_at(mesh, number, key):
    stored = stored_key(0, key)
    found, _ = mesh.nodes[number].store.versions(stored, stored + b"\0", 1)
    return sorted(sibling.value for sibling in from_record(*found[0][1:]).siblings
                  if not sibling.tombstone)


def test_a_causal_hint_follows_one_that_was_handed_over(mesh_of):
    mesh = mesh_of(3)
    mesh.down(2)
    mesh.set(0, b"k", b"blind")
    mesh.down()
    for value, expected in ((b"c1", [b"blind", b"c1"]), (b"c2", [b"blind", b"c1", b"c2"])):
        mesh.down(2)
        put_causally(mesh, 0, b"k", value)
        assert kept(mesh, 0) == {2: 1}
        mesh.down()
        assert siblings_at(mesh, 2, b"k") == expected
    assert kept(mesh, 0) == {}


def test_a_hint_waits_for_the_disk(tmp_path):
    """The last one of its key has gone to a table."""
    disk = FaultyDisk()
    disk.never_cached = True
    mesh = Mesh(tmp_path, 3, disk=disk)
    mesh.sloppy()
    mesh.down(1, 2)
    for number in range(3):
        assert mesh.set(0, b"k", b"v%d" % number).ok
        mesh.nodes[0].engine.seal()
        mesh.nodes[0].engine.run_steps()
        assert mesh.get(0, b"k").value == b"v%d" % number
    mesh.down()
    assert [value_at(mesh, number, b"k") for number in range(3)] == [b"v2"] * 3
    mesh.close()


def test_what_is_kept_during_a_replay_follows_it(mesh_of):
    mesh = mesh_of(3)
    mesh.down(2)
    mesh.set(0, b"k", b"v")
    hints = mesh.nodes[0].hints
    mesh.unreachable = []
    mesh.nodes[0].coordinator.set_alive(2, True)         # the replay begins
    assert hints.keep(2, [(stored_key(0, b"k"), mesh.nodes[0].clock.stamp(), 2, 0, 0, False, b"w")])
    mesh.run()
    hints.retry()
    mesh.run()
    assert value_at(mesh, 2, b"k") == b"w" and kept(mesh, 0) == {}


def test_hint_keys_lie_behind_all_slots():
    assert hint_key(0, stored_key(0, b"k")) > b"\x40\x00"
    assert hint_key(0, stored_key(0, b"k")) < hint_key(1, stored_key(0, b"k")) < b"\x51"


def test_nobody_stands_in_for_members_that_were_never_met(mesh_of):
    """A node that has just started must not answer for all of them."""
    mesh = mesh_of(3)
    mesh.set(0, b"k", b"v")
    mesh.sloppy()
    mesh.down(1, 2)
    for member in (1, 2):
        mesh.nodes[0].coordinator.set_gone(member, False)
    assert mesh.get(0, b"k").text.startswith("NOQUORUM")
    assert mesh.set(0, b"k", b"w").text.startswith("NOQUORUM")
