"""How commands reach the replicas of their keys: from any node, taken apart, as a whole or not at all."""

import pytest

from cluster.errors import StoreError
from resp_kv.encoding import encoded_reply
from resp_kv.errors import CommandError
from resp_kv.replicator import Gathered, decoded_job, dot_of, dot_words, joined, split_array
from tests.resp_kv.replicated import Replicated, nodes, parsed
from tests.resp_kv.rig import ReplyError, encode

__all__ = ["nodes"]
NUMBERS = range(3)


@pytest.fixture
def five(tmp_path):
    """Nodes 1, 3 and 4 hold everything; node 0 coordinates nothing."""
    made = Replicated(tmp_path, 5, [1, 3, 4])
    yield made
    made.close()


@pytest.mark.parametrize("number", NUMBERS)
def test_every_node_takes_every_command(nodes, number):
    client, other = nodes.clients[number], nodes.clients[(number + 1) % 3]
    assert client.run("SET", "a", "1") == b"OK"
    assert other.run("INCR", "a") == 2
    assert client.run("APPEND", "a", "0") == 2
    assert other.run("SET", "a", "5", "GET", "EX", "100") == b"20"
    assert client.run("TTL", "a") == 100
    assert other.run("PERSIST", "a") == 1 and client.run("TTL", "a") == -1
    assert client.run("GETDEL", "a") == b"5" and other.run("GET", "a") is None
    assert other.run("SETNX", "a", "x") == 1 and client.run("SETNX", "a", "y") == 0
    assert client.run("TYPE", "a") == "string" or client.run("TYPE", "a") == b"string"
    assert client.run("PING") == b"PONG"


def test_a_node_without_replicas_serves_all_the_same(five):
    client = five.clients[0]
    assert client.pipeline("SET a 1", "INCR a", "GET a", "MGET a b", "DEL a", "EXISTS a") == [
        b"OK", 2, b"2", [b"2", None], 1, 0]
    assert client.pipeline("MULTI", "SET a 1", "INCR a", "EXEC")[-1] == [b"OK", 2]
    assert five.values(b"a") == [None, b"2", None, b"2", b"2"]


def test_commands_over_several_slots(nodes):
    client = nodes.clients[1]
    assert client.run("MSET", "a", "1", "b", "2", "{b}c", "3", "a", "4") == b"OK"
    assert client.run("MGET", "a", "none", "b", "{b}c", "a") == [b"4", None, b"2", b"3", b"4"]
    assert client.run("EXISTS", "a", "a", "b", "none") == 3
    assert client.run("TOUCH", "a", "b") == 2
    assert client.run("UNLINK", "a", "none", "b") == 2
    assert client.run("DEL", "a", "{b}c") == 1
    assert client.run("MGET", "a", "b", "{b}c") == [None] * 3


@pytest.mark.parametrize("words", ["RENAME a b", "COPY a b", "MSETNX a 1 b 2", "BITOP AND a b c", "LCS a b",
                                   "WATCH a b"])
def test_only_one_slot_is_atomic(nodes, words):
    assert str(nodes.clients[0].run(*words.split())) == (
        "CROSSSLOT Keys in request don't hash to the same slot")


def test_a_part_that_fails_fails_the_whole(nodes):
    client = nodes.clients[0]
    client.run("SET", "a", "1")
    nodes.down(1, 2)
    for words in ("MGET a b", "DEL a b", "MSET a 1 b 2"):
        assert str(client.run(*words.split())).startswith("NOQUORUM 2 responses are required but only 1 ")


def test_pairs_that_are_too_large_store_nothing(nodes):
    client = nodes.clients[0]
    assert str(client.run("MSET", "a", "1", "b", "x" * 10_000)).startswith("ERR key plus value are 10001")
    assert "wrong number of arguments" in str(client.run("MSET", "a", "1", "b"))
    assert client.run("MGET", "a", "b") == [None, None]


