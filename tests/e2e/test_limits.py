"""Every limit that a client can meet: it gets an error or is closed, and the others go on."""

import contextlib
import os
import re
import select
import socket
import struct
import time

import pytest
import redis

from tests.e2e.server import eventually, read_reply_line, read_to_end
from tests.resp_kv.rig import encode


def still_serves(node):
    assert node.client().ping()


# -- who may come in ------------------------------------------------------------------------------


def test_maxclients(make_node):
    node = make_node("--maxclients", "5")
    first = node.link()
    eventually(lambda: client_count(first) == 1)      # the one that saw it start has left
    links = [first, *(node.link() for _ in range(4))]
    assert [link.ask(b"PING") for link in links] == [b"+PONG\r\n"] * 5
    assert read_to_end(node.socket()) == b"-ERR max number of clients reached\r\n"
    links[0].close()
    eventually(lambda: reply_of(node, b"PING\r\n") == b"+PONG\r\n")
    assert links[1].ask(b"CONFIG", b"SET", b"maxclients", b"100") == b"+OK\r\n"
    assert node.client().info("stats")["rejected_connections"] >= 1


def reply_of(node, request):
    """The first line of the reply on a connection of its own."""
    with socket.create_connection(("127.0.0.1", node.port), 60) as sock:
        try:
            sock.sendall(request)
            return read_reply_line(sock)
        except ConnectionError:
            return b""


def client_count(link):
    return len(link.value(b"CLIENT", b"LIST").splitlines())


def flags_of(link, number):
    """The field of CLIENT LIST; None when that client is gone."""
    line = link.value(b"CLIENT", b"LIST", b"ID", b"%d" % number)
    return re.search(rb"flags=(\S+)", line)[1] if line else None


def test_an_idle_client_is_closed(make_node):
    """A busy one stays, unless this machine has kept it from being busy for a second."""
    node = make_node("--timeout", "1")
    idle, busy = node.socket(), node.link()
    last_s = time.monotonic()
    while not select.select([idle], [], [], 0.1)[0]:
        try:
            assert busy.ask(b"PING") == b"+PONG\r\n"
        except OSError:
            assert time.monotonic() - last_s > 0.9
            busy = node.link()
        last_s = time.monotonic()
    assert read_to_end(idle) == b""
    still_serves(node)


@pytest.fixture(scope="module")
def own_address():
    """An address of this machine that is not the loopback."""
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        probe.connect(("192.0.2.1", 9))
        address = probe.getsockname()[0]
    except OSError:
        pytest.skip("this machine has no address but the loopback")
    finally:
        probe.close()
    return address


def test_protected_mode_lets_only_this_machine_in(make_node, own_address):
    node = make_node("--bind", "*")
    with redis.Redis(host=own_address, port=node.port) as stranger:
        with pytest.raises((redis.ResponseError, redis.ConnectionError), match="protected mode"):
            stranger.ping()
        still_serves(node)
        node.client().config_set("protected-mode", "no")
        assert stranger.ping()


def test_a_password_ends_protected_mode(make_node, own_address):
    node = make_node("--bind", "*", "--requirepass", "secret")
    with redis.Redis(host=own_address, port=node.port, password="secret") as stranger:
        assert stranger.ping()
    with (redis.Redis(host=own_address, port=node.port) as stranger,
          pytest.raises(redis.AuthenticationError)):
        stranger.ping()


# -- passwords ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def locked_node(tmp_path_factory):
    from tests.e2e.server import Node

    with Node(tmp_path_factory.mktemp("locked"), "--requirepass", "secret") as node:
        yield node


def test_nothing_goes_without_the_password(locked_node):
    link = locked_node.link()
    for words in ((b"GET", b"a"), (b"SET", b"a", b"1"), (b"INFO",), (b"PING",), (b"EXEC",)):
        assert link.ask(*words) == b"-NOAUTH Authentication required.\r\n"
    assert link.ask(b"AUTH", b"wrong").startswith(b"-WRONGPASS ")
    assert link.ask(b"AUTH", b"secret") == b"+OK\r\n"
    assert link.ask(b"SET", b"a", b"1") == b"+OK\r\n"
    assert link.ask(b"RESET") == b"+RESET\r\n"
    assert link.ask(b"GET", b"a") == b"-NOAUTH Authentication required.\r\n"


