"""Real nodes in network namespaces of their own, between which packets vanish without a word (network.py).

    majority   goes on, and its clients see no error
    minority   with `sloppy-quorum no`: refuses, reads nothing and takes nothing; with `yes`: takes writes
               while one real replica is there, and hands them over afterwards
    healed     everybody has everything that was acknowledged on either side
"""

import contextlib
import functools
import time

import pytest
import redis

from tests.e2e.cluster import Cluster
from tests.e2e.load import Load
from tests.e2e.network import Network, why_not
from tests.e2e.server import eventually
from tests.e2e.test_cluster_failures import master_key

missing = why_not()
pytestmark = [pytest.mark.slow, pytest.mark.skipif(missing is not None, reason=str(missing))]


@contextlib.contextmanager
def running(folder, *options, nodes=3):
    with Network(nodes) as network, Cluster(folder, *options, nodes=nodes, network=network) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def strict_nodes(tmp_path_factory):
    with running(tmp_path_factory.mktemp("strict"), "--sloppy-quorum", "no") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def sloppy_nodes(tmp_path_factory):
    with running(tmp_path_factory.mktemp("sloppy"), "--sloppy-quorum", "yes") as cluster:
        yield cluster


def whole(cluster):
    cluster.network.heal()
    cluster.mend()


@pytest.fixture
def strict(strict_nodes):
    whole(strict_nodes)
    strict_nodes.flush()
    yield strict_nodes
    whole(strict_nodes)


@pytest.fixture
def sloppy(sloppy_nodes):
    whole(sloppy_nodes)
    sloppy_nodes.flush()
    yield sloppy_nodes
    whole(sloppy_nodes)


def outcome(command, *words):
    """The reply, or the error as a text."""
    try:
        return command(*words)
    except redis.RedisError as error:
        return str(error)


def refused(client, *words):
    """Whether a command is refused as one that this side cannot do; until then its fate may be unknown."""
    said = outcome(client.execute_command, *words)
    assert isinstance(said, str) and said.startswith(("NOQUORUM", "TIMEOUT", "CLUSTERDOWN")), (words, said)
    return said.startswith("NOQUORUM") and "nothing was done" in said


def same_everywhere(cluster, values):
    """Each replica has these values itself."""
    for node in cluster.nodes:
        with node.client() as client:
            client.execute_command("KV.CONSISTENCY", "READ", "ONE")
            with contextlib.suppress(AssertionError):
                eventually(lambda client=client: client.mget(list(values)) == list(values.values()), 60)
            assert dict(zip(values, client.mget(list(values)))) == values


def assert_unharmed(cluster, load):
    """No client saw an error, and every node knows what was acknowledged."""
    assert load.errors == [], cluster.logs
    for node in cluster.nodes:
        load.check(node.client())


# -- the majority ---------------------------------------------------------------------------------

@pytest.mark.parametrize("how", ["vanish", "unplugged"])
def test_one_of_three_is_cut_off_under_load(strict, how):
    with Load(strict, writers=[0, 1], readers=[1, 0]) as load:
        strict.network.isolate(2) if how == "vanish" else strict.network.unplug(2)
        load.go_on(100)
        strict.wait_for_loss(2)
        load.go_on(300)
        strict.network.heal()
        strict.wait_for("ok")
        load.go_on(300)
    assert_unharmed(strict, load)


def test_packets_of_one_direction_between_two_vanish(strict):
    """Both reach the third, so nobody is down, and yet two cannot work with each other."""
    with Load(strict, writers=[0, 1, 2], readers=[0, 1, 2]) as load:
        strict.network.cut([0], [1], both_ways=False)
        load.go_on(500)
        for node in strict.nodes:
            with node.client() as client:
                assert client.cluster("INFO")["cluster_state"] == "ok"
        load.go_on(1000)
        strict.network.heal()
        strict.wait_for("ok")
        load.go_on(300)
    assert_unharmed(strict, load)


# -- a minority that is strict --------------------------------------------------------------------

