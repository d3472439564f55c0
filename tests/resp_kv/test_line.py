"""The line of replies: in order, each client its own commands one by one, bounded."""

import pytest

from tests.resp_kv.replicated import nodes, parsed
from tests.resp_kv.rig import ReplyError, encode

__all__ = ["nodes"]
TICKETS_MAX = 1024                       # as line.pxd has it


def under_way(nodes, number):
    return nodes[number].coordinator.stats()["requests_under_way"]


@pytest.mark.parametrize("number", range(3))
def test_replies_come_in_order(nodes, number):
    client = nodes.clients[number]
    assert client.pipeline("SET a 1", "GET a", "PING", "INCR a", "GET a", "MGET a b", "GET b", "ECHO x",
                           "DEL a b", "GET a") == [
        b"OK", b"1", b"PONG", 2, b"2", [b"2", None], None, b"x", 1, None]


def test_a_reply_that_is_done_waits_for_those_before_it(nodes):
    client = nodes.clients[0]
    client.run("SET", "a", "1")
    nodes.hold(0, 1)
    client.send("GET", "a", go=False)                        # asks nodes 0 and 1
    nodes.hold(0, 1)
    nodes.run()
    nodes.holding.clear()
    assert client.send("GET", "b") == b""                    # answered, and stands behind
    nodes.let_go()
    assert parsed(client.output()) == [b"1", None]


def test_reads_overlap_and_so_do_writes(nodes):
    client = nodes.clients[0]
    nodes.hold(0, 1)
    nodes.hold(0, 2)
    client.raw(encode("GET", "a") * 5 + encode("GET", "b") * 5)
    assert under_way(nodes, 0) == 10
    nodes.let_go()
    client.output()
    nodes.hold(0, 1)
    nodes.hold(0, 2)
    client.raw(b"".join(encode("SET", "a", number) for number in range(10)))
    assert under_way(nodes, 0) == 10
    nodes.let_go()
    assert client.output() == b"+OK\r\n" * 10
    assert nodes.values(b"a") == [b"9"] * 3


@pytest.mark.parametrize(("first", "second", "replies"), [
    ("SET a 1", "GET a", [b"OK", b"1"]), ("GET a", "SET a 1", [None, b"OK"]),
    ("INCR a", "GET a", [1, b"1"]), ("GET a", "INCR a", [None, 1]),
    ("SET a 1", "INCR a", [b"OK", 2]), ("INCR a", "SET a 1", [1, b"OK"]),
    ("INCR a", "INCR a", [1, 2]), ("MSET a 1 b 1", "GET b", [b"OK", b"1"]),
    ("SET b 1", "DEL a b", [b"OK", 1]), ("SET a 1", "FLUSHALL", [b"OK", b"OK"]),
    ("FLUSHALL", "SET a 1", [b"OK", b"OK"])])
def test_commands_that_could_disturb_each_other_wait(nodes, first, second, replies):
    """The second one starts only when the first has ended, however long that takes."""
    client = nodes.clients[0]
    nodes.hold(0, 1)
    nodes.hold(0, 2)
    assert client.raw(encode(*first.split()) + encode(*second.split())) == b""
    before = under_way(nodes, 0)
    assert client.connection.blocked
    assert client.output() == b"" and under_way(nodes, 0) == before
    nodes.let_go()
    assert parsed(client.output()) == replies


def test_other_clients_do_not_wait_for_this_one(nodes):
    one, other = nodes.clients[0], nodes.new_client(0)
    nodes.hold(0, 1)
    nodes.hold(0, 2)
    one.raw(encode("SET", "a", "1") + encode("INCR", "a"))
    nodes.holding.clear()
    assert other.run("SET", "a", "5") == b"OK"
    nodes.let_go()
    assert parsed(one.output()) == [b"OK", 2]                # stamped again, past the other SET


@pytest.mark.parametrize("words", [("GET", "k"), ("SET", "k", "v"), ("EXISTS", "k")])
def test_so_many_are_under_way_at_once(nodes, words):
    client = nodes.clients[1]
    nodes.hold(1, 0)
    nodes.hold(1, 2)
    count = 2 * TICKETS_MAX + 100
    commands = [encode(words[0], f"{words[1]}{number}", *words[2:]) for number in range(count)]
    client.raw(b"".join(commands))
    assert under_way(nodes, 1) == TICKETS_MAX and client.connection.blocked
    nodes.let_go()
    assert len(parsed(client.output())) == count
    assert under_way(nodes, 1) == 0


def test_errors_stand_in_their_place_and_are_counted(nodes):
    client = nodes.clients[0]
    client.run("SET", "text", "x")
    before = nodes[0].rig.node.traffic.errors
    replies = parsed(client.raw(b"".join([
        encode("SET", "a", "1"), encode("SET", "a", "x" * 10_000), encode("INCR", "text"), encode("NOSUCH"),
        encode("GET"), encode("GET", "a")])))
    assert [replies[0], replies[5]] == [b"OK", b"1"]
    assert [str(reply).split()[0] for reply in replies[1:5]] == ["ERR"] * 4
    assert all(isinstance(reply, ReplyError) for reply in replies[1:5])
    assert nodes[0].rig.node.traffic.errors - before >= 3
    nodes.down(1, 2)
    assert str(client.run("GET", "a")).startswith("NOQUORUM 2 responses are required")
    assert str(client.run("SET", "a", "1")).startswith("NOQUORUM 2 responses are required")


def test_a_protocol_error_comes_after_what_was_sent_before(nodes):
    client = nodes.clients[0]
    nodes.hold(0, 1)
    nodes.hold(0, 2)
    assert client.raw(encode("SET", "a", "1") + b"*1\r\n!x\r\n") == b""
    nodes.let_go()
    ok, error = parsed(client.output())
    assert ok == b"OK" and str(error).startswith("ERR Protocol error")
    assert client.connection.closing


def test_a_client_that_is_gone_disturbs_nobody(nodes):
    client = nodes.clients[0]
    nodes.hold(0, 1)
    nodes.hold(0, 2)
    client.raw(encode("SET", "a", "1") + encode("GET", "b") + encode("INCR", "c"))
    client.close()
    nodes.let_go()
    assert client.output() == b""
    assert nodes.values(b"a") == [b"1"] * 3 and under_way(nodes, 0) == 0
    assert nodes.new_client(0).run("INCR", "c") == 2


def test_replies_that_are_switched_off_take_no_place(nodes):
    client = nodes.clients[1]
    assert client.pipeline("SET a 1", "CLIENT REPLY SKIP", "INCR a", "CLIENT REPLY OFF", "INCR a", "GET a",
                           "CLIENT REPLY ON", "GET a") == [b"OK", b"OK", b"3"]


def test_levels_follow_the_configuration_until_the_client_chooses(nodes):
    line = nodes.clients[0].connection.line
    coordinator = nodes[0].coordinator
    assert (line.read_level, line.write_level) == (coordinator.read_level, coordinator.write_level)
    coordinator.read_level, coordinator.write_timeout_ms = 1, 77
    line.follow_defaults()
    assert (line.read_level, line.write_timeout_ms, line.chosen) == (1, 77, False)


def test_reads_are_hits_and_misses(nodes):
    stats = nodes[0].rig.node.keyspaces[0].writer
    before = stats.hits, stats.misses
    nodes.clients[0].pipeline("SET a 1", "GET a", "GET none", "GET a")
    assert (stats.hits - before[0], stats.misses - before[1]) == (2, 1)
