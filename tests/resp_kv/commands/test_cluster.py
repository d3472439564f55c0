import pytest

from tests.resp_kv.commands.replies import fields, is_error, run_all
from tests.resp_kv.rig import NODE_ID, Rig

ID = NODE_ID.encode()


@pytest.fixture
def cluster(tmp_path):
    """A node with cluster-enabled yes."""
    made = Rig(tmp_path / "cluster", cluster_enabled="yes", port=7000)
    made.client.connection.laddr = "10.1.2.3:7000"
    yield made
    made.close()


def test_off_by_default(rig):
    for line in ("CLUSTER INFO", "CLUSTER HELP", "CLUSTER MEET 1.2.3.4 5", "READONLY",
                 "READWRITE", "ASKING"):
        assert is_error(rig.run(*line.split()),
                        "ERR This instance has cluster support disabled")


def test_info_and_hello_say_so(cluster):
    shown = fields(cluster.run("CLUSTER", "INFO"))
    assert shown["cluster_state"] == "ok"
    assert shown["cluster_slots_assigned"] == shown["cluster_slots_ok"] == "16384"
    assert shown["cluster_known_nodes"] == shown["cluster_size"] == "1"
    assert fields(cluster.run("INFO", "cluster")) == {"cluster_enabled": "1"}
    assert fields(cluster.run("INFO", "server"))["redis_mode"] == "cluster"
    cluster.run("HELLO", "3")
    assert cluster.run("HELLO")[b"mode"] == b"cluster"


def test_nodes(cluster):
    line = ID + b" 10.1.2.3:7000@17000 myself,master - 0 0 1 connected 0-16383\n"
    assert cluster.run("CLUSTER", "NODES") == line
    cluster.run("HELLO", "3")
    assert cluster.send("CLUSTER", "NODES") == b"=%d\r\ntxt:%s\r\n" % (len(line) + 4, line)


def test_slots(cluster):
    assert cluster.run("CLUSTER", "SLOTS") == [[0, 16383, [b"10.1.2.3", 7000, ID, []]]]
    cluster.run("HELLO", "3")
    assert cluster.run("CLUSTER", "SLOTS") == [[0, 16383, [b"10.1.2.3", 7000, ID, {}]]]


def test_shards(cluster):
    cluster.run("HELLO", "3")
    assert cluster.run("CLUSTER", "SHARDS") == [{
        b"slots": [0, 16383],
        b"nodes": [{b"id": ID, b"port": 7000, b"ip": b"10.1.2.3", b"endpoint": b"10.1.2.3",
                    b"role": b"master", b"replication-offset": 0, b"health": b"online"}]}]


def test_the_configuration_may_announce_another_address(cluster):
    run_all(cluster, "CONFIG SET cluster-announce-ip 5.6.7.8 cluster-announce-port 9000",
            "CONFIG SET cluster-announce-bus-port 9001 cluster-announce-hostname kv.example")
    assert cluster.run("CLUSTER", "NODES").split()[1] == b"5.6.7.8:9000@9001,kv.example"
    assert cluster.run("CLUSTER", "SLOTS")[0][2] == [
        b"5.6.7.8", 9000, ID, [b"hostname", b"kv.example"]]
    cluster.run("CONFIG", "SET", "cluster-preferred-endpoint-type", "hostname")
    assert cluster.run("CLUSTER", "SLOTS")[0][2] == [
        b"kv.example", 9000, ID, [b"ip", b"5.6.7.8"]]
    cluster.run("CONFIG", "SET", "cluster-preferred-endpoint-type", "unknown-endpoint")
    assert cluster.run("CLUSTER", "SLOTS")[0][2] == [
        None, 9000, ID, [b"ip", b"5.6.7.8", b"hostname", b"kv.example"]]


def test_addresses_of_ipv6_and_unix_sockets(cluster):
    cluster.client.connection.laddr = "[::1]:7000"
    assert cluster.run("CLUSTER", "SLOTS")[0][2][0] == b"::1"
    cluster.client.connection.laddr = "/tmp/socket:0"
    assert cluster.run("CLUSTER", "SLOTS")[0][2][0] == b""


