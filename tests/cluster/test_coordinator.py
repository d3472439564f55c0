"""Reads, writes and sweeps over several coordinators that are wired to each other (nodes.py)."""

import pytest

from cluster import levels
from cluster.levels import BadLevel
from cluster.plan import Plan
from cluster.slots import stored_key
from cluster.wire import frame_of
from tests.cluster.nodes import START_MS, Asked, Nodes

ALL = [0, 1, 2]


@pytest.fixture
def nodes(tmp_path):
    made = Nodes(tmp_path, 3)
    yield made
    made.close()


@pytest.fixture
def five(tmp_path):
    """Five nodes, of which 1, 3 and 4 hold everything."""
    made = Nodes(tmp_path, 5, [1, 3, 4])
    yield made
    made.close()


# -- everything is well ---------------------------------------------------------------------------

@pytest.mark.parametrize("number", ALL)
def test_a_write_reaches_all_replicas_and_every_node_reads_it(nodes, number):
    assert nodes.write(number, b"a", b"1").succeeded
    assert nodes.values(b"a") == [b"1"] * 3
    for other in ALL:
        read = nodes.read(other, b"a")
        assert (read.request.found, read.request.value) == (True, b"1")


def test_nothing_was_ever_written(nodes):
    read = nodes.read(0, b"none", level=levels.ALL)
    assert read.succeeded and not read.request.found


def test_a_node_without_replicas_forwards_writes_and_reads_from_others(five):
    assert five.write(0, b"a", b"1").succeeded
    assert five.delivered[0] == (0, 1, "F")                  # the first replica coordinates
    assert five.values(b"a") == [None, b"1", None, b"1", b"1"]
    assert five.read(2, b"a").request.value == b"1"
    assert five.write(2, b"a", tombstone=True).succeeded
    assert five.read(0, b"a").request.tombstone


def test_each_sink_is_told_once(nodes):
    written, read = nodes.write(0, b"a", b"1"), nodes.read(0, b"a")
    nodes.pass_ms(10_000)
    assert (written.times, read.times) == (1, 1)
    assert nodes[0].coordinator.stats()["requests_under_way"] == 0


def test_a_local_write_counts_when_its_log_is_written(nodes):
    nodes.down(1, 2)
    written = Asked()
    nodes[0].coordinator.write(stored_key(0, b"a"), b"1", 0, False, 1, 2000, 0, written)
    assert not written.done
    nodes[0].end_turn()
    assert written.succeeded


def test_with_every_write_synced_it_counts_after_the_sync(nodes):
    nodes.down(1, 2)
    nodes[0].coordinator.wait_for_sync = True
    written = nodes.write(0, b"a", b"1", level=1)
    assert not written.done and nodes[0].coordinator.waits_for_sync
    nodes[0].coordinator.synced(nodes[0].engine.written_position - 1)
    assert not written.done
    nodes[0].coordinator.synced(nodes[0].engine.written_position)
    assert written.succeeded


def test_a_write_that_was_stamped_again_counts_after_the_second_sync(nodes):
    nodes[2].clock.now_ms += 300
    for other in (1, 2):                                     # node 0 has not heard of it
        nodes.hold(other, 0)
        nodes[other].coordinator.set_alive(0, False)
    assert nodes.write(2, b"a", b"of the future").succeeded
    nodes.lose_held()
    nodes[0].coordinator.wait_for_sync = True
    written = nodes.write(0, b"a", b"new", level=levels.ALL)
    assert nodes[0].coordinator.stats()["restamped_writes"] == 1
    nodes[0].coordinator.synced(nodes[0].engine.written_position - 1)
    assert not written.done
    nodes[0].coordinator.synced(nodes[0].engine.written_position)
    assert written.succeeded and nodes.values(b"a") == [b"new"] * 3


def test_a_log_that_cannot_be_written_or_synced_is_no_acknowledgement(nodes):
    nodes.down(1, 2)
    for fail in ("commit_failed", "sync_failed"):
        nodes[0].coordinator.wait_for_sync = fail == "sync_failed"
        written = nodes.write(0, b"a", b"1", level=1, run=False)
        if fail == "sync_failed":
            nodes.run()
        getattr(nodes[0].coordinator, fail)("the disk is full")
        assert written.text.startswith("NOQUORUM 1 response was required but only 0 replicas responded")
        assert "the disk is full" in written.text


