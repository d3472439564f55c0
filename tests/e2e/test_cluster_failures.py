"""Three real nodes of which one dies, freezes, comes back, or is a stranger.

What is checked: clients at the other nodes see no error, what was acknowledged is found again by
everybody, and nothing old comes back.
"""

import itertools
import json
import os
import socket
import time

import pytest
import redis

from cluster.slots import slot_of
from cluster.wire import frame_of, split_frame
from tests.e2e.cluster import SECRET, Cluster
from tests.e2e.load import Load
from tests.e2e.server import Node, eventually, read_to_end
from tests.e2e.two_servers import TIMEOUT_S

SLOWEST_S = 30              # of one command while a node freezes; a busy machine has its own pauses


@pytest.fixture(scope="module")
def nodes(tmp_path_factory):
    with Cluster(tmp_path_factory.mktemp("cluster"), "--sloppy-quorum", "no") as cluster:
        yield cluster


@pytest.fixture
def cluster(nodes):
    """All three run, and are empty."""
    nodes.mend()
    nodes.flush()
    yield nodes
    nodes.mend()
    for client in nodes.clients():
        client.config_set("read-consistency", "QUORUM")
        client.config_set("write-consistency", "QUORUM")


def master_key(cluster, number):
    """A key that a node is preferred coordinator of."""
    mine = [(first, last) for first, last, (_, port, *_) in cluster[0].link().value(
        b"CLUSTER", b"SLOTS") if port == cluster[number].port]
    return next(key for key in (b"key:%d" % count for count in itertools.count())
                if any(first <= slot_of(key) <= last for first, last in mine))


# -- kill -9 --------------------------------------------------------------------------------------

def test_a_node_dies_under_load_and_comes_back(cluster):
    with Load(cluster, writers=[0, 1], readers=[1, 0]) as load:
        cluster.kill(2)
        load.go_on(300)
        cluster.wait_for_loss(2)
        load.go_on(300)
        cluster.start(2)
        load.go_on(300)
    assert load.errors == [], cluster.logs
    for node in cluster.nodes:
        load.check(node.client())
    cluster.kill(1)
    for number in (0, 2):
        load.check(cluster[number].client())
    cluster.start(1)
    load.check(cluster[1].client())


def test_each_dies_in_turn(cluster):
    """A write is on two nodes at least; whoever is gone, the other one is asked."""
    client = cluster[0].client()
    client.mset({f"before:{number}": number for number in range(100)})
    for number in (1, 2):
        cluster.kill(number)
        assert client.set(f"without {number}", "at once")
        cluster.wait_for_loss(number)      # a counter that was on its way there has a fate that is unknown
        for key in range(50):
            assert client.set(f"without {number}:{key}", key)
            assert client.incr(f"count:{key}") == number
        cluster.start(number)
    for node in cluster.nodes:
        there = node.client()
        assert there.mget([f"before:{key}" for key in range(100)]) == [
            b"%d" % key for key in range(100)]
        assert there.mget([f"count:{key}" for key in range(50)]) == [b"2"] * 50
        for number in (1, 2):
            assert there.exists(*[f"without {number}:{key}" for key in range(50)]) == 50


def test_a_delete_that_a_dead_node_missed_stays(cluster):
    client = cluster[0].client()
    keys = [f"k{number}" for number in range(60)]
    client.mset({key: "old" for key in keys})
    cluster.kill(2)
    cluster.wait_for_loss(2)               # what was on its way there has a fate that is unknown
    assert sum(client.delete(key) for key in keys) == 60
    cluster.start(2)
    assert cluster[2].client().mget(keys) == [None] * 60
    cluster.kill(0)
    assert cluster[2].client().mget(keys) == [None] * 60
    cluster.start(0)


def test_levels_that_need_the_dead_one_are_refused_in_words(cluster):
    client = cluster[0].client()
    client.set("a", "1")
    cluster.kill(2)
    cluster.wait_for_loss(2)
    for command in (["SET", "a", "2"], ["APPEND", "a", "2"], ["DEL", "a"]):
        client.config_set("write-consistency", "ALL")
        with pytest.raises(redis.ResponseError) as caught:
            client.execute_command(*command)
        assert str(caught.value).startswith("NOQUORUM 3 responses "), command
        assert "only 2 replicas " in str(caught.value), command
        client.config_set("write-consistency", "QUORUM")
    client.config_set("read-consistency", "ALL")
    with pytest.raises(redis.ResponseError, match="NOQUORUM 3 responses are required but only 2 replicas"):
        client.get("a")
    client.config_set("read-consistency", "QUORUM")
    with pytest.raises(redis.ResponseError, match="NOQUORUM deleting a whole database needs every node"):
        client.flushall()
    cluster.start(2)