def test_keys_that_are_too_long(nodes):
    client = nodes.clients[1]
    for words in (["GET"], ["INCR"], ["DEL"], ["EXISTS"]):
        assert str(client.run(*words, "k" * 65_530)) == "ERR a key has at most 65529 bytes"


def test_swapdb_and_flushes(nodes):
    client = nodes.clients[1]
    assert "SWAPDB is not allowed in cluster mode" in str(client.run("SWAPDB", "0", "1"))
    client.pipeline("SET a 1", "SELECT 3", "SET a 3")
    assert nodes.clients[2].run("FLUSHDB") == b"OK"
    assert client.run("GET", "a") == b"3"
    client.run("SELECT", "0")
    assert client.run("GET", "a") is None
    assert client.run("FLUSHALL", "ASYNC") == b"OK"
    client.run("SELECT", "3")
    assert client.run("GET", "a") is None
    assert "syntax error" in str(client.run("FLUSHALL", "now"))


def test_a_coordinator_that_cannot_be_reached_is_passed_over(nodes):
    """The connection is gone, the failure detector has not said so yet."""
    nodes.cut |= {(1, 0), (0, 1)}
    assert nodes.clients[1].run("INCR", "a") == 1
    assert nodes.values(b"a")[1:] == [b"1"] * 2


@pytest.mark.parametrize("number", [0, 4])
def test_a_coordinator_that_reaches_nobody_else_is_not_the_last_word(five, number):
    """It has just been started; the next replica in line runs the command, whoever asks."""
    for other in (3, 4):
        five[1].coordinator.set_alive(other, False)
    client = five.clients[number]
    assert client.run("INCR", "a") == 1 and client.run("SET", "b", "1") == b"OK"
    assert (number, 1, "X") in five.delivered and (number, 3, "X") in five.delivered
    five.down(*{3, 4} - {number})
    if number == 4:
        five.down(1)
    assert str(client.run("INCR", "a")).startswith("NOQUORUM 2 responses are required but only 1 ")


def test_a_coordinator_that_is_lost_with_a_command_leaves_its_fate_open(nodes):
    client = nodes.clients[1]
    nodes.hold(1, 0)
    assert client.send("INCR", "a") == b""
    nodes.down(0)
    [error] = parsed(client.output())
    assert str(error) == ("TIMEOUT the outcome is unknown: the connection to the coordinator, "
                          "10.0.0.0:7000, broke while it ran the command")
    assert client.run("INCR", "a") == 1


def test_a_command_that_comes_too_late_is_not_run(nodes):
    """A frozen coordinator finds it in its socket; its client was told that the outcome is unknown."""
    client = nodes.clients[1]
    client.run("SET", "a", "first")
    nodes.hold(1, 0)
    assert client.send("GETSET", "a", "old") == b""
    nodes.pass_ms(2000)
    [error] = parsed(client.output())
    assert str(error).startswith("TIMEOUT the outcome is unknown")
    nodes.pass_ms(1000)
    nodes.let_go()
    assert nodes.values(b"a") == [b"first"] * 3


def test_a_node_that_holds_no_replica_refuses_to_coordinate(five):
    five[2].coordinator.executor = five[2].replicator
    job = five[0].replicator.job_of(five.clients[0].connection, *row_and(five, "INCR", "a"))
    job.prepare(five[0].rig.node)
    ended = []
    five[0].coordinator.execute(2, job.stored[0], job.encoded(), 100, 2000, 0, Told(ended))
    five.run()
    assert ended == [b"-CLUSTERDOWN this node holds no replica of the key\r\n"]


def Told(ended):
    from resp_kv.replicator import ReplySink

    return ReplySink(lambda reply, error: ended.append(reply or error))


def row_and(nodes, *words):
    words = [word.encode() for word in words]
    return nodes[0].rig.node.commands[words[0].lower()], words


# -- transactions ---------------------------------------------------------------------------------