# -- a version from the future ------------------------------------------------------------------------

def test_what_one_replica_has_from_the_future_keeps_nobody_from_writing(tmp_path):
    """Its clock was an hour ahead for a moment; it is the coordinator of the key."""
    nodes = Nodes(tmp_path, 3, [2, 0, 1])
    nodes[2].clock.now_ms += 3_600_000
    assert not nodes.write(2, b"a", b"of the future").succeeded
    nodes[2].clock.now_ms -= 3_600_000
    for entry in (0, 1):
        assert nodes.write(entry, b"a", b"by %d" % entry).succeeded
        assert nodes.read(entry, b"a").request.value == b"by %d" % entry
    nodes.close()


# -- a store that takes no writes -----------------------------------------------------------------

@pytest.mark.parametrize("entry", ALL)
@pytest.mark.parametrize("full", ALL)
def test_a_full_disk_keeps_no_blind_write_from_the_others(nodes, entry, full):
    """Whoever coordinates it, and whoever was asked."""
    assert nodes.write(entry, b"a", b"old").succeeded
    nodes[full].fill_disk()
    assert nodes.write(entry, b"a", b"new").succeeded
    assert nodes.values(b"a") == [b"old" if number == full else b"new" for number in ALL]
    assert nodes.read(full, b"a").request.value == b"new"
    assert nodes.write(entry, b"a", tombstone=True).succeeded
    assert not nodes.write(entry, b"a", b"on all", level=levels.ALL).succeeded
    nodes[full].empty_disk()
    assert nodes.write(entry, b"a", b"last", level=levels.ALL).succeeded


@pytest.mark.parametrize("entry", ALL)
def test_two_full_disks_of_three_refuse(nodes, entry):
    for full in (0, 2):
        nodes[full].fill_disk()
    written = nodes.write(entry, b"a", b"1")
    assert written.text.startswith("NOQUORUM 2 responses were required but only ")
    assert "the disk is full" in written.text


# -- levels and failures --------------------------------------------------------------------------

@pytest.mark.parametrize(("level", "down", "possible"), [
    (1, [1, 2], True), (levels.QUORUM, [2], True), (levels.QUORUM, [1, 2], False),
    (levels.ALL, [2], False), (2, [1], True), (3, [1], False), (levels.LOCAL_QUORUM, [1], True)])
def test_levels_with_nodes_that_are_down(nodes, level, down, possible):
    nodes.down(*down)
    written, read = nodes.write(0, b"a", b"1", level=level), nodes.read(0, b"a", level=level)
    assert (written.succeeded, read.succeeded) == (possible, possible)
    if not possible:
        alive = 3 - len(down)
        for text in (written.text, read.text):
            assert text.startswith("NOQUORUM ") and text.endswith("alive; nothing was done")
            assert f"only {alive} replica{'s are' if alive > 1 else ' is'} alive" in text
        assert nodes.value(0, b"a") is None


def test_a_level_that_no_replicas_could_meet(nodes):
    for ask in (nodes.write, nodes.read):
        with pytest.raises(BadLevel, match="level 4 cannot be met: this key has 3 replicas"):
            ask(0, b"a", level=4)


def test_the_next_replica_coordinates_when_the_first_is_down(five):
    five.down(1)
    assert five.write(0, b"a", b"1").succeeded
    assert five.delivered[0] == (0, 3, "F")
    five.down(3, 4)
    assert five.write(0, b"a", b"2").text.startswith("NOQUORUM 2 responses are required but only 0 ")


def test_a_lost_answer_ends_in_a_timeout_that_does_not_say_no(nodes):
    nodes.hold(0, 1)
    nodes.hold(0, 2)
    written = nodes.write(0, b"a", b"1")
    nodes.pass_ms(1999)
    assert not written.done
    nodes.pass_ms(1)
    assert written.text == (
        "TIMEOUT the outcome of the write is unknown: 2 responses were required and 1 replica responded "
        "within 2000 ms (directive write-request-timeout)")
    nodes.let_go()
    assert nodes.values(b"a") == [b"1"] * 3                   # it did happen


