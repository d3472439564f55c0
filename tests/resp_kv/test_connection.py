"""Order and waiting on one connection, without sockets: what is read from disk comes by hand here.

`Server` below holds back what the rig does on the spot, so that a test decides when blocks arrive,
when there is room, and what other clients do in between.
"""

import pytest

from engine.disk_faulty import FaultyDisk
from tests.resp_kv.rig import Rig, encode

WAIT_DISK, WAIT_ROOM, WAIT_PAUSE, WAIT_TURN = 1, 2, 3, 4
COLD = [b"cold:%d" % i for i in range(300)]


class Server(Rig):
    """Clients stay waiting until `load` or `resume` is called."""

    def __init__(self, directory, disk=None, **directives):
        super().__init__(directory, disk, **directives)
        self.loads = 0

    def settle(self, connection):
        pass

    def load(self):
        """One round of what a reader thread does: everything asked for so far."""
        self.loads += 1
        self.store.load()

    def resume(self, client):
        client.connection.resume()

    def go_on(self, client):
        """Load and resume until the client waits for nothing."""
        rounds = 0
        while client.connection.waiting:
            rounds += 1
            assert rounds < 1000, "it waits for ever"
            self.load()
            self.run_steps()
            client.connection.resume()
        self.store.commit()
        return rounds


def feed(client, *commands):
    """Hand over commands (lists of words); nothing is loaded yet."""
    client.connection.feed(b"".join(encode(*words) for words in commands))


def replies(client):
    client.reader.feed(client.connection.take_output())
    found = []
    while (reply := client.reader.gets()) is not False:
        found.append(reply)
    return found


@pytest.fixture
def server(tmp_path):
    """300 values of 500 bytes on disk and none in memory."""
    directory = tmp_path / "node"
    with_data = Server(directory, compression="none")
    for key in COLD:
        with_data.client.connection.feed(encode("SET", key, key + b"-" * 500))
    with_data.flush_to_tables()
    with_data.close()
    disk = FaultyDisk()
    disk.never_cached = True
    made = Server(directory, disk, compression="none")
    yield made
    made.close()


def value(key):
    return key + b"-" * 500


# -- the plain road -------------------------------------------------------------------------------


def test_replies_come_in_the_order_of_the_commands(rig):
    request = b"".join(encode("SET", f"k{i}", i) + encode("GET", f"k{i}") + encode("NOPE")
                       for i in range(500))
    rig.client.reader.feed(rig.raw(request))
    for i in range(500):
        assert rig.client.reader.gets() == b"OK"
        assert rig.client.reader.gets() == b"%d" % i
        assert "unknown command" in str(rig.client.reader.gets())


def test_a_large_word_in_small_pieces_is_linear_work(rig):
    """Were the 8 MB looked at again with each of 130,000 pieces, this would take minutes."""
    request = encode("ECHO", b"v" * 8_000_000)
    for at in range(0, len(request), 64):
        rig.client.connection.feed(request[at:at + 64])
    assert len(rig.client.connection.take_output()) == 8_000_000 + len(b"$8000000\r\n\r\n")
    assert rig.run("PING") == b"PONG"
    assert rig.client.connection.query_buffer_capacity <= 64 * 1024


def test_a_protocol_error_is_the_last_reply(rig):
    assert rig.raw(encode("PING") + b"*1\r\nX" + encode("PING")) == (
        b"+PONG\r\n-ERR Protocol error: expected '$', got 'X'\r\n")
    assert rig.client.connection.closing
    assert rig.raw(encode("PING")) == b""


def test_quit_answers_and_ends_the_pipeline(rig):
    assert rig.raw(encode("QUIT") + encode("SET", "a", "1")) == b"+OK\r\n"
    assert rig.new_client().run("GET", "a") is None


def test_empty_commands_have_no_reply(rig):
    assert rig.raw(b"\r\n*0\r\n\n*-1\r\nPING\r\n") == b"+PONG\r\n"


def test_the_query_buffer_limit(tmp_path):
    rig = Rig(tmp_path / "node", client_query_buffer_limit=2**20)
    reply = rig.raw(b"*2\r\n$4\r\nECHO\r\n$9000000\r\n" + b"x" * 2**20)
    assert b"client-query-buffer-limit" in reply
    assert rig.client.connection.closing
    assert rig.new_client().run("PING") == b"PONG"
    rig.close()


def test_a_bug_in_a_handler_harms_nobody_else(rig, monkeypatch):
    def broken(client, args):
        raise ZeroDivisionError

    row = rig.node.commands[b"echo"]
    handler = row.handler
    try:
        row.handler = broken
    except AttributeError:
        pytest.skip("rows cannot be changed")
    try:
        assert "internal error while running 'echo'" in str(rig.run("ECHO", "x"))
    finally:
        row.handler = handler
    assert rig.run("ECHO", "x") == b"x"


# -- cold reads -----------------------------------------------------------------------------------


