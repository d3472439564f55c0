"""Replicas that have drifted apart become the same: by example, under loss, at a bounded cost."""

import random

import pytest

from cluster import levels
from cluster.anti_entropy import Options
from cluster.request import Sink
from cluster.slots import stored_key
from cluster.versions import winner
from tests.cluster.repair_rig import EPOCH_MS, Cluster


@pytest.fixture
def make(tmp_path):
    made = []

    def make(**options):
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Cluster(folder, **options))
        return made[-1]

    yield make
    for cluster in made:
        cluster.close()


def assert_equal(cluster):
    first, *others = [cluster.contents(number) for number in range(cluster.count)]
    assert all(other == first for other in others)
    return first


def diverge(cluster, rng, count, nodes=(0, 1, 2)):
    """Random writes of all kinds, each reaching some of the nodes."""
    for _ in range(count):
        key = b"key:%d" % rng.randrange(count // 2)
        some = rng.sample(nodes, rng.randint(1, len(nodes)))
        kind = rng.random()
        if kind < 0.5:
            cluster.store(some, key, rng.randbytes(rng.randrange(60)))
        elif kind < 0.65:
            cluster.store(some, key, tombstone=True)
        elif kind < 0.75:
            dot = cluster.store(some, key, b"v", deadline_ms=EPOCH_MS + rng.randrange(10**9))
            if rng.random() < 0.5:
                cluster.annotate(some[0], key, dot, b"v", EPOCH_MS + rng.randrange(10**9))
        else:
            cluster.store_causal(some[0], key, rng.randbytes(10), rng.random() < 0.2)


@pytest.mark.parametrize("seed", range(6))
def test_random_divergence_ends(make, seed):
    cluster, rng = make(seed=seed), random.Random(seed)
    diverge(cluster, rng, 300)
    if seed % 2:
        cluster.nodes[seed % 3].engine.flush()
    cluster.repair(seed % 3)
    assert len(assert_equal(cluster)) > 100
    cluster.repair(seed % 3)
    roots = [[part.tree.root for part in node.repairer.parts.values()] for node in cluster.nodes]
    assert roots[0] == roots[1] == roots[2]


def test_equal_replicas_exchange_roots_and_marks_only(make):
    cluster = make()
    for number in range(200):
        cluster.store([0, 1, 2], b"key:%d" % number, bytes(100))
    cluster.repair()
    assert cluster.frames_sent == cluster.partitions * 2 * 2 * 2
    assert cluster.bytes_sent < 100 * cluster.frames_sent


def test_siblings_meet(make):
    cluster = make()
    cluster.store_causal(0, b"a", b"one")
    cluster.store_causal(1, b"a", b"two")
    cluster.repair(2)
    assert_equal(cluster)
    assert {sibling.value for sibling in cluster.state(2, b"a").siblings} == {b"one", b"two"}


def test_one_percent_costs_less_than_five(make):
    """The bound that is promised: 1 % of the keys differ, 5 % of the data's bytes are sent."""
    cluster, rng = make(partitions=16), random.Random(7)
    keys = [b"user:%08d" % number for number in range(20_000)]
    data_bytes = 0
    for key in keys:
        value = rng.randbytes(100)
        data_bytes += len(key) + len(value)
        cluster.store([0, 1, 2], key, value)
    for key in rng.sample(keys, len(keys) // 100):
        cluster.store(rng.sample([0, 1, 2], 1), key, rng.randbytes(100))
    cluster.repair()
    assert_equal(cluster)
    assert cluster.bytes_sent / 2 < 0.05 * data_bytes      # three replicas: twice two


@pytest.mark.parametrize("seed", range(3))
def test_lost_frames_and_a_peer_that_dies_in_the_middle(make, seed):
    cluster, rng = make(seed=seed), random.Random(seed)
    diverge(cluster, rng, 200)
    cluster.lose_frame = lambda sender, target, frame: rng.random() < 0.05
    cluster.nodes[0].repairer.repair()
    cluster.run_for(1000)
    cluster.stop(1)
    cluster.run_for(1000)
    cluster.start(1)
    cluster.lose_frame = lambda sender, target, frame: False
    cluster.run_for(70_000)
    cluster.repair()
    assert_equal(cluster)


def test_a_late_answer_finds_nobody(make):
    cluster = make()
    cluster.store(0, b"a", b"1")
    repairer = cluster.nodes[0].repairer
    repairer.repair()
    cluster.run(lambda: repairer.asking)
    token = next(iter(repairer.asking))
    repairer.fail(token, "was given up")
    cluster.repair()
    assert_equal(cluster)


def test_the_rate_is_kept(make):
    cluster = make(options=Options(rate_bytes=200_000))
    for number in range(3000):
        cluster.store(0, b"key:%d" % number, bytes(200))
    began_ms = cluster.now_ms
    cluster.repair()
    assert_equal(cluster)
    assert cluster.bytes_sent > 1_200_000
    assert cluster.now_ms - began_ms > 1000 * (600_000 - 128_000) / 200_000


# -- proof and purging -------------------------------------------------------------------------------

def verified(cluster, number=0):
    return {part.partition: part.verified_hlc for part in cluster.nodes[number].repairer.parts.values()}


def test_a_round_of_all_verifies_up_to_before_its_start(make):
    cluster = make()
    cluster.run_for(10_000)
    before = (EPOCH_MS + cluster.now_ms) << 16
    cluster.store(0, b"a", b"1")
    cluster.repair()
    for number in range(3):
        for hlc in verified(cluster, number).values():
            assert before - (10_000 << 16) < hlc <= before - (2000 << 16)
        assert cluster.nodes[number].repairer.garbage() == (0, 0)
    cluster.run_for(10_000)
    cluster.repair()
    line_ms, line_hlc = cluster.nodes[0].repairer.garbage()
    assert line_hlc == min(part.line_hlc for part in cluster.nodes[0].repairer.parts.values()) > 0
    assert line_ms == line_hlc >> 16


def test_not_verified_while_one_is_missing(make):
    cluster = make()
    cluster.stop(2)
    cluster.store(0, b"a", b"1")
    cluster.nodes[0].repairer.repair()
    cluster.run_for(3000)
    assert set(verified(cluster).values()) == {0}
    assert cluster.contents(0) == cluster.contents(1)
    assert all("cannot be reached" in part.error
               for part in cluster.nodes[0].repairer.parts.values())
    cluster.start(2)
    cluster.run(lambda: all(verified(cluster).values()), limit_ms=120_000)


def test_a_hint_holds_the_proof_back(make):
    cluster = make()
    cluster.run_for(10_000)
    oldest = (EPOCH_MS + 1000) << 16
    cluster.nodes[1].repairer.hold_back = lambda partition: oldest if partition == 2 else 0
    cluster.repair()
    assert [partition for partition, hlc in verified(cluster).items() if hlc <= oldest] == [2]


def test_who_holds_no_partition_purges_no_hints(make):
    cluster = make(count=4, partitions=1)
    repairer = cluster.nodes[3].repairer
    oldest_hlc = cluster.nodes[3].clock.stamp()
    assert not repairer.parts and repairer.garbage()[1] > oldest_hlc
    repairer.hold_back = lambda partition: oldest_hlc
    assert repairer.garbage()[1] == oldest_hlc


def test_watermarks_survive_a_restart(make):
    cluster = make()
    cluster.run_for(10_000)
    cluster.repair()
    cluster.run_for(10_000)
    cluster.repair()
    before = verified(cluster, 1), cluster.nodes[1].repairer.garbage()
    cluster.stop(1)
    cluster.start(1)
    assert (verified(cluster, 1), cluster.nodes[1].repairer.garbage()) == before


def proved(cluster, rounds=2):
    """So that everything up to now lies below the line of every node."""
    for _ in range(rounds + 1):
        cluster.run_for(10_000)
        cluster.repair()


def purge(cluster, number):
    """A compaction of all there is, which leaves out what it may."""
    node = cluster.nodes[number]
    for count in range(3):
        node.store.keep(b"\x40\x02%d" % count, node.clock.stamp(), b"")
        node.engine.commit()
        node.engine.flush()
        node.engine.run_steps(*node.repairer.garbage())


def test_purged_on_one_replica_only_makes_no_difference(make):
    cluster = make()
    cluster.store([0, 1, 2], b"a", b"1")
    cluster.store([0, 1, 2], b"b", b"1", deadline_ms=EPOCH_MS + 5)
    cluster.store([0, 1, 2], b"a", tombstone=True)
    proved(cluster)
    purge(cluster, 0)
    assert cluster.contents(0) == {} and len(cluster.contents(1)) == 2
    before = cluster.frames_sent
    cluster.run_for(10_000)
    cluster.repair()
    assert cluster.frames_sent - before == cluster.partitions * 2 * 2 * 2      # roots and marks
    assert cluster.contents(0) == {} and len(cluster.contents(1)) == 2


def purged_everywhere(cluster):
    """Delete the key a, and purge it; a timestamp from before."""
    late = cluster.nodes[0].clock.stamp()
    cluster.store([0, 1, 2], b"a", tombstone=True)
    proved(cluster)
    for number in range(3):
        purge(cluster, number)
        assert cluster.contents(number) == {}
    return late


def test_a_late_write_does_not_bring_back_what_was_purged(make):
    cluster = make()
    late = purged_everywhere(cluster)
    node = cluster.nodes[0]
    cluster.store(0, b"a", b"back from the dead", hlc=late)
    line_hlc = node.repairer.parts[node.coordinator.plan_for(stored_key(0, b"a")).partition].line_hlc
    assert (node.replica.late, node.replica.newest_hlc) == (1, line_hlc)
    assert cluster.contents(0) == {}
    cluster.store(1, b"a", b"and again", hlc=late)      # deleted and known, or deleted and purged
    cluster.repair()
    assert all(cluster.contents(number) == {} for number in range(3))


def test_a_late_write_is_no_sibling_of_what_was_written_after_the_purge(make):
    cluster = make()
    late = purged_everywhere(cluster)
    cluster.store_causal(0, b"a", b"new")
    cluster.repair()
    cluster.store(1, b"a", b"back from the dead", hlc=late)
    cluster.repair()
    for number in range(3):
        assert [sibling.value for sibling in cluster.state(number, b"a").siblings] == [b"new"]


def test_a_new_write_is_taken(make):
    cluster = make()
    proved(cluster)
    cluster.store(0, b"a", b"1")
    cluster.repair()
    assert winner(cluster.state(2, b"a")).value == b"1"


def test_a_late_write_to_a_key_that_is_known_is_taken(make):
    """Nothing newer of it can have been purged: that would have replaced what is there."""
    cluster = make()
    early, late = cluster.nodes[0].clock.stamp(), cluster.nodes[0].clock.stamp()
    cluster.store([0, 1, 2], b"a", b"1", hlc=early)
    proved(cluster)
    cluster.store(0, b"a", b"2", hlc=late)
    cluster.repair()
    assert [winner(cluster.state(number, b"a")).value for number in range(3)] == [b"2"] * 3


def test_records_lost_below_the_line_come_back_from_the_others(make):
    """A table was salvaged, say: the watermarks are there, the records are not."""
    cluster = make()
    cluster.store([0, 1, 2], b"a", b"1")
    proved(cluster)
    marks = cluster.nodes[1].repairer.marks.rows
    cluster.stop(1)
    cluster.disks[1] += 1
    cluster.start(1)
    for partition, row in marks.items():
        cluster.nodes[1].repairer.marks.write(partition, *row)
    assert cluster.contents(1) == {}
    cluster.repair()
    assert winner(cluster.state(1, b"a")).value == b"1"
    assert not cluster.nodes[1].repairer.progress()["partitions_refilling"]


# -- lost disks ------------------------------------------------------------------------------------

def test_a_wiped_disk_is_refilled(make):
    cluster, rng = make(), random.Random(3)
    diverge(cluster, rng, 300)
    cluster.repair()
    cluster.stop(1)
    cluster.store([0, 2], b"meanwhile", b"1")
    cluster.start(1, wiped=True)
    repairer = cluster.nodes[1].repairer
    assert not any(repairer.ready(partition) for partition in range(cluster.partitions))
    cluster.store([0, 1, 2], b"as it comes back", b"1")
    cluster.run(lambda: not repairer.progress()["partitions_refilling"])
    assert all(repairer.ready(partition) for partition in range(cluster.partitions))
    cluster.repair()
    assert_equal(cluster)


class Answer(Sink):
    result = text = value = None

    def finished(self, request):
        self.result, self.text, self.value = request.succeeded, request.text, request.value


def read(cluster, number, key, level):
    answer = Answer()
    cluster.nodes[number].coordinator.read(stored_key(0, key), level, 5000, answer)
    cluster.run(lambda: answer.result is not None)
    return answer


def test_reads_are_answered_by_the_others_until_it_is_refilled(make):
    cluster = make()
    cluster.store([0, 1, 2], b"a", b"1")
    cluster.stop(1)
    cluster.start(1, wiped=True)
    cluster.lose_frame = lambda sender, target, frame: frame[8:9] in b"MN"      # nothing is refilled
    for number in range(3):
        assert read(cluster, number, b"a", levels.QUORUM).value == b"1"
        refused = read(cluster, number, b"a", levels.ALL)
        assert refused.result is False and "NOQUORUM" in refused.text
    cluster.lose_frame = lambda sender, target, frame: False
    cluster.run(lambda: not cluster.nodes[1].repairer.progress()["partitions_refilling"])
    assert read(cluster, 0, b"a", levels.ALL).value == b"1"


def test_who_is_being_refilled_is_asked_last(make):
    cluster = make()
    cluster.store([0, 1, 2], b"a", b"1")
    cluster.stop(1)
    cluster.start(1, wiped=True)
    asked = []

    def lose(sender, target, frame):
        if frame[8:9] == b"R" and target == 1:
            asked.append(cluster.now_ms)
        return frame[8:9] in b"MN"

    cluster.lose_frame = lose
    for _ in range(100):
        assert read(cluster, 0, b"a", levels.QUORUM).value == b"1"
        cluster.run_for(20)
    assert 1 <= len(asked) < 10


def test_refilling_waits_for_all_others_and_survives_a_restart(make):
    cluster = make()
    cluster.store(0, b"only here", b"1")
    cluster.stop(1)
    cluster.stop(0)
    cluster.start(1, wiped=True)
    cluster.run_for(30_000)
    assert cluster.nodes[1].repairer.progress()["partitions_refilling"] == cluster.partitions
    cluster.stop(1)
    cluster.start(1)
    assert cluster.nodes[1].repairer.progress()["partitions_refilling"] == cluster.partitions
    cluster.start(0)
    cluster.run(lambda: not cluster.nodes[1].repairer.progress()["partitions_refilling"])
    assert winner(cluster.state(1, b"only here")).value == b"1"


def test_a_replica_that_returns_during_the_round_it_missed_is_not_waited_for(make):
    cluster = make(options=Options(rate_bytes=500))       # slow rounds
    cluster.store(0, b"only here", b"1")
    cluster.stop(1)
    cluster.stop(0)
    cluster.start(1, wiped=True)
    cluster.run(lambda: any(part.round for part in cluster.nodes[1].repairer.parts.values()))
    cluster.start(0)                       # after the first rounds have begun without it
    assert cluster.nodes[1].repairer.progress()["partitions_refilling"]
    cluster.run(lambda: not cluster.nodes[1].repairer.progress()["partitions_refilling"], 60_000)
    assert winner(cluster.state(1, b"only here")).value == b"1"


def test_a_large_partition_comes_in_parcels(make):
    cluster = make(partitions=1)
    for number in range(3000):
        cluster.store([0, 2], b"key:%d" % number, bytes(200))
    cluster.stop(1)
    cluster.start(1, wiped=True)
    before = cluster.bytes_sent
    cluster.run(lambda: not cluster.nodes[1].repairer.progress()["partitions_refilling"])
    assert len(cluster.contents(1)) == 3000
    assert cluster.bytes_sent - before < 1.35 * 3000 * 230


def test_an_old_backup_does_not_bring_back_the_dead(make):
    """Node 1 comes back with a disk from before: it holds what all others have deleted and purged."""
    cluster = make(partitions=1)
    cluster.store([0, 1, 2], b"dead", b"1")
    cluster.store([0, 1, 2], b"alive", b"1")
    backup = cluster.state(1, b"dead").siblings[0]
    cluster.store([0, 1, 2], b"dead", tombstone=True)
    proved(cluster)
    for number in range(3):
        purge(cluster, number)
    cluster.stop(1)
    cluster.disks[1] += 1
    cluster.start(1)
    cluster.store(1, b"dead", b"1", hlc=backup.hlc)
    cluster.run_for(30_000)
    cluster.repair()
    for number in range(3):
        assert winner(cluster.state(number, b"alive")).value == b"1"
        dead = winner(cluster.state(number, b"dead"))
        assert dead is None or dead.tombstone


def test_one_seed_is_one_history(make):
    histories = []
    for _ in range(2):
        cluster, rng = make(seed=5), random.Random(5)
        diverge(cluster, rng, 100)
        cluster.repair()
        histories.append((cluster.now_ms, cluster.bytes_sent, cluster.frames_sent,
                          [node.repairer.progress() for node in cluster.nodes]))
    assert histories[0] == histories[1]