def test_hello_can_bring_the_password(locked_node):
    link = locked_node.link()
    assert link.ask(b"HELLO", b"3").startswith(b"-NOAUTH HELLO must be called")
    assert link.ask(b"HELLO", b"3", b"AUTH", b"default", b"no").startswith(b"-WRONGPASS")
    assert link.ask(b"HELLO", b"3", b"AUTH", b"default", b"secret", b"SETNAME", b"me")[:1] == b"%"
    assert link.ask(b"CLIENT", b"GETNAME") == b"$2\r\nme\r\n"
    assert locked_node.client(password="secret", protocol=3).ping()
    with pytest.raises(redis.AuthenticationError):
        locked_node.client(password="no").ping()


@pytest.mark.parametrize(("request_bytes", "error"), [
    (b"*11\r\n", b"-ERR Protocol error: unauthenticated multibulk length\r\n"),
    (b"*2\r\n$4\r\nAUTH\r\n$16385\r\n", b"-ERR Protocol error: unauthenticated bulk length\r\n"),
])
def test_strangers_have_narrow_limits(locked_node, request_bytes, error):
    sock = locked_node.socket()
    sock.sendall(request_bytes)
    assert read_to_end(sock) == error


def test_the_limits_widen_within_one_pipeline(locked_node):
    sock = locked_node.socket()
    sock.sendall(encode("AUTH", "secret") + encode("MSET", *["k", "v"] * 50)
                 + encode("ECHO", "x" * 20_000))
    assert read_reply_line(sock) == b"+OK\r\n"
    assert read_reply_line(sock) == b"+OK\r\n"
    assert read_reply_line(sock) == b"$20000\r\n"


# -- bytes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("request_bytes", "error"), [
    (b"*1\r\nPING\r\n", b"expected '$', got 'P'"),
    (b"*x\r\n", b"invalid multibulk length"),
    (b"*1048577\r\n", b"invalid multibulk length"),
    (b"*1\r\n$-5\r\n", b"invalid bulk length"),
    (b"*1\r\n$536870913\r\n", b"invalid bulk length"),
    (b"a" * 65537, b"too big inline request"),
    (b"SET \"a\r\n", b"unbalanced quotes in request"),
])
def test_a_protocol_error_closes_one_connection(node, request_bytes, error):
    other = node.link()
    assert other.ask(b"SET", b"a", b"1") == b"+OK\r\n"
    sock = node.socket()
    sock.sendall(encode("GET", "a") + request_bytes + b"*1\r\n$4\r\nPING\r\n")
    assert read_to_end(sock) == b"$1\r\n1\r\n-ERR Protocol error: " + error + b"\r\n"
    assert other.ask(b"GET", b"a") == b"$1\r\n1\r\n"


def test_an_http_request_is_not_taken_for_commands(node):
    sock = node.socket()
    sock.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\nSET a 1\r\n")
    read_to_end(sock)
    assert node.client().get("a") is None
    assert "speaks HTTP" in node.log


def test_the_query_buffer_limit(make_node):
    node = make_node("--client-query-buffer-limit", "1mb")
    sock = node.socket()
    with contextlib.suppress(ConnectionError):
        sock.sendall(b"*2\r\n$4\r\nECHO\r\n$5000000\r\n" + b"x" * 5_000_000)
    reply = read_to_end(sock)
    assert reply == b"" or b"client-query-buffer-limit" in reply
    still_serves(node)
    assert node.client().echo("x" * 900_000) == b"x" * 900_000


def test_proto_max_bulk_len(make_node):
    node = make_node("--proto-max-bulk-len", "1mb")
    sock = node.socket()
    sock.sendall(b"*2\r\n$4\r\nECHO\r\n$1048577\r\n")
    assert read_to_end(sock) == b"-ERR Protocol error: invalid bulk length\r\n"


def test_a_slow_reader_is_closed_at_its_limit(make_node):
    """It asks for 80 MB and reads nothing; the limit is 1 MB."""
    node = make_node("--client-output-buffer-limit", "normal", "1mb", "0", "0")
    link = node.link()
    link.ask(b"SET", b"a", b"x" * 9000)
    slow = node.socket()
    before = node.rss_bytes
    with contextlib.suppress(OSError):
        slow.sendall(encode("GET", "a") * 9000)
    eventually(lambda: client_count(link) == 1)
    assert node.rss_bytes - before < 50 * 2**20
    received = read_to_end(slow)
    assert 0 < len(received) < 80_000_000