def test_a_strict_minority_takes_nothing_and_shows_nothing(strict):
    inside, outside = strict[2].client(), strict[0].client()
    keys = [f"k{number}" for number in range(20)]
    for key in keys:
        outside.set(key, "old")
    strict.network.isolate(2, clients=False)
    for command in (["SET", "mine", "1"], ["GET", "k0"], ["INCR", "count"], ["DEL", "k0"],
                    ["MGET", "k0", "k1"]):
        eventually(functools.partial(refused, inside, *command))
    for number, key in enumerate(keys):
        assert outside.set(key, "new")
        assert refused(inside, "GET", key) and refused(inside, "SET", key, "of the minority")
        assert refused(inside, "SET", f"mine {number}", "1")
    strict.network.heal()
    strict.wait_for("ok")
    assert inside.mget(keys) == [b"new"] * 20
    assert inside.exists(*[f"mine {number}" for number in range(20)]) == 0
    same_everywhere(strict, {key: b"new" for key in keys})


# -- a minority that is sloppy --------------------------------------------------------------------

def hints(cluster):
    return sum(row.get("count", row.get(b"count")) for node in cluster.nodes
               for row in node.client().execute_command("KV.HINTS"))


def test_a_sloppy_minority_takes_writes_and_hands_them_over(sloppy):
    inside, outside = sloppy[2].client(), sloppy[0].client()
    outside.set("common", "before")
    sloppy.network.isolate(2, clients=False)
    eventually(lambda: outcome(inside.set, "first", "1") is True)
    values = {b"first": b"1"}
    for number in range(100):
        assert inside.set(f"in:{number}", number) and outside.set(f"out:{number}", number)
        values |= {b"in:%d" % number: b"%d" % number, b"out:%d" % number: b"%d" % number}
    assert inside.get("in:7") == b"7"                        # from its own replica and its own hints
    assert hints(sloppy) >= 200
    assert outside.set("common", "outside")
    time.sleep(0.1)                   # within a millisecond, sides that are cut off order nothing
    assert inside.set("common", "inside")
    sloppy.network.heal()
    sloppy.wait_for("ok")
    eventually(lambda: hints(sloppy) == 0)
    same_everywhere(sloppy, values | {b"common": b"inside"})  # the later one


def test_a_delete_on_one_side_stays(sloppy):
    inside, outside = sloppy[2].client(), sloppy[0].client()
    keys = [f"k{number}" for number in range(30)]
    outside.mset({key: "old" for key in keys})
    sloppy.network.isolate(2, clients=False)
    sloppy.wait_for_loss(2)
    assert sum(outside.delete(key) for key in keys) == 30
    sloppy.network.heal()
    sloppy.wait_for("ok")
    assert inside.mget(keys) == [None] * 30
    same_everywhere(sloppy, {key: None for key in keys})


def test_counters_of_the_majority_are_exact(strict):
    """Whoever coordinated them before is cut off."""
    key, client = master_key(strict, 2), strict[0].client()
    assert client.incr(key) == 1
    strict.network.isolate(2)
    strict.wait_for_loss(2)
    done = 1
    for _ in range(50):
        done += 1
        assert client.incr(key) == done
    strict.network.heal()
    strict.wait_for("ok")
    assert strict[2].client().incr(key) == done + 1


# -- five nodes, three of which hold a key ---------------------------------------------------------

def test_two_of_five_are_cut_off_together(tmp_path):
    with running(tmp_path, "--sloppy-quorum", "yes", nodes=5) as cluster:
        clients = [node.client() for node in cluster.nodes]
        cluster.network.cut([0, 1], [2, 3, 4])
        values = {}
        for side, number in (("small", 0), ("large", 2)):
            # Of some keys all replicas are on the other side: those are refused.
            eventually(lambda number=number: sum(
                outcome(clients[number].set, f"try:{key}", "1") is True for key in range(20)) >= 15)
            for count in range(100):
                key = f"{side}:{count}"
                if outcome(clients[number].set, key, count) is True:
                    values[key.encode()] = b"%d" % count
        assert len(values) >= 150
        whole(cluster)
        eventually(lambda: hints(cluster) == 0)              # until then two replicas may have nothing
        for client in clients:
            assert client.mget(list(values)) == list(values.values())
