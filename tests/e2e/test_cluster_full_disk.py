"""One of three nodes has no room left on its disk: the others take what it cannot, later it catches up."""

import os

import pytest
import redis

from tests.e2e.cluster import Cluster
from tests.e2e.server import eventually
from tests.e2e.small_disk import small_disk
from tests.e2e.test_cluster_failures import master_key

pytestmark = pytest.mark.slow
MIB = 1 << 20


@pytest.fixture
def folder(tmp_path):
    with small_disk(tmp_path / "node2", 48) as disk:
        (disk / "ballast").write_bytes(bytes(16 * MIB))
        yield tmp_path


def is_full(cluster):
    return cluster[2].client().info("persistence")["aof_last_bgrewrite_status"] == "err"


def write(cluster, values, count):
    """Through each node in turn; every command has to succeed."""
    clients = [node.client() for node in cluster.nodes]
    for number in range(len(values), len(values) + count):
        key, value = b"key:%d" % number, os.urandom(2000)
        assert clients[number % 3].set(key, value)
        values[key] = value


def missing(client, values):
    keys = list(values)
    return [key for first in range(0, len(keys), 500) for key, value in
            zip(keys[first:first + 500], client.mget(keys[first:first + 500])) if value != values[key]]


def increments(client, counter):
    """1, or 0 if its coordinator has no room: what it runs it must store itself, or nothing is done."""
    try:
        return 1 if client.incr(counter) else 0
    except redis.ResponseError as error:
        assert str(error).startswith("MISCONF writes are refused")
        return 0


def test_a_full_disk_costs_no_plain_write(folder):
    values = {}
    with Cluster(folder) as cluster:
        cluster[2].log_file = folder / "node2.log"
        write(cluster, values, 12_000)
        eventually(lambda: is_full(cluster))
        clients = [node.client() for node in cluster.nodes]
        write(cluster, values, 3000)
        for number, client in enumerate(clients):
            assert client.delete(f"key:{number}") == 1
            del values[b"key:%d" % number]
            assert client.mset({f"a:{number}": 1, f"b:{number}": 2, f"c:{number}": 3})
            assert missing(client, values) == []
        counter = f"counter of {{{master_key(cluster, 2)}}}"
        counted = sum(increments(client, counter) for client in clients * 100)
        (folder / "node2" / "ballast").unlink()
        eventually(lambda: not is_full(cluster))
        assert clients[2].incr(counter) == counted + 1
        clients[2].execute_command("KV.CONSISTENCY", "READ", "ONE")
        for client in clients:
            client.execute_command("KV.REPAIR", "ALL")
        eventually(lambda: missing(clients[2], values) == [], 60)
        assert [clients[2].get(f"key:{number}") for number in range(3)] == [None] * 3