def test_a_slow_reader_without_a_limit_gets_everything(node):
    node.client().set("a", "x" * 9000)
    slow = node.socket()
    slow.sendall(encode("GET", "a") * 2000)
    time.sleep(0.5)
    assert node.client().ping()
    slow.shutdown(socket.SHUT_WR)
    assert len(read_to_end(slow)) == 2000 * (len(b"$9000\r\n\r\n") + 9000)


# -- pairs ----------------------------------------------------------------------------------------


def test_max_pair_bytes(node):
    client = node.client()
    limit = r"the limit is 10000 \(directive max-pair-bytes\); nothing was stored"
    assert client.set("k" * 1000, "v" * 9000)
    for write in (lambda: client.set("a", "v" * 10_000), lambda: client.set("k" * 10_001, ""),
                  lambda: client.mset({"b": "1", "a": "v" * 10_000}),
                  lambda: client.setrange("a", 10_000, "x"), lambda: client.setbit("a", 80_000, 1),
                  lambda: client.append("k" * 1000, "x"), lambda: client.getset("a", "v" * 10_000)):
        with pytest.raises(redis.ResponseError, match=limit):
            write()
    assert client.dbsize() == 1
    assert client.strlen("k" * 1000) == 9000


def test_keys_of_10000_bytes(node):
    client = node.client()
    keys = [bytes([byte]) * 10_000 for byte in range(0, 256, 16)]
    for key in keys:
        assert client.set(key, "")
    assert client.mget(keys) == [b""] * len(keys)
    assert set(client.scan_iter()) == set(keys)
    assert client.delete(*keys) == len(keys)


def test_a_larger_limit_can_be_set_while_running(make_node):
    node = make_node()
    client = node.client()
    client.config_set("max-pair-bytes", "1mb")
    value = os.urandom(1_000_000)
    assert client.set("a", value)
    node.restart()
    assert node.client().get("a") == value


# -- CLIENT ---------------------------------------------------------------------------------------


def test_client_kill(node):
    victim, killer = node.link(), node.link()
    number = victim.value(b"CLIENT", b"ID")
    assert killer.ask(b"CLIENT", b"KILL", b"ID", b"%d" % number) == b":1\r\n"
    assert read_to_end(victim.socket) == b""
    own = killer.value(b"CLIENT", b"ID")
    assert killer.ask(b"CLIENT", b"KILL", b"ID", b"%d" % own, b"SKIPME", b"no") == b":1\r\n"
    assert read_to_end(killer.socket) == b""
    still_serves(node)


def test_client_pause_holds_back_writes_and_lets_reads_through(node):
    admin, reader, writer = node.link(), node.link(), node.link()
    assert writer.ask(b"SET", b"a", b"1") == b"+OK\r\n"
    assert admin.ask(b"CLIENT", b"PAUSE", b"60000", b"WRITE") == b"+OK\r\n"
    writer.socket.sendall(encode("SET", "a", "2") + encode("GET", "a"))
    for _ in range(20):
        assert reader.ask(b"GET", b"a") == b"$1\r\n1\r\n"
        time.sleep(0.01)
    assert admin.ask(b"CLIENT", b"UNPAUSE") == b"+OK\r\n"
    assert [writer.stream.readline() for _ in range(3)] == [b"+OK\r\n", b"$1\r\n", b"2\r\n"]


def test_client_pause_ends_by_itself(node):
    admin, reader = node.link(), node.link()
    began = time.monotonic()
    assert admin.ask(b"CLIENT", b"PAUSE", b"300") == b"+OK\r\n"
    assert reader.ask(b"GET", b"none") == b"$-1\r\n"
    assert time.monotonic() - began >= 0.25