class TestColdReads:
    def test_one_read_waits_and_then_answers(self, server):
        client = server.client
        feed(client, ["GET", COLD[0]])
        assert client.connection.waiting == WAIT_DISK
        assert replies(client) == []
        server.go_on(client)
        assert replies(client) == [value(COLD[0])]

    def test_reads_of_one_pipeline_overlap_and_answer_in_order(self, server):
        """A hundred reads all over the table: few rounds of loading, not one for each."""
        client = server.client
        feed(client, *(["GET", key] for key in COLD[:100]))
        rounds = server.go_on(client)
        assert replies(client) == [value(key) for key in COLD[:100]]
        assert rounds < 10

    def test_warm_replies_keep_their_place_behind_cold_ones(self, server):
        client = server.client
        feed(client, ["SET", "warm", "1"])
        assert replies(client) == [b"OK"]
        feed(client, ["GET", "warm"], ["GET", COLD[0]], ["GET", "warm"], ["GET", COLD[1]],
             ["GET", "warm"])
        early = replies(client)
        assert early in ([], [b"1"])
        server.go_on(client)
        assert early + replies(client) == [b"1", value(COLD[0]), b"1", value(COLD[1]), b"1"]

    def test_a_client_sees_its_own_writes_in_its_own_order(self, server):
        client = server.client
        key = COLD[7]
        feed(client, ["GET", key], ["SET", key, "new"], ["GET", key], ["DEL", key], ["GET", key],
             ["GET", COLD[8]])
        server.go_on(client)
        assert replies(client) == [value(key), b"OK", b"new", 1, None, value(COLD[8])]

    def test_every_kind_of_command_behind_a_cold_read(self, server):
        client = server.client
        feed(client, ["GET", COLD[0]], ["PING"], ["INCR", "n"], ["NOPE"], ["GET"], ["CLIENT", "ID"],
             ["MGET", COLD[1], "n"], ["DBSIZE"], ["GET", COLD[2]], ["ECHO", "end"])
        server.go_on(client)
        found = replies(client)
        assert found[:3] == [value(COLD[0]), b"PONG", 1]
        assert "unknown command" in str(found[3]) and "wrong number" in str(found[4])
        assert found[5:] == [client.connection.id, [value(COLD[1]), b"1"], 301, value(COLD[2]),
                             b"end"]

    def test_what_another_client_does_meanwhile_does_not_mix_in(self, server):
        """The waiting read sees the value before or after the other's write, nothing else."""
        client, other = server.client, server.new_client()
        feed(client, ["GET", COLD[0]], ["GET", COLD[1]])
        feed(other, ["SET", COLD[1], "other"], ["PING"])
        assert replies(other) == [b"OK", b"PONG"]
        server.go_on(client)
        found = replies(client)
        assert found[0] == value(COLD[0])
        assert found[1] in (value(COLD[1]), b"other")

    def test_read_modify_write_of_a_cold_key_starts_again_and_counts_once(self, server):
        client = server.client
        feed(client, ["APPEND", COLD[0], "x"], ["STRLEN", COLD[0]], ["GETDEL", COLD[1]],
             ["SET", COLD[2], "y", "GET"], ["SET", COLD[3], "z", "NX"], ["EXISTS", *COLD[:5]])
        server.go_on(client)
        assert replies(client) == [len(value(COLD[0])) + 1, len(value(COLD[0])) + 1,
                                   value(COLD[1]), value(COLD[2]), None, 4]

    def test_the_writer_of_a_cold_key_reads_what_came_in_between(self, server):
        """APPEND waits for the disk; another client overwrites; the append goes to the new value."""
        client, other = server.client, server.new_client()
        feed(client, ["APPEND", COLD[0], "!"])
        assert client.connection.waiting == WAIT_DISK
        feed(other, ["SET", COLD[0], "fresh"])
        server.go_on(client)
        assert replies(client) == [6]
        feed(other, ["GET", COLD[0]])
        assert replies(other) == [b"OK", b"fresh!"]

    def test_multi_over_cold_keys_is_whole(self, server):
        client, other = server.client, server.new_client()
        feed(client, ["MULTI"], ["GET", COLD[0]], ["APPEND", COLD[1], "x"], ["GET", COLD[2]], ["EXEC"],
             ["PING"])
        assert client.connection.waiting == WAIT_DISK
        assert replies(client) == [b"OK", b"QUEUED", b"QUEUED", b"QUEUED"]
        feed(other, ["SET", COLD[2], "between"])
        server.go_on(client)
        assert replies(client) == [
            [value(COLD[0]), len(value(COLD[1])) + 1, b"between"], b"PONG"]

    def test_watch_of_a_cold_key(self, server):
        client, other = server.client, server.new_client()
        feed(client, ["WATCH", COLD[0]])
        server.go_on(client)
        feed(client, ["MULTI"], ["SET", "a", "1"], ["EXEC"])
        server.go_on(client)
        assert replies(client) == [b"OK", b"OK", b"QUEUED", [b"OK"]]
        feed(client, ["WATCH", COLD[1]])
        server.go_on(client)
        feed(other, ["DEL", COLD[1]])
        server.go_on(other)
        feed(client, ["MULTI"], ["SET", "a", "2"], ["EXEC"])
        server.go_on(client)
        assert replies(client) == [b"OK", b"OK", b"QUEUED", None]

    def test_a_protocol_error_behind_a_cold_read_comes_last(self, server):
        client = server.client
        client.connection.feed(encode("GET", COLD[0]) + b"*1\r\nX")
        server.go_on(client)
        found = replies(client)
        assert found[0] == value(COLD[0])
        assert "Protocol error: expected '$', got 'X'" in str(found[1])
        assert client.connection.closing

    def test_bytes_that_come_while_it_waits_are_kept(self, server):
        client = server.client
        feed(client, ["GET", COLD[0]])
        for byte in encode("ECHO", "later") + encode("GET", COLD[1]):
            client.connection.feed(bytes([byte]))
        assert replies(client) == []
        server.go_on(client)
        assert replies(client) == [value(COLD[0]), b"later", value(COLD[1])]

    def test_killed_while_it_waits(self, server):
        client = server.client
        feed(client, ["GET", COLD[0]], ["SET", "a", "1"])
        client.connection.kill()
        server.load()
        client.connection.resume()
        assert replies(client) == []
        feed(server.new_client(), ["GET", COLD[0]])

    def test_resp3_holds_for_deferred_replies(self, server):
        client = server.client
        feed(client, ["HELLO", "3"])
        replies(client)
        feed(client, ["GET", COLD[0]], ["GET", "none"], ["GET", COLD[1]])
        server.go_on(client)
        assert client.connection.take_output().count(b"_\r\n") == 1

    def test_client_reply_skip_before_a_cold_read(self, server):
        client = server.client
        feed(client, ["CLIENT", "REPLY", "SKIP"], ["GET", COLD[0]], ["GET", COLD[1]])
        server.go_on(client)
        assert replies(client) == [value(COLD[1])]

    def test_long_walks_over_cold_keys(self, server):
        client = server.client
        feed(client, ["DBSIZE"], ["KEYS", "cold:1?"], ["SCAN", "0", "COUNT", "1000"], ["RANDOMKEY"],
             ["PING"])
        server.go_on(client)
        size, names, (cursor, walked), key, pong = replies(client)
        assert (size, sorted(names)) == (300, COLD[10:20])
        assert (cursor, sorted(walked)) == (b"0", sorted(COLD))
        assert key in COLD and pong == b"PONG"


