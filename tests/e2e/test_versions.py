"""The KV commands over real nodes: three of them, and one without others."""

import pytest
import redis

from cluster.slots import slot_of
from tests.e2e.local_cluster import END_S, LocalCluster
from tests.e2e.server import Node, eventually

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with LocalCluster(tmp_path_factory.mktemp("cluster") / "three") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def nodes(cluster):
    """ask(*words) for each node, over RESP3."""
    return [cluster.client(number, protocol=3).execute_command for number in cluster.numbers]


@pytest.fixture(scope="module")
def ids(nodes):
    """The node id of each."""
    return [next(line[b"id"] for line in ask("KV.NODES") if line[b"myself"] == b"yes")
            for ask in nodes]


def refused(ask, *words):
    with pytest.raises(redis.ResponseError) as caught:
        ask(*words)
    return str(caught.value)


# -- versions ----------------------------------------------------------------------------------------

def test_the_textbook_story(nodes, ids):
    """DeCandia et al., "Dynamo", figure 3: D1 and D2 by Sx, D3 by Sy and D4 by Sz, both from D2, a
    read that shows both, D5 by Sx that resolves them."""
    x, y, z = nodes
    first = x("KV.SET", "story", "D1", "CONTEXT", b"")
    x("KV.SET", "story", "D2", "CONTEXT", first)
    seen = [ask("KV.GET", "story") for ask in (y, z)]
    assert [siblings for _, siblings in seen] == [[b"D2"], [b"D2"]]
    y("KV.SET", "story", "D3", "CONTEXT", seen[0][0])
    z("KV.SET", "story", "D4", "CONTEXT", seen[1][0])

    clocks = {}
    for version in x("KV.VERSIONS", "story"):
        clocks[version[b"value"]] = {server[:8]: hlc for server, hlc in version[b"clock"]}
    sx, sy, sz = [node_id[:8] for node_id in ids]
    d3, d4 = clocks[b"D3"], clocks[b"D4"]
    assert (set(d3), set(d4)) == ({sx, sy}, {sx, sz})
    assert d3[sx] == d4[sx]                              # both descend from D2 ...
    assert not descends(d3, d4) and not descends(d4, d3)       # ... and neither from the other

    context, siblings = x("KV.GET", "story")
    assert sorted(siblings) == [b"D3", b"D4"]
    x("KV.SET", "story", "D5", "CONTEXT", context)
    version, = z("KV.VERSIONS", "story")
    d5 = {server[:8]: hlc for server, hlc in version[b"clock"]}
    assert version[b"value"] == b"D5" and version[b"server"] == ids[0]
    assert descends(d5, d3) and descends(d5, d4)
    for ask in nodes:
        assert ask("KV.GET", "story")[1] == [b"D5"]
    context = y("KV.GET", "story")[0]
    y("KV.SET", "story", "D6", "CONTEXT", context)
    assert x("GET", "story") == b"D6"


def descends(clock, other):
    return all(clock.get(server, 0) >= hlc for server, hlc in other.items())


def test_an_old_context_through_any_node_leaves_a_sibling(nodes):
    nodes[0]("SET", "old", "a")
    context = nodes[1]("KV.GET", "old")[0]
    for number, ask in enumerate(nodes):
        ask("KV.SET", "old", f"v{number}", "CONTEXT", context)
    assert [ask("KV.GET", "old", "LEVEL", "ALL")[1] for ask in nodes] == [[b"v2", b"v1", b"v0"]] * 3
    assert nodes[0]("GET", "old") == b"v2"
    conflicts = nodes[1]("KV.CONFLICTS", "old")
    assert [each[b"value"] for each in conflicts[b"siblings"]] == [b"v2", b"v1", b"v0"]
    nodes[2]("SET", "old", "plain")
    assert nodes[0]("KV.GET", "old")[1] == [b"plain"]
    assert nodes[0]("KV.CONFLICTS", "old")[b"siblings"] == []


def test_the_context_of_a_plain_write_covers_it_everywhere(nodes):
    for number in range(30):
        key = f"blind:{number}"
        context = nodes[number % 3]("KV.SET", key, "one")
        nodes[(number + 1) % 3]("KV.SET", key, "two", "CONTEXT", context)
        assert nodes[(number + 2) % 3]("KV.GET", key)[1] == [b"two"]


def test_deletes_and_nothing(nodes):
    x, y, z = nodes
    assert x("KV.GET", "gone") == [b"", []]
    context = x("KV.SET", "gone", "v", "CONTEXT", b"", "EX", "100")
    assert 0 < y("PTTL", "gone") <= 100_000
    y("KV.DEL", "gone", "CONTEXT", context)
    assert z("KV.GET", "gone")[1] == [None] and z("GET", "gone") is None
    z("KV.DEL", "gone")
    version, = x("KV.VERSIONS", "gone")
    assert (version[b"kind"], version[b"value"], version[b"ttl"]) == (b"blind", None, -2)