def test_a_paused_client_that_leaves_is_forgotten(node):
    admin = node.link()
    assert admin.ask(b"CLIENT", b"PAUSE", b"600000", b"WRITE") == b"+OK\r\n"
    leaving = node.link()
    number = leaving.value(b"CLIENT", b"ID")
    leaving.socket.sendall(encode("SET", "left", "1"))
    eventually(lambda: flags_of(admin, number) == b"b")
    leaving.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    leaving.close()
    eventually(lambda: flags_of(admin, number) is None)
    assert admin.ask(b"CLIENT", b"UNPAUSE") == b"+OK\r\n"
    assert admin.ask(b"GET", b"left") == b"$-1\r\n"


def test_client_reply(node):
    sock = node.socket()
    sock.sendall(encode("CLIENT", "REPLY", "OFF") + encode("SET", "a", "1") * 3 + encode("NOPE")
                 + encode("CLIENT", "REPLY", "ON") + encode("CLIENT", "REPLY", "SKIP")
                 + encode("GET", "a") + encode("INCR", "a"))
    assert read_reply_line(sock) == b"+OK\r\n"
    assert read_reply_line(sock) == b":2\r\n"


# -- sockets --------------------------------------------------------------------------------------


def test_100_000_commands_in_one_go(node):
    """The client sends all before it reads anything; neither side may wait for the other forever."""
    sock = node.socket()
    count = 100_000
    request = b"".join(encode("SET", f"key:{i % 5000}", i) for i in range(count))
    sock.sendall(request)
    sock.sendall(encode("ECHO", "end"))
    reply = b""
    while not reply.endswith(b"$3\r\nend\r\n"):
        piece = sock.recv(1 << 20)
        assert piece, "closed"
        reply += piece
    assert reply == b"+OK\r\n" * count + b"$3\r\nend\r\n"
    assert node.client().get("key:4999") == b"99999"


def test_a_command_in_pieces_of_one_byte(node):
    sock = node.socket()
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for byte in encode("SET", "a", "x\r\n" * 500) + encode("STRLEN", "a"):
        sock.sendall(bytes([byte]))
    assert read_reply_line(sock) == b"+OK\r\n"
    assert read_reply_line(sock) == b":1500\r\n"


def test_a_half_closed_socket_gets_its_replies(node):
    sock = node.socket()
    sock.sendall(encode("SET", "a", "1") + encode("INCR", "a") * 5000 + encode("GET", "a"))
    sock.shutdown(socket.SHUT_WR)
    reply = read_to_end(sock)
    assert reply.startswith(b"+OK\r\n:2\r\n:3\r\n")
    assert reply.endswith(b":5001\r\n$4\r\n5001\r\n")


def test_a_half_closed_socket_gets_its_replies_when_each_waits_for_fsync(make_node):
    node = make_node("--appendfsync", "always")
    for i in range(50):
        sock = node.socket()
        sock.sendall(encode("SET", f"key:{i}", "1"))
        sock.shutdown(socket.SHUT_WR)
        assert read_to_end(sock) == b"+OK\r\n"


def test_clients_that_vanish_in_the_middle_of_a_command(node):
    link = node.link()
    before = client_count(link)
    for i in range(200):
        sock = node.socket()
        sock.sendall(encode("SET", "partial", "x" * 100)[:-(1 + i % 90)])
        if i % 2:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    eventually(lambda: client_count(link) <= before)
    assert link.ask(b"GET", b"partial") == b"$-1\r\n"


def test_a_thousand_connections_at_once(make_node):
    node = make_node()
    sockets = [node.socket() for _ in range(1000)]
    for number, sock in enumerate(sockets):
        sock.sendall(encode("SET", f"key:{number}", number) + encode("GET", f"key:{number}"))
    for number, sock in enumerate(sockets):
        assert read_reply_line(sock) == b"+OK\r\n"
        read_reply_line(sock)
        assert read_reply_line(sock) == b"%d\r\n" % number
    assert node.client().info("clients")["connected_clients"] == 1001
    for sock in sockets:
        sock.close()
    client = node.client()
    eventually(lambda: client.info("clients")["connected_clients"] < 10)


def test_a_unix_socket(make_node, tmp_path):
    path = tmp_path / "node.sock"
    node = make_node("--unixsocket", str(path), "--unixsocketperm", "700")
    assert path.stat().st_mode & 0o777 == 0o700
    with redis.Redis(unix_socket_path=str(path)) as client:
        assert client.set("a", "1")
        assert client.client_info()["addr"] == f"{path}:0"
    assert node.stop() == 0
    assert not path.exists()