# -- other waits ----------------------------------------------------------------------------------


def test_a_write_without_room_waits_for_the_flush(tmp_path):
    server = Server(tmp_path / "node", memtable_bytes=2**20)
    client = server.client
    count = 0
    while not client.connection.waiting:
        feed(client, ["SET", f"k{count}", "v" * 5000], ["GET", f"k{count}"])
        server.store.commit()
        count += 1
        assert count < 5000, "memory has no limit"
    assert client.connection.waiting == WAIT_ROOM
    reader = server.new_client()
    feed(reader, ["PING"], ["GET", "none"])
    assert replies(reader) == [b"PONG", None]
    server.go_on(client)
    assert replies(client) == [b"OK", b"v" * 5000] * count
    server.close()


def test_pause_holds_back_and_lets_go(rig):
    rig.run("SET", "a", "1")
    admin, client = rig.new_client(), rig.client
    admin.run("CLIENT", "PAUSE", "1000", "WRITE")
    feed(client, ["GET", "a"], ["SET", "a", "2"], ["GET", "a"])
    assert client.connection.waiting == WAIT_PAUSE
    assert replies(client) == [b"1"]
    admin.run("CLIENT", "UNPAUSE")
    client.connection.resume()
    assert replies(client) == [b"OK", b"2"]


def test_queued_commands_do_not_run_before_exec(rig):
    other = rig.new_client()
    rig.run("MULTI")
    assert rig.run("SET", "a", "1") == b"QUEUED"
    assert other.run("GET", "a") is None
    assert rig.run("EXEC") == [b"OK"]
    assert other.run("GET", "a") == b"1"


def test_client_list_shows_the_command_under_way(rig):
    assert b"cmd=client|list" in rig.run("CLIENT", "LIST")


@pytest.mark.parametrize("size", [1, 3, 50])
def test_any_split_of_the_bytes_gives_the_same_replies(tmp_path, size):
    request = (encode("SET", "a", "1") + b"INCR a\r\n" + encode("MULTI") + encode("GET", "a")
               + b"\r\n" + encode("EXEC") + encode("GET") + b"NOPE 'x y'\n" + encode("HELLO", "3")
               + encode("GET", "none") + encode("CLIENT", "REPLY", "SKIP") + encode("PING")
               + encode("MGET", "a", "b") + encode("QUIT") + encode("PING"))
    results = []
    for step in (len(request), size):
        rig = Rig(tmp_path / f"node{step}")
        results.append(b"".join(
            rig.raw(request[at:at + step]) for at in range(0, len(request), step)))
        rig.close()
    assert results[0] == results[1]
    assert results[0].startswith(b"+OK\r\n:2\r\n") and results[0].endswith(b"+OK\r\n")