def test_read_modify_write_takes_all_siblings(nodes):
    x, y, z = nodes
    x("KV.SET", "number", "5", "CONTEXT", b"")
    y("KV.SET", "number", "7", "CONTEXT", b"")
    assert z("INCR", "number") == 8
    assert x("KV.GET", "number")[1] == [b"8"]


def test_replies_keep_their_order_in_a_pipeline(cluster):
    pipe = cluster.client(2).pipeline(transaction=False)
    for number in range(50):
        pipe.execute_command("KV.SET", f"p:{number % 5}", number)
        pipe.get(f"p:{number % 5}")
        pipe.execute_command("KV.GET", f"p:{number % 5}")
    replies = pipe.execute()
    for number in range(50):
        context, value, versions = replies[3 * number:3 * number + 3]
        assert value == b"%d" % number and versions == [context, [value]]


def test_inside_a_transaction(cluster):
    for number in cluster.numbers:
        client = cluster.client(number)
        context = client.execute_command("KV.SET", "t", "a")
        pipe = client.pipeline(transaction=True)
        pipe.execute_command("KV.SET", "t", "b", "CONTEXT", context)
        pipe.execute_command("KV.SET", "t", "c", "CONTEXT", context)
        pipe.execute_command("KV.GET", "t")
        pipe.execute_command("KV.SET", "t", "d")
        *_, read, last = pipe.execute()
        assert read[1] == [b"c", b"b"]
        assert client.execute_command("KV.GET", "t") == [last, [b"d"]]


# -- levels ------------------------------------------------------------------------------------------

def test_levels_of_one_command(nodes):
    for level in ("ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_QUORUM", "EACH_QUORUM", "3"):
        nodes[0]("KV.SET", "level", level, "LEVEL", level)
        assert nodes[1]("KV.GET", "level", "LEVEL", "ALL", "TIMEOUT", "60000")[1] == [level.encode()]
    nodes[2]("KV.SET", "level", "W", "W", "3", "TIMEOUT", "60000")
    assert nodes[0]("KV.GET", "level", "R", "1")[1] == [b"W"]


def test_impossible_levels_are_refused_at_once_and_nothing_is_done(nodes):
    nodes[0]("SET", "kept", "before")
    for ask in nodes:
        text = refused(ask, "KV.SET", "kept", "after", "W", "4")
        assert text == "level 4 cannot be met: this key has 3 replicas"
        assert "cannot be met" in refused(ask, "KV.GET", "kept", "R", "4")
        assert "cannot be met" in refused(ask, "KV.DEL", "kept", "LEVEL", "4", "CONTEXT", "")
        assert "cannot be met" in refused(ask, "KV.CONSISTENCY", "READ", "4")
        assert "for writes" in refused(ask, "KV.CONSISTENCY", "READ", "ANY")
        assert "unknown consistency level" in refused(ask, "KV.GET", "kept", "LEVEL", "SOME")
    assert nodes[1]("GET", "kept") == b"before"


def test_levels_of_a_connection(cluster):
    client = cluster.client(1, protocol=3, single_connection_client=True)
    usual = {b"READ": b"QUORUM", b"WRITE": b"QUORUM", b"SLOPPY": b"yes", b"READ-TIMEOUT": 5000,
             b"WRITE-TIMEOUT": 2000}
    assert client.execute_command("KV.CONSISTENCY") == usual
    client.execute_command("KV.CONSISTENCY", "READ", "ONE", "WRITE", "ALL", "TIMEOUT", "30000")
    chosen = client.execute_command("KV.CONSISTENCY")
    assert chosen == usual | {b"READ": b"ONE", b"WRITE": b"ALL", b"READ-TIMEOUT": 30000,
                              b"WRITE-TIMEOUT": 30000}
    client.config_set("read-request-timeout", 4000)
    client.config_set("read-request-timeout", 5000)
    assert client.execute_command("KV.CONSISTENCY") == chosen
    assert client.set("chosen", "v") and client.get("chosen") == b"v"
    assert len({replica[b"dot"][0] for replica in where(client.execute_command, "chosen")}) == 1
    client.execute_command("RESET")
    reply = client.execute_command("KV.CONSISTENCY")
    assert reply[:4] == [b"READ", b"QUORUM", b"WRITE", b"QUORUM"]        # RESP2 again


def where(ask, key):
    return ask("KV.WHERE", key)[b"replicas"]


# -- placement ---------------------------------------------------------------------------------------

