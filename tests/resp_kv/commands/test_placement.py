"""KV.RING, KV.WHERE, KV.NODES on a node without others; tests/e2e/test_versions.py: on a cluster."""

from cluster.slots import slot_of
from tests.resp_kv.commands.replies import is_error
from tests.resp_kv.rig import NODE_ID, START_MS

ID = NODE_ID.encode()


def fields(reply):
    return dict(zip(reply[::2], reply[1::2], strict=True))


def test_ring_of_one(rig):
    ring = fields(rig.run("KV.RING"))
    member, = map(fields, ring.pop(b"members"))
    assert ring == {b"cluster": b"", b"epoch": 0, b"partitions": 1, b"replication": 1}
    assert (member[b"id"], member[b"partitions"], member[b"first"], member[b"share"]) == (
        ID, 1, 1, b"1")
    assert rig.run("KV.RING", "partitions") == [[0, 0, 16383, [ID]]]
    assert is_error(rig.run("KV.RING", "all"), "ERR syntax error")
    assert is_error(rig.run("KV.RING", "PARTITIONS", "x"), "ERR syntax error")


def test_where_on_one(rig):
    where = fields(rig.run("KV.WHERE", "k"))
    replica, = map(fields, where.pop(b"replicas"))
    assert where == {b"slot": slot_of(b"k"), b"partition": 0, b"coordinator": ID}
    assert (replica[b"id"], replica[b"siblings"], replica[b"answered"]) == (ID, 0, b"yes")
    rig.run("SET", "k", "v")
    replica, = map(fields, fields(rig.run("KV.WHERE", "k"))[b"replicas"])
    assert (replica[b"siblings"], replica[b"time"], replica[b"deleted"]) == (1, START_MS, b"no")
    assert replica[b"dot"][1] == b"00000000.1"


def test_nodes_of_one(rig):
    node, = map(fields, rig.run("KV.NODES"))
    assert node == {b"id": ID, b"address": b"127.0.0.1:6379", b"dc": b"dc1", b"rack": b"rack1",
                    b"state": b"up", b"weight": b"1", b"myself": b"yes"}