@pytest.mark.parametrize("number", NUMBERS)
def test_a_transaction_from_any_node(nodes, number):
    client = nodes.clients[number]
    replies = client.pipeline("MULTI", "SET {t}a x", "INCR {t}a", "INCR {t}n", "GET {t}n", "SELECT 2",
                              "SET {t}a two", "EXEC", "GET {t}a")
    assert replies[:7] == [b"OK"] + [b"QUEUED"] * 6
    inside = replies[7]
    assert [inside[0], *inside[2:]] == [b"OK", 1, b"1", b"OK", b"OK"]
    assert str(inside[1]) == "ERR value is not an integer or out of range"
    assert replies[8] == b"two"                              # SELECT holds on after it


@pytest.mark.parametrize("number", NUMBERS)
def test_watching(nodes, number):
    client, other = nodes.clients[number], nodes.clients[(number + 1) % 3]
    assert client.pipeline("WATCH {t}a", "MULTI", "SET {t}b 1", "EXEC")[-1] == [b"OK"]
    client.run("WATCH", "{t}a")
    other.run("SET", "{t}a", "1")
    assert client.pipeline("MULTI", "SET {t}b 2", "EXEC")[-1] is None
    assert other.run("GET", "{t}b") == b"1"


def test_walks_and_counts_inside_a_transaction(nodes):
    """They show this node's own part, cold or not, and go to their end."""
    client = nodes.clients[0]
    client.pipeline("SET {t}a 1", "SET {t}b 2")
    nodes[0].rig.flush_to_tables()
    names, size, some, (cursor, page) = client.pipeline(
        "MULTI", "KEYS *", "DBSIZE", "RANDOMKEY", "SCAN 0 COUNT 1000", "INCR {t}c", "EXEC")[-1][:4]
    assert sorted(names) == sorted(page) == [b"{t}a", b"{t}b"]
    assert (size, cursor) == (2, b"0") and some in names


def test_what_a_transaction_cannot_have(nodes):
    client = nodes.clients[0]
    refused = client.pipeline("MULTI", "SET a 1", "FLUSHALL", "EXEC")[-1]
    assert str(refused).startswith("EXECABORT 'flushall' is not possible inside a transaction")
    assert str(client.pipeline("MULTI", "SET a 1", "SET b 1", "EXEC")[-1]).startswith("CROSSSLOT ")
    assert str(client.pipeline("WATCH a", "MULTI", "SET b 1", "EXEC")[-1]).startswith("CROSSSLOT ")
    assert client.pipeline("MULTI", "EXEC")[-1] == []
    assert str(client.run("EXEC")) == "ERR EXEC without MULTI"
    assert str(client.pipeline("MULTI", "NOSUCH", "EXEC")[-1]).startswith("EXECABORT ")
    assert client.run("MGET", "a", "b") == [None, None]


# -- on the wire ----------------------------------------------------------------------------------

def test_a_job_comes_back(nodes):
    connection, node = nodes.clients[0].connection, nodes[0].rig.node
    job = nodes[0].replicator.job_of(connection, *row_and(nodes, "SET", "a", "1"))
    header = {"flags": 16, "level": 101, "timeout_ms": 77}
    came = decoded_job(node, job.encoded(), header)
    assert (came.row.name, came.args, came.db, came.resp) == ("set", [b"SET", b"a", b"1"], 0, 3)
    assert (came.levels.read, came.levels.write, came.levels.write_timeout_ms) == (100, 101, 77)
    assert came.queued is None and came.home is None


def test_a_transaction_comes_back(nodes):
    connection, node = nodes.clients[0].connection, nodes[0].rig.node
    job = nodes[0].replicator.job_of(connection, None, None)
    job.queued = [row_and(nodes, "SET", "a", "1"), row_and(nodes, "PING")]
    job.watched = {(0, b"a"): None, (3, b"b\r\n"): (5, 6, 7, True)}
    came = decoded_job(node, job.encoded(), {"flags": 0, "level": 2, "timeout_ms": 1})
    assert [args for _, args in came.queued] == [[b"SET", b"a", b"1"], [b"PING"]]
    assert came.watched == job.watched


