"""Sloppy quorum and hinted handoff on three real nodes."""

import pytest
import redis

from tests.e2e.cluster import Cluster
from tests.e2e.server import eventually


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path) as cluster:
        yield cluster


def hints(client):
    """Hints that a node keeps, for all others together."""
    rows = client.execute_command("KV.HINTS")
    return sum(row.get("count", row.get(b"count")) for row in rows)


def kept(cluster, numbers):
    return sum(hints(cluster[number].client()) for number in numbers)


def test_what_a_dead_node_missed_is_handed_over(cluster):
    client = cluster[0].client()
    cluster.kill(2)
    cluster.wait_for_loss(2)
    for number in range(200):
        client.set(f"key:{number}", f"value:{number}")
    client.delete("key:7")
    assert kept(cluster, (0, 1)) >= 200
    cluster.kill(1)                                     # half of the hints with it ...
    cluster.start(1)                                    # ... but they are in its log
    cluster.start(2)
    cluster.mend()
    assert eventually(lambda: kept(cluster, (0, 1, 2)) == 0)
    alone = cluster[2].client()
    alone.execute_command("KV.CONSISTENCY", "READ", "ONE")
    values = [alone.get(f"key:{number}") for number in range(200)]
    assert [value for value in values if value is None] == [None]


def test_two_of_three_are_dead(cluster):
    client = cluster[0].client()
    for number in (1, 2):
        cluster.kill(number)
    cluster.wait_for_loss(1, 2)
    client.execute_command("KV.CONSISTENCY", "SLOPPY", "no")
    with pytest.raises(redis.ResponseError, match="^NOQUORUM 2 responses are required"):
        client.set("strict", "1")
    client.execute_command("KV.CONSISTENCY", "SLOPPY", "yes")
    assert client.set("sloppy", "1") and client.get("sloppy") in (b"1", "1")
    for number in (1, 2):
        cluster.start(number)
    cluster.mend()
    assert eventually(lambda: kept(cluster, (0, 1, 2)) == 0)
    for number in (1, 2):
        assert cluster[number].client().get("sloppy") in (b"1", "1")
    assert client.get("strict") is None