def test_a_broken_connection_is_no_answer(nodes):
    nodes.hold(0, 1)
    nodes.hold(0, 2)
    written, read = nodes.write(0, b"a", b"1"), nodes.read(0, b"a")
    nodes[0].coordinator.set_alive(1, False)
    assert not written.done
    nodes[0].coordinator.set_alive(2, False)
    assert written.text == ("NOQUORUM 2 responses were required but only 1 replica responded; the write "
                            "may still take effect")
    assert read.text == "NOQUORUM 2 responses were required but only 1 replica responded"


def test_a_read_asks_another_replica_when_one_is_lost(nodes):
    nodes.write(0, b"a", b"1")
    nodes.hold(0, 1)
    read = nodes.read(0, b"a")
    assert not read.done
    nodes[0].coordinator.set_alive(1, False)
    nodes.run()
    assert read.succeeded and read.request.value == b"1"


# -- hedges ---------------------------------------------------------------------------------------

def test_a_slow_read_is_hedged(nodes):
    nodes.write(0, b"a", b"1")
    nodes.hold(0, 1)
    read = nodes.read(0, b"a")
    nodes.pass_ms(15)
    assert not read.done
    nodes.pass_ms(10)
    assert read.succeeded
    assert nodes[0].coordinator.stats()["hedged_requests"] == 1


def test_a_forwarded_write_that_takes_long_is_coordinated_here(nodes):
    """And when the frozen coordinator finds it at last, nothing old comes back."""
    nodes.hold(1, 0)
    written = nodes.write(1, b"a", b"1")
    nodes.pass_ms(110)
    assert written.succeeded
    assert nodes.values(b"a") == [None, b"1", b"1"]
    nodes.pass_ms(5000)
    assert nodes.write(2, b"a", b"2").succeeded
    nodes.let_go()
    assert nodes.values(b"a") == [b"2"] * 3


def freeze(nodes, number):
    """It answers nobody, and nobody is told why."""
    for other in ALL:
        nodes.hold(number, other)


def test_hedges_that_win_do_not_make_the_next_one_wait_longer(nodes):
    """A frozen replica once made the hedge time double with each read, up to a second."""
    nodes.write(0, b"a", b"1")
    usual = nodes[0].coordinator.usual_ms
    freeze(nodes, 1)
    for _ in range(50):
        nodes[0].monotonic_ms += 1000                        # (each of them finds it silent no more)
        nodes[0].coordinator.receive_bytes(1, 1, frame_of("A"))
        read = nodes.read(0, b"a")
        nodes.pass_ms(110)
        assert read.succeeded
    assert nodes[0].coordinator.usual_ms <= usual


def test_who_owes_answers_is_asked_last(nodes):
    nodes.write(0, b"a", b"1")
    freeze(nodes, 1)
    nodes.read(0, b"a")
    nodes.pass_ms(250)
    assert nodes[0].coordinator.is_silent(1)
    hedges = nodes[0].coordinator.stats()["hedged_requests"]
    reads = [nodes.read(0, b"a") for _ in range(10)]
    assert all(read.succeeded for read in reads)             # without a wait
    assert nodes[0].coordinator.stats()["hedged_requests"] == hedges
    nodes.let_go()
    assert not nodes[0].coordinator.is_silent(1)


def test_who_only_reads_finds_out_that_a_silent_one_answers_again(nodes):
    nodes.write(0, b"a", b"1")
    freeze(nodes, 1)
    nodes.read(0, b"a")
    nodes.pass_ms(250)
    nodes.lose_held()                                        # what was asked is never answered
    assert nodes.read(0, b"a").succeeded
    assert not nodes[0].coordinator.is_silent(1)


def test_writes_are_coordinated_by_somebody_who_answers(nodes):
    freeze(nodes, 0)
    first = nodes.write(1, b"a", b"1")
    nodes.pass_ms(250)
    assert first.succeeded and nodes[1].coordinator.is_silent(0)
    del nodes.delivered[:]
    assert nodes.write(1, b"a", b"2").succeeded              # without a wait
    assert "F" not in [kind for _, _, kind in nodes.delivered]
    assert nodes[1].coordinator.preferred(nodes[1].coordinator.plan_for(stored_key(0, b"a")), 2) == 0
    nodes.let_go()
    assert nodes.values(b"a") == [b"2"] * 3