def test_the_ring_is_the_same_from_everywhere(nodes, ids):
    rings = [ask("KV.RING", "PARTITIONS") for ask in nodes]
    assert rings[0] == rings[1] == rings[2]
    at = 0
    for number, (partition, first, last, replicas) in enumerate(rings[0]):
        assert (partition, first) == (number, at) and sorted(replicas) == sorted(ids)
        at = last + 1
    assert at == 16384
    for ask in nodes:
        ring = ask("KV.RING")
        members = ring[b"members"]
        assert (ring[b"partitions"], ring[b"replication"]) == (256, 3)
        assert sorted(member[b"id"] for member in members) == sorted(ids)
        assert [member[b"partitions"] for member in members] == [256] * 3
        assert sum(member[b"first"] for member in members) == 256


def test_where_a_key_is(nodes, ids):
    nodes[0]("KV.SET", "here", "v", "LEVEL", "ALL")
    ring = nodes[0]("KV.RING", "PARTITIONS")
    for ask in nodes:
        found = ask("KV.WHERE", "here")
        assert found[b"slot"] == slot_of(b"here")
        _, first, last, replicas = ring[found[b"partition"]]
        assert first <= found[b"slot"] <= last
        assert [replica[b"id"] for replica in found[b"replicas"]] == replicas
        assert found[b"coordinator"] == replicas[0]
        assert {replica[b"siblings"] for replica in found[b"replicas"]} == {1}
        assert len({tuple(replica[b"dot"]) for replica in found[b"replicas"]}) == 1
    version, = nodes[0]("KV.VERSIONS", "here")
    assert version[b"replicas"] == replicas


def test_nodes_know_each_other(cluster, nodes, ids):
    for number, ask in enumerate(nodes):
        assert eventually(lambda ask=ask: all(        # once each has been heard of
            line[b"generation"] == line[b"epoch"] == 1 for line in ask("KV.NODES")), END_S)
        lines = {line[b"id"]: line for line in ask("KV.NODES")}
        assert sorted(lines) == sorted(ids)
        for position, node_id in enumerate(ids):
            line = lines[node_id]
            assert line[b"address"] == cluster.address(position + 1).encode()
            assert line[b"myself"] == (b"yes" if position == number else b"no")


# -- when one dies -----------------------------------------------------------------------------------

def test_one_dies(cluster, nodes, ids):
    """The last test of this cluster."""
    ask, victim = nodes[0], ids[2]
    ask("KV.SET", "alone", "before", "LEVEL", "ALL")
    cluster.kill(3)
    assert eventually(lambda: state_of(ask, victim) == b"down", END_S)
    line = next(line for line in where(ask, "alone") if line[b"id"] == victim)
    assert (line[b"state"], line[b"answered"]) == (b"down", b"no")
    assert victim not in ask("KV.VERSIONS", "alone")[0][b"replicas"]
    with pytest.raises(redis.ResponseError, match=r"^NOQUORUM 3 responses .* only 2"):
        ask("KV.SET", "alone", "after", "LEVEL", "ALL")
    context, siblings = nodes[1]("KV.GET", "alone")
    assert siblings == [b"before"]
    ask("KV.SET", "alone", "after", "CONTEXT", context)
    assert nodes[1]("KV.GET", "alone")[1] == [b"after"]


def state_of(ask, node_id):
    return next(line[b"state"] for line in ask("KV.NODES") if line[b"id"] == node_id)


# -- one node without others -------------------------------------------------------------------------

def test_one_node(tmp_path):
    with Node(tmp_path) as node:
        ask = node.client(protocol=3).execute_command
        context = ask("KV.SET", "k", "a", "CONTEXT", b"", "LEVEL", "ALL")
        ask("KV.SET", "k", "b", "CONTEXT", context)
        ask("KV.SET", "k", "c", "CONTEXT", context, "PX", "3600000")
        assert ask("KV.GET", "k", "LEVEL", "QUORUM")[1] == [b"c", b"b"]
        assert "cannot be met" in refused(ask, "KV.SET", "k", "d", "W", "2")
        node.kill()
        node.start()
        ask = node.client(protocol=3).execute_command
        context, siblings = ask("KV.GET", "k")
        assert siblings == [b"c", b"b"]
        ask("KV.SET", "k", "d", "CONTEXT", context)
        assert ask("GET", "k") == b"d" and ask("TTL", "k") == -1
        assert len(ask("KV.NODES")) == len(ask("KV.RING", "PARTITIONS")) == 1


def test_one_node_as_a_cluster_of_one(tmp_path):
    with Node(tmp_path, "--cluster-enabled", "yes", "--replication-factor", "1") as node:
        ask = node.client(protocol=3).execute_command
        assert eventually(lambda: b"cluster_state:ok" in node.link().ask(b"CLUSTER", b"INFO"))
        context = ask("KV.SET", "k", "a", "CONTEXT", b"")
        assert ask("KV.GET", "k") == [context, [b"a"]]
        ask("KV.CONSISTENCY", "READ", "ONE")
        assert ask("KV.CONSISTENCY")[b"READ"] == b"ONE"
        assert "cannot be met" in refused(ask, "KV.GET", "k", "R", "2")
        assert len(ask("KV.NODES")) == 1
