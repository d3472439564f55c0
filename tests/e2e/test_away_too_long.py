"""A node is away for longer than hints are kept. Meanwhile keys are deleted, overwritten and expire."""

import time

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.server import eventually

pytestmark = pytest.mark.slow
KEYS = 300
DELETED, OVERWRITTEN, EXPIRED = range(100), range(100, 150), range(150, 200)
EXPIRES_MS = 4000
AWAY_S = 5
PATIENCE_S = 60


@pytest.fixture
def cluster(tmp_path):
    with Cluster(tmp_path, "--hint-window", "1", "--repair-interval", "1",
                 "--cluster-partitions", "8") as cluster:
        yield cluster


def text(value):
    return value.decode() if isinstance(value, bytes) else value


def partitions(cluster, number):
    rows = cluster[number].client().execute_command("KV.PARTITIONS")
    return [{text(name): text(value) for name, value in row.items()} for row in rows]


def unverified(cluster, number):
    """Each as soon as it has been tried: the others are waiting, or are compared just now."""
    states = {part["state"] for part in partitions(cluster, number)}
    return "unverified" in states and "verified" not in states


def verified_since(cluster, began):
    """Everywhere; a partition that was verified may be compared once more just now."""
    passed_ms = (time.monotonic() - began) * 1000
    return all(part["state"] in ("verified", "comparing") and 0 <= part["verified-age-ms"] < passed_ms
               for number in range(3) for part in partitions(cluster, number))


def alone(cluster, number):
    """What a node has itself, or knows by reading one replica."""
    client = cluster[number].client()
    client.execute_command("KV.CONSISTENCY", "READ", "ONE")
    return [text(client.get(f"key:{key}")) for key in range(KEYS)]


def test_nothing_that_was_deleted_comes_back(cluster):
    client = cluster[0].client()
    for key in range(KEYS):
        client.set(f"key:{key}", "old", px=EXPIRES_MS if key in EXPIRED else None)
    began = time.monotonic()
    assert eventually(lambda: verified_since(cluster, began), PATIENCE_S)
    assert alone(cluster, 2)[0] == "old"

    cluster.kill(2)
    cluster.wait_for_loss(2)
    client.delete(*[f"key:{key}" for key in DELETED])
    for key in OVERWRITTEN:
        client.set(f"key:{key}", "new")
    client.execute_command("KV.REPAIR", "ALL")
    assert eventually(lambda: unverified(cluster, 0), PATIENCE_S)
    time.sleep(AWAY_S)

    cluster.start(2)
    cluster.mend()
    returned = time.monotonic()
    for number in range(3):
        cluster[number].client().execute_command("KV.REPAIR", "ALL")
    assert eventually(lambda: verified_since(cluster, returned), PATIENCE_S)
    expected = [None if key in DELETED or key in EXPIRED else "new" if key in OVERWRITTEN else "old"
                for key in range(KEYS)]
    for number in range(3):
        assert alone(cluster, number) == expected
    rows = [row for number in (0, 1) for row in cluster[number].client().execute_command("KV.HINTS")]
    assert sum(row.get("dropped", row.get(b"dropped")) for row in rows) > 0

    time.sleep(AWAY_S)                      # the line rises; a restart flushes, and then all is compacted
    for number in range(3):
        cluster.kill(number)
        cluster.start(number)
    cluster.mend()
    for number in range(3):
        assert alone(cluster, number) == expected