def test_where_everybody_is_silent_they_are_asked_all_the_same(nodes):
    nodes.write(0, b"a", b"1")
    for number in (1, 2):
        freeze(nodes, number)
    nodes.write(0, b"a", b"2", run=False)
    nodes.pass_ms(250)
    read = nodes.read(0, b"a")
    assert not read.done
    nodes.let_go()
    assert read.succeeded and read.request.value == b"2"


def test_a_coordinator_that_is_lost_with_a_write(nodes):
    nodes.hold(1, 0)
    written = nodes.write(1, b"a", b"1")
    nodes.down(0)
    nodes.run()
    assert written.succeeded and nodes.value(2, b"a") == b"1"


def test_what_a_frozen_member_has_not_answered_is_cleared_up_in_slices(nodes):
    """Their clients have their answers; all at once they would stop the node."""
    freeze(nodes, 2)
    assert all(nodes.write(0, b"%d" % number, b"v").succeeded for number in range(250))
    coordinator = nodes[0].coordinator
    waiting = nodes.write(0, b"all", b"v", level=levels.ALL)
    coordinator.set_alive(2, False)
    assert waiting.text.startswith("NOQUORUM 3 responses were required but only 2")
    left = []
    for _ in range(4):
        left.append(coordinator.stats()["requests_under_way"])
        nodes.pass_ms(10)
    assert left == [250, 150, 50, 0]


def test_a_coordinator_that_reaches_nobody_else_is_not_the_last_word(five):
    """It has just been started: the others reach it, and it has no connections of its own yet."""
    for other in (3, 4):
        five[1].coordinator.set_alive(other, False)
    written = five.write(0, b"a", b"1")
    assert five.delivered[0] == (0, 1, "F") and written.succeeded
    assert five.values(b"a") == [None, b"1", None, b"1", b"1"]
    five.nodes[0].coordinator.set_alive(3, False)
    five.nodes[0].coordinator.set_alive(4, False)
    assert five.write(0, b"a", b"2").text == (
        "NOQUORUM 2 responses are required but only 1 replica is alive; nothing was done")


# -- clocks ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("number", ALL)
def test_a_set_takes_effect_though_another_clock_was_ahead(nodes, number):
    nodes[2].clock.now_ms += 300
    nodes.hold(2, 1)                                         # node 1 has not heard of it
    nodes.hold(0, 1)
    assert nodes.write(2, b"a", b"of the future").succeeded
    nodes.lose_held()
    assert nodes.write(number, b"a", b"new").succeeded
    assert nodes.values(b"a") == [b"new"] * 3


def test_a_clock_that_is_too_far_ahead_is_refused(nodes):
    for node in nodes[1], nodes[2]:
        node.clock.now_ms -= 10_000
    written = nodes.write(0, b"a", b"1")
    assert written.text.startswith("NOQUORUM 2 responses were required but only 1 replica responded; "
                                   "the write may still take effect (a timestamp is 10000 ms ahead of")
    assert nodes.values(b"a") == [b"1", None, None]
    assert nodes[1].clock.last >> 16 < START_MS             # and pulls no other clock along


# -- read repair ----------------------------------------------------------------------------------

def test_a_stale_replica_is_repaired_by_a_read(nodes):
    nodes.write(0, b"a", b"old")
    nodes.down(2)
    nodes.write(0, b"a", b"new")
    nodes.up(2)
    assert nodes.values(b"a") == [b"new", b"new", b"old"]
    assert nodes.read(2, b"a").request.value == b"new"
    assert nodes.values(b"a") == [b"new"] * 3
    assert nodes[2].coordinator.stats()["read_repairs"] == 1


def test_a_delete_that_a_replica_missed_does_not_come_undone(nodes):
    nodes.write(0, b"a", b"old")
    nodes.down(2)
    nodes.write(0, b"a", tombstone=True)
    nodes.up(2)
    read = nodes.read(2, b"a")
    assert read.request.tombstone and nodes.values(b"a") == [None] * 3


