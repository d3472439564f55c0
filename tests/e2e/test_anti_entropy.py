"""Permanent failure with real nodes: one is away, one loses its disk; KV.REPAIR makes all the same."""

import os
import shutil
import signal

import pytest
import redis

from cluster.versions import from_record
from engine import Engine
from tests.e2e.local_cluster import END_S, LocalCluster, needs_clusters
from tests.e2e.server import eventually

pytestmark = [needs_clusters, pytest.mark.slow]
KEYS = 2000


@pytest.fixture
def cluster(tmp_path):
    with LocalCluster(tmp_path / "cluster") as cluster:
        yield cluster


def fill(cluster, number, keys, value):
    pipe = cluster.client(number).pipeline(transaction=False)
    for key in keys:
        pipe.set(f"key:{key}", f"{value} {key}")
    pipe.execute()


def down(cluster, number):
    """SIGKILL, and wait until the others have noticed."""
    pid = cluster.pid(number)
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not os.path.exists(f"/proc/{pid}/stat")
               or " Z " in open(f"/proc/{pid}/stat").read(), END_S)
    cluster.wait_for_loss(number)


def lose_disk(cluster, number):
    """The supervisor takes its file with the process id away at the same time."""
    folder = cluster.folder / f"node-{number}"
    shutil.rmtree(folder, ignore_errors=True)
    assert eventually(lambda: shutil.rmtree(folder, ignore_errors=True) or not folder.exists(), END_S)


def progress(cluster, number, *args):
    return {name.decode(): value for name, value in
            cluster.client(number).execute_command("KV.REPAIR", *args).items()}


def partitions(cluster, number):
    return [{name.decode(): value for name, value in part.items()}
            for part in cluster.client(number).execute_command("KV.PARTITIONS")]


def keys_shown(cluster):
    return sum(cluster.client(number).dbsize() for number in cluster.numbers)


def repaired(cluster, number):
    now = progress(cluster, number)
    return not (now["partitions_waiting"] or now["partitions_comparing"] or now["partitions_refilling"])


def repair(cluster, number):
    progress(cluster, number, "ALL")
    assert eventually(lambda: repaired(cluster, number), END_S), progress(cluster, number)


def contents(cluster, number):
    """{stored key: State} on the disk of a node that was stopped."""
    with Engine.open(cluster.folder / f"node-{number}") as engine:
        found, start = {}, b""
        while start is not None:
            page, start = engine.page(start, b"\x40", 1000, tombstones=True)
            for r in page:
                found[r.key] = from_record(r.hlc, r.actor, r.deadline_ms, r.annotation, r.deleted,
                                           r.value)
        return found


def stopped_contents(cluster):
    status, out = cluster.stop()
    assert status == 0, out
    return [contents(cluster, number) for number in cluster.numbers]


def test_a_node_that_was_away_has_everything_after_a_repair(cluster):
    fill(cluster, 1, range(KEYS), "old")
    down(cluster, 2)
    fill(cluster, 1, range(0, KEYS, 4), "new")
    client = cluster.client(3)
    assert client.delete(*[f"key:{key}" for key in range(1, KEYS, 8)]) == KEYS // 8
    assert client.incrby("counter", 5) == 5
    assert client.expire("key:2", 1000)
    cluster.mend()
    repair(cluster, 1)
    assert all(part["state"] == b"verified" and part["verified-age-ms"] >= 0
               for part in partitions(cluster, 1))
    assert b"repair_rounds_verified" in cluster.client(1).execute_command(
        "INFO", "cluster") or cluster.client(1).info("cluster")["repair_rounds_verified"] > 0
    first, second, third = stopped_contents(cluster)
    assert len(first) == KEYS + 1
    assert first == second == third


def test_a_lost_disk_is_refilled_without_an_operator(cluster):
    fill(cluster, 1, range(KEYS), "value")
    down(cluster, 3)
    lose_disk(cluster, 3)
    cluster.run()
    assert eventually(lambda: len(partitions(cluster, 3)) == 256 and repaired(cluster, 3), END_S)
    assert all(part["state"] != b"refilling" for part in partitions(cluster, 3))
    assert cluster.client(3).get("key:7") == b"value 7"
    first, second, third = stopped_contents(cluster)
    assert len(third) == KEYS
    assert first == second == third


def test_a_node_that_is_refilled_does_not_pretend_to_know_all_its_keys(cluster):
    fill(cluster, 1, range(KEYS), "value")
    eventually(lambda: keys_shown(cluster) == KEYS)           # each by a replica that may come last
    down(cluster, 3)
    lose_disk(cluster, 3)
    for number in (1, 2):
        cluster.client(number).config_set("repair-rate-limit", 2000)      # so that it takes a while
    cluster.run()
    client = cluster.client(3)
    eventually(lambda: progress(cluster, 3).get("partitions_refilling"), END_S)
    for words in (("SCAN", "0"), ("KEYS", "*"), ("DBSIZE",), ("RANDOMKEY",),
                  ("CLUSTER", "COUNTKEYSINSLOT", "0"), ("CLUSTER", "GETKEYSINSLOT", "0", "1")):
        with pytest.raises(redis.BusyLoadingError, match="is being refilled"):
            client.execute_command(*words)
    assert client.get("key:7") == b"value 7"
    for number in (1, 2):
        cluster.client(number).config_set("repair-rate-limit", "8mb")
    assert eventually(lambda: repaired(cluster, 3), END_S)
    assert keys_shown(cluster) == KEYS
    assert client.get("key:7") == b"value 7"


def test_what_is_asked_wrongly(cluster):
    client = cluster.client(1)
    for words in (("KV.REPAIR", "256"), ("KV.REPAIR", "some"), ("KV.PARTITIONS", "-1"),
                  ("KV.REPAIR", "1", "2"), ("KV.PARTITIONS", "1", "2")):
        with pytest.raises(Exception, match="ERR|syntax|integer|replica"):
            client.execute_command(*words)
    assert len(client.execute_command("KV.PARTITIONS", "3")) == 1
    assert progress(cluster, 1, "3")["partitions"] == 256