@pytest.mark.parametrize("dot", [None, (1, 2, 3, False), (1 << 63, 1 << 63, 0, True)])
def test_dots_come_back(dot):
    assert dot_of(dot_words(dot)) == dot


def test_a_command_that_the_coordinator_does_not_know(nodes):
    job = nodes[0].replicator.job_of(nodes.clients[0].connection, *row_and(nodes, "SET", "a", "1"))
    text = job.encoded().replace(b"SET", b"NEW")
    with pytest.raises(CommandError, match="runs a version that does not know 'NEW'"):
        decoded_job(nodes[0].rig.node, text, {"flags": 0, "level": 2, "timeout_ms": 1})


@pytest.mark.parametrize("body", [b"", b"*1\r\n$1\r\nx\r\n", b"*5\r\n" + b"$1\r\n0\r\n" * 5, b"garbage\r\n"])
def test_damaged_jobs_are_answered(nodes, body):
    ended = []
    nodes[1].coordinator.execute(0, b"\0\0\0\0a", body, 100, 2000, 0, Told(ended))
    nodes.run()
    assert ended[0].startswith(b"-")
    assert nodes.clients[0].run("INCR", "a") == 1


# -- gathering ------------------------------------------------------------------------------------

def test_gathered_replies():
    ended = []
    gathered = Gathered(3, lambda replies, error: ended.append((replies, error)))
    for number in (2, 0, 1):
        assert ended == []
        gathered.slot(number)(b":%d\r\n" % number, None)
    assert ended == [([b":0\r\n", b":1\r\n", b":2\r\n"], None)]


@pytest.mark.parametrize(("reply", "error"), [(None, "ERR x"), (b"-ERR x\r\n", None)])
def test_the_first_error_is_that_of_the_whole(reply, error):
    ended = []
    gathered = Gathered(2, lambda replies, error: ended.append(error))
    gathered.slot(1)(reply, error)
    gathered.slot(0)(None, "ERR later")
    assert ended == ["ERR x"]


def test_arrays_are_joined_as_they_stand():
    assert split_array(b"*3\r\n$2\r\nab\r\n$-1\r\n$0\r\n\r\n") == [b"$2\r\nab\r\n", b"$-1\r\n", b"$0\r\n\r\n"]
    assert split_array(b"*2\r\n_\r\n$4\r\n\r\n\r\n\r\n") == [b"_\r\n", b"$4\r\n\r\n\r\n\r\n"]
    parts = [(None, [2, 0]), (None, [1])]
    replies = [b"*2\r\n$1\r\nc\r\n$1\r\na\r\n", b"*1\r\n$-1\r\n"]
    assert joined("mget", parts, replies, False) == b"*3\r\n$1\r\na\r\n$-1\r\n$1\r\nc\r\n"
    assert joined("del", parts, [b":2\r\n", b":5\r\n"], False) == b":7\r\n"


def test_errors_of_the_store_are_words_for_the_client(nodes, monkeypatch):
    def refuse(*_, **__):
        raise StoreError("ERR the store says no")

    monkeypatch.setattr("cluster.view.KeyspaceView.put", refuse)
    for client in nodes.clients:
        assert str(client.run("INCR", "a")) == "ERR the store says no"


def test_a_bug_in_a_handler_ends_one_command(nodes, monkeypatch):
    def fail(*_, **__):
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr("cluster.view.KeyspaceView.put", fail)
        for client in nodes.clients:
            reply = client.run("INCR", "a")
            assert isinstance(reply, ReplyError) and "internal error" in str(reply)
    for client in nodes.clients:                             # its key is free again
        assert isinstance(client.run("INCR", "a"), int)
    assert encode("PING") and encoded_reply(None, True) == b"_\r\n"