def test_two_of_three_dead(cluster):
    client = cluster[0].client()
    client.set("a", "1")
    cluster.kill(1)
    cluster.kill(2)
    cluster.wait_for_loss(1, 2)
    for command in (["SET", "a", "2"], ["GET", "a"], ["INCR", "a"], ["MGET", "a", "b"]):
        with pytest.raises(redis.ResponseError, match="NOQUORUM 2 responses are required but only 1 "):
            client.execute_command(*command)
    client.config_set("read-consistency", "ONE")
    assert client.get("a") == b"1"
    client.config_set("read-consistency", "QUORUM")
    cluster.start(1)
    assert eventually(lambda: written(client, "a", "3"))
    cluster.start(2)
    assert cluster[2].client().get("a") == b"3"


def written(client, key, value):
    try:
        return client.set(key, value)
    except redis.ResponseError:
        return False


def test_all_die_and_come_back(cluster):
    """Acknowledged means in the log of two of them."""
    client = cluster[0].client()
    for number in range(300):
        assert client.set(f"k{number}", number)
    for number in range(3):
        cluster.kill(number)
    for node in cluster.nodes:
        node.start(wait=False)
    cluster.wait_for("ok")
    for node in cluster.nodes:
        assert node.client().mget([f"k{number}" for number in range(300)]) == [
            b"%d" % number for number in range(300)]


# -- SIGSTOP --------------------------------------------------------------------------------------

def test_a_node_freezes_under_load(cluster):
    with Load(cluster, writers=[0, 1], readers=[1, 0]) as load:
        cluster.freeze(2)
        load.go_on(100)
        cluster.wait_for_loss(2)
        load.go_on(500)
        cluster.thaw(2)
        cluster.wait_for("ok")
        load.go_on(300)
    assert load.errors == [], cluster.logs
    assert load.slowest_s < SLOWEST_S
    for node in cluster.nodes:
        load.check(node.client())
    cluster.kill(0)
    load.check(cluster[2].client())
    cluster.start(0)


def test_blind_commands_go_round_a_node_that_froze(cluster):
    """Long before it is declared down."""
    keys = [f"k{number}" for number in range(60)]
    client = cluster[0].client()
    assert client.mset(dict.fromkeys(keys, "old"))
    cluster.freeze(2)
    for number in range(300):                  # until this node has noticed who owes it answers
        client.set(f"other{number}", "x")
    time.sleep(0.3)
    for key in keys[:20]:
        assert client.delete(key) == 1
    assert client.unlink(*keys[20:40]) == 20
    assert client.mset(dict.fromkeys(keys[40:], "new"))
    assert client.execute_command("SETEX", "k40", 100, "newer")
    assert client.set("k41", "newer", ex=100)
    cluster.thaw(2)
    cluster.wait_for("ok")
    for node in cluster.nodes:
        assert node.client().mget(keys) == [None] * 40 + [b"newer"] * 2 + [b"new"] * 18


@pytest.mark.parametrize("command", [["GETSET", "old"], ["APPEND", "old"], ["SETRANGE", "0", "old"],
                                     ["SET", "old"]], ids=lambda words: words[0])
def test_what_a_frozen_node_finds_when_it_wakes_up_is_too_late(cluster, command):
    """Its client was told that the outcome is unknown, and somebody has written since."""
    key, client = master_key(cluster, 2), cluster[0].client()
    client.set(key, "first")
    cluster.freeze(2)
    try:
        client.execute_command(command[0], key, *command[1:])
    except redis.ResponseError as error:
        assert str(error).startswith("TIMEOUT the outcome")
    cluster.wait_for_loss(2)
    assert client.set(key, "new")
    cluster.thaw(2)
    cluster.wait_for("ok")
    # What follows goes the way of the old frames, so it has been through when this is answered.
    assert client.execute_command("STRLEN", key) == 3
    assert eventually(lambda: client.append(key, "er") == 5)
    for node in cluster.nodes:
        assert node.client().get(key) == b"newer"


def test_clients_of_the_frozen_node_itself(cluster):
    """Their commands are answered when it goes on, and they see what was written meanwhile."""
    frozen, other = cluster[2].client(), cluster[0].client()
    other.set("a", "1")
    cluster.freeze(2)
    cluster.wait_for_loss(2)
    assert other.set("a", "2")
    cluster.thaw(2)
    assert eventually(lambda: answer(frozen, "a")) == b"2"
    cluster.wait_for("ok")


def answer(client, key):
    try:
        return client.get(key)
    except redis.ResponseError as error:
        assert str(error).startswith(("NOQUORUM", "TIMEOUT")), error
        return None


# -- limits ---------------------------------------------------------------------------------------