def test_late_answers_repair_too(nodes):
    nodes.write(0, b"a", b"old")
    nodes.down(2)
    nodes.write(0, b"a", b"new")
    nodes.up(2)
    nodes.hold(0, 2)
    read = nodes.read(0, b"a", level=levels.ALL)
    nodes.pass_ms(5000)
    assert read.text.startswith("TIMEOUT the read was given up: 3 responses were required and 2 ")
    nodes.let_go()
    assert nodes.value(2, b"a") == b"old"                    # nobody waits for it any more
    nodes.read(0, b"a", level=levels.ALL)
    assert nodes.values(b"a") == [b"new"] * 3


# -- sweeps ---------------------------------------------------------------------------------------

def sweep(nodes, number, run=True):
    asked = Asked()
    nodes[number].coordinator.sweep(0, asked, 2000)
    return nodes.after(asked, run)


def test_a_sweep_takes_everything_everywhere(nodes):
    for number in ALL:
        nodes.write(number, b"%d" % number, b"v")
    assert sweep(nodes, 1).succeeded
    assert [nodes.values(b"%d" % number) for number in ALL] == [[None] * 3] * 3
    assert nodes.write(0, b"0", b"after").succeeded
    assert nodes.read(2, b"0").request.value == b"after"


def test_a_sweep_takes_what_a_clock_ahead_has_just_acknowledged(nodes):
    nodes[2].clock.now_ms += 200
    nodes.hold(2, 1)                                         # node 1 has not heard of it
    nodes.hold(0, 1)
    nodes.hold(1, 0)
    assert nodes.write(2, b"a", b"v", level=1).succeeded
    nodes.lose_held()
    assert sweep(nodes, 1).succeeded
    assert nodes.values(b"a") == [None] * 3


def test_a_sweep_needs_every_node(nodes):
    nodes.write(0, b"a", b"v")
    nodes.down(2)
    assert sweep(nodes, 0).text == (
        "NOQUORUM deleting a whole database needs every node, 10.0.0.2:7000 cannot be reached; nothing "
        "was done")
    assert nodes.value(0, b"a") == b"v"


def test_a_late_version_for_one_member_is_no_sweep(nodes):
    """As a hint is handed over: the member has something newer, and nothing else happens."""
    nodes.write(0, b"a", b"new")
    nodes.write(0, b"b", b"v")
    asked = Asked()
    nodes[0].coordinator.write_to(
        Plan(-2, (2,), (), ("dc1",), 0, "dc1"),
        [(stored_key(0, b"a"), (START_MS - 1000) << 16, 4, 0, 0, False, b"old")], 2000, asked)
    nodes.run()
    assert asked.request.was_overtaken
    assert nodes.values(b"a") == [b"new"] * 3 and nodes.values(b"b") == [b"v"] * 3


# -- frames that nobody should send ---------------------------------------------------------------

@pytest.mark.parametrize("frame", [
    frame_of("A", request=999), frame_of("V", request=1), frame_of("O", request=7), frame_of("Y"),
    frame_of("?"), frame_of("Z", b"k", b"v")], ids=range(6))
def test_answers_to_nothing_and_unknown_kinds_are_ignored(nodes, frame):
    nodes[0].coordinator.receive_bytes(1, 1, frame)
    assert nodes.run().write(0, b"a", b"1").succeeded


def test_an_answer_counts_once(nodes):
    """A doubled acknowledgement is not a second replica."""
    nodes.hold(0, 2)
    nodes.hold(0, 1)
    written = nodes.write(0, b"a", b"1", level=levels.ALL)
    request = nodes[0].coordinator
    pending = next(iter(request.pending.values()))
    for _ in range(3):
        request.receive_bytes(1, 1, frame_of("A", request=pending.id, hlc=pending.hlc))
    assert not written.done
    request.receive_bytes(2, 2, frame_of("A", request=pending.id, hlc=pending.hlc - 1))
    assert not written.done                                  # of another round
    request.receive_bytes(2, 2, frame_of("A", request=pending.id, hlc=pending.hlc))
    assert written.succeeded
