"""`resp-kv local` with real nodes: one command makes a cluster, which outlives a node."""

import signal

import pytest
import redis

from tests.e2e.local_cluster import END_S, LocalCluster, needs_clusters, until
from tests.e2e.server import eventually

pytestmark = [needs_clusters, pytest.mark.slow]


@pytest.fixture
def cluster(tmp_path):
    with LocalCluster(tmp_path / "cluster") as cluster:
        yield cluster


def values(cluster, number, keys):
    return [cluster.client(number).get(key) for key in keys]


def test_every_node_serves_every_key(cluster):
    keys = [f"key:{number}" for number in range(60)]
    for position, key in enumerate(keys):
        assert cluster.client(1 + position % 3).set(key, key)
    for number in cluster.numbers:
        assert values(cluster, number, keys) == [key.encode() for key in keys]


def test_all_agree_about_the_slots(cluster):
    maps = [sorted(map(str, cluster.client(number).execute_command("CLUSTER SLOTS")))
            for number in cluster.numbers]
    assert maps[0] == maps[1] == maps[2]


def test_one_dies_comes_back_and_all_stop(cluster):
    first = cluster.runs[0]
    assert cluster.client(1).set("before", "1")
    cluster.kill(2)
    until(first, "node 2 was killed by SIGKILL")
    assert eventually(lambda: written(cluster.client(3), "while"), END_S)
    assert values(cluster, 1, ["before", "while"]) == [b"1", b"1"]
    second = cluster.run()
    assert "starting node 2;" in second.before
    assert eventually(lambda: values(cluster, 2, ["before", "while"]) == [b"1", b"1"], END_S)
    status, out = cluster.stop()
    assert (status, out) == (0, "stopping nodes 1, 2, 3\n")
    assert first.wait(END_S) == 1                     # one of its nodes was killed
    assert second.wait(END_S) == 0


def test_data_is_there_after_a_stop_of_all(cluster):
    assert cluster.client(1).set("a", "1")
    cluster.runs[0].send_signal(signal.SIGINT)
    assert cluster.runs[0].wait(END_S) == 0, cluster.runs[0].stderr.read()
    cluster.run()
    assert [cluster.client(number).get("a") for number in cluster.numbers] == [b"1"] * 3


def test_five_nodes_in_two_data_centres(tmp_path):
    with LocalCluster(tmp_path / "cluster", "--nodes", "5", "--dc", "a:3,b:2", nodes=5) as cluster:
        assert cluster.client(5).set("a", "1")
        assert [cluster.client(number).get("a") for number in cluster.numbers] == [b"1"] * 5
        assert cluster.client(1).config_get("node-dc") == {"node-dc": "a"}
        assert cluster.client(5).config_get("node-dc") == {"node-dc": "b"}


def written(client, key):
    try:
        return client.set(key, "1")
    except redis.RedisError:
        return False