def test_a_client_that_sends_and_never_reads(cluster):
    node, count = cluster[0], 100_000
    before = node.rss_bytes
    sock = node.socket()
    sock.setblocking(False)
    stream, sent = b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$5\r\nvalue\r\n" * count, 0

    def send_more():
        nonlocal sent
        try:
            sent += sock.send(stream[sent:sent + 1_000_000])
        except BlockingIOError:
            pass
        return sent == len(stream)

    eventually(send_more)
    assert node.client().set("b", "1")                       # others are served meanwhile
    assert node.rss_bytes - before < 100 << 20
    sock.setblocking(True)
    assert len(read_exactly(sock, 5 * count)) == 5 * count


def read_exactly(sock, size):
    parts = bytearray()
    while len(parts) < size:
        piece = sock.recv(65536)
        assert piece, "the server closed the connection"
        parts += piece
    return parts


@pytest.mark.slow
def test_a_frozen_peer_costs_bounded_memory(cluster):
    """More is written than may wait for it, and afterwards it is one of them again."""
    client = cluster[0].client()
    cluster.freeze(2)
    before = [cluster[number].rss_bytes for number in (0, 1)]
    value = os.urandom(9000)
    for first in range(0, 18_000, 100):
        with client.pipeline(transaction=False) as pipe:
            for number in range(first, first + 100):
                pipe.set(b"k%d" % number, value)
            assert all(pipe.execute())
    for number, size in zip((0, 1), before):
        assert cluster[number].rss_bytes - size < (64 + 64 + 100) << 20
    cluster.thaw(2)
    cluster.wait_for("ok")
    assert eventually(lambda: cluster[2].client().get("k0")) == value
    there = cluster[2].client()
    assert all(there.get(b"k%d" % number) == value for number in range(0, 18_000, 500))
    assert there.set("from the frozen one", "1")
    assert client.get("from the frozen one") == b"1"


# -- strangers ------------------------------------------------------------------------------------

def bus(cluster, number=0):
    return socket.create_connection(("127.0.0.1", cluster[number].port + 10_000), TIMEOUT_S)


@pytest.mark.parametrize("garbage", [
    b"\x00" * 1000, b"GET / HTTP/1.1\r\n\r\n", b"PING\r\nPING\r\n", b"*4\r\n$1\r\nW\r\n$56\r\n" + b"x" * 200,
    frame_of("W", b"key", b"value"), frame_of("H", body=b"{"), frame_of("H", body=b"[" * 9000),
    frame_of("G", body=b"x"), frame_of("J"), frame_of("H", body=b"{}" + b" " * 70_000)], ids=range(10))
def test_garbage_on_the_bus_port_closes_the_connection(cluster, garbage):
    with bus(cluster) as sock:
        sock.sendall(garbage)
        read_to_end(sock)
    assert cluster[0].client().set("a", "1")


def test_a_stranger_that_says_nothing_is_let_go(cluster):
    with bus(cluster) as sock:
        assert read_to_end(sock) == b""


def greeting(**other):
    words = {"protocol": 1, "cluster": "", "node": "f" * 40, "generation": 1, "nonce": "0" * 32,
             "clock_ms": 0, **other}
    return frame_of("H", body=json.dumps(words).encode())


@pytest.mark.parametrize(("words", "sentence"), [
    ({"cluster": "e" * 40}, "this node belongs to cluster "),
    ({"protocol": 2}, "bus protocol 2 is spoken there, 1 here"),
    ({"protocol": None}, "bus protocol None is spoken there, 1 here")], ids=["cluster", "newer", "none"])
def test_who_is_no_member_is_told_why(cluster, words, sentence):
    with bus(cluster) as sock:
        sock.sendall(greeting(**words))
        _, kind, _, _, body = split_frame(read_to_end(sock))
    assert kind == "E" and sentence in json.loads(body)["error"]
    assert sentence in cluster[0].log


def test_the_secret_is_asked_for(cluster):
    with bus(cluster) as sock:
        sock.sendall(greeting())
        text = b""
        while split_frame(text) is None:
            text += sock.recv(4096)
        length, kind, _, _, body = split_frame(text)
        assert kind == "I" and SECRET not in body.decode()
        sock.sendall(frame_of("C", body=json.dumps({"proof": "0" * 64}).encode()))
        _, kind, _, _, body = split_frame(read_to_end(sock))
    assert kind == "E" and json.loads(body) == {"error": "the cluster-secret differs"}


def test_a_node_with_another_secret(cluster, tmp_path):
    seeds = " ".join(node.seed for node in cluster.nodes)
    with Node(tmp_path, "--cluster-enabled", "yes", "--cluster-secret", "wrong",
              "--cluster-seeds", seeds) as stranger:
        eventually(lambda: "the cluster-secret differs" in stranger.log)
        with pytest.raises(redis.RedisError, match="not formed yet"):
            stranger.client().set("a", "1")
        assert cluster[0].client().set("a", "1")
        own = eventually(lambda: [line for line in stranger.log.splitlines() if "secret differs" in line])
        assert len(own) <= 3                                 # once for each of the nodes
    assert cluster[0].client().cluster("INFO")["cluster_known_nodes"] == "3"