def test_ids(cluster):
    assert cluster.run("CLUSTER", "MYID") == cluster.run("CLUSTER", "MYSHARDID") == ID
    assert cluster.run("CLUSTER", "REPLICAS", ID) == cluster.run("CLUSTER", "SLAVES", ID) == []
    assert cluster.run("CLUSTER", "COUNT-FAILURE-REPORTS", ID) == 0
    assert cluster.run("CLUSTER", "LINKS") == []
    for name in ("REPLICAS", "SLAVES", "COUNT-FAILURE-REPORTS"):
        assert is_error(cluster.run("CLUSTER", name, "foo"), "ERR Unknown node foo")


def test_keys_of_a_slot(cluster):
    run_all(cluster, "MSET {user1}a 1 {user1}b 2 foo 3", "SET {user1}gone 1", "DEL {user1}gone")
    assert run_all(cluster, "CLUSTER KEYSLOT foo", "CLUSTER KEYSLOT {user1}a") == [12182, 8106]
    assert run_all(cluster, "CLUSTER COUNTKEYSINSLOT 8106", "CLUSTER COUNTKEYSINSLOT 1") == [2, 0]
    assert sorted(cluster.run("CLUSTER", "GETKEYSINSLOT", "8106", "10")) == [
        b"{user1}a", b"{user1}b"]
    assert len(cluster.run("CLUSTER", "GETKEYSINSLOT", "8106", "1")) == 1
    assert cluster.run("CLUSTER", "GETKEYSINSLOT", "8106", "0") == []
    cluster.flush_to_tables()
    assert cluster.run("CLUSTER", "COUNTKEYSINSLOT", "8106") == 2


@pytest.mark.parametrize("line, text", [
    ("CLUSTER COUNTKEYSINSLOT 16384", "ERR Invalid slot"),
    ("CLUSTER COUNTKEYSINSLOT -1", "ERR Invalid slot"),
    ("CLUSTER COUNTKEYSINSLOT x", "ERR value is not an integer or out of range"),
    ("CLUSTER GETKEYSINSLOT 1 x", "ERR value is not an integer or out of range"),
    ("CLUSTER GETKEYSINSLOT 1 -1", "ERR Invalid slot or number of keys"),
    ("CLUSTER GETKEYSINSLOT 16384 1", "ERR Invalid slot or number of keys"),
    ("CLUSTER KEYSLOT", "ERR wrong number of arguments for 'cluster|keyslot' command"),
    ("CLUSTER FOO", "ERR unknown subcommand 'FOO'. Try CLUSTER HELP."),
])
def test_errors(cluster, line, text):
    assert is_error(cluster.run(*line.split()), text)


@pytest.mark.parametrize("line", [
    "ADDSLOTS 1", "ADDSLOTSRANGE 1 2", "DELSLOTS 1", "DELSLOTSRANGE 1 2", "FLUSHSLOTS",
    "SETSLOT 1 STABLE", "MEET 1.2.3.4 5", "FORGET x", "REPLICATE x", "FAILOVER", "RESET",
    "RESET HARD", "BUMPEPOCH", "SET-CONFIG-EPOCH 1", "SAVECONFIG",
])
def test_nothing_is_changed_by_hand(cluster, line):
    name = line.split()[0]
    assert str(cluster.run("CLUSTER", *line.split())).startswith(
        f"ERR CLUSTER {name} is refused by resp-kv: ")


def test_modes_of_a_connection(cluster):
    client = cluster.client.connection
    assert run_all(cluster, "READONLY", "ASKING") == [b"OK", b"OK"]
    assert client.readonly and client.asking
    assert cluster.run("READWRITE") == b"OK"
    assert not client.readonly


def test_every_key_is_served_and_select_works(cluster):
    assert run_all(cluster, "SET foo 1", "MSET a 1 b 2", "SELECT 1", "GET foo") == [
        b"OK", b"OK", b"OK", None]


def test_a_transaction_stays_in_one_slot(cluster):
    assert run_all(cluster, "MULTI", "SET {t}a 1", "SET {t}b 2", "PING", "EXEC")[-1] == [
        b"OK", b"OK", b"PONG"]
    run_all(cluster, "MULTI", "SET a 1", "SET b 2")
    assert is_error(cluster.run("EXEC"),
                    "CROSSSLOT Keys in request don't hash to the same slot")
    assert run_all(cluster, "GET a", "EXEC")[0] is None
