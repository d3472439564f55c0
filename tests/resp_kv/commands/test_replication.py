import pytest

from resp_kv.host import Token
from tests.resp_kv.commands.replies import is_error, run_all


def test_role(rig):
    assert rig.run("ROLE") == [b"master", 0, []]


def test_wait_never_waits(rig):
    assert run_all(rig, "WAIT 0 0", "WAIT 5 0", "WAIT -1 10") == [0, 0, 0]


@pytest.mark.parametrize("line, text", [
    ("WAIT x 0", "ERR value is not an integer or out of range"),
    ("WAIT 0 -1", "ERR timeout is negative"),
    ("WAIT 0 x", "ERR timeout is not an integer or out of range"),
    ("WAITAOF 2 0 0", "ERR value is out of range, value must between 0 and 1"),
    ("WAITAOF 1 -1 0", "ERR value is out of range, must be positive"),
    ("WAITAOF 1 0 -1", "ERR timeout is negative"),
    ("FAILOVER", "ERR FAILOVER requires connected replicas."),
    ("FAILOVER ABORT", "ERR No failover in progress."),
    ("FAILOVER x", "ERR syntax error"),
])
def test_errors(rig, line, text):
    assert is_error(rig.run(*line.split()), text)


def test_waitaof_waits_for_the_fsync(rig, monkeypatch):
    token = Token()
    monkeypatch.setattr(rig.node.host, "sync", lambda: token, raising=False)
    connection = rig.client.connection
    connection.feed(b"WAITAOF 1 0 0\r\n")
    connection.resume()
    assert connection.take_output() == b""
    token.done = True
    connection.resume()
    assert connection.take_output() == b"*2\r\n:1\r\n:0\r\n"
    assert rig.run("WAITAOF", "0", "0", "0") == [0, 0]


def test_waitaof_gives_up_after_its_time(rig, monkeypatch):
    monkeypatch.setattr(rig.node.host, "sync", Token, raising=False)
    connection = rig.client.connection
    connection.feed(b"WAITAOF 1 0 100\r\n")
    connection.resume()
    assert connection.take_output() == b""
    rig.advance(100)
    connection.resume()
    assert connection.take_output() == b"*2\r\n:0\r\n:0\r\n"


def test_waitaof_does_not_wait_inside_exec(rig, monkeypatch):
    monkeypatch.setattr(rig.node.host, "sync", Token, raising=False)
    assert run_all(rig, "MULTI", "WAITAOF 1 0 0", "EXEC")[-1] == [[0, 0]]


def test_following_another_server_is_refused(rig):
    for name in ("REPLICAOF", "SLAVEOF"):
        assert rig.run(name, "no", "one") == b"OK"
        assert str(rig.run(name, "127.0.0.1", "6379")).startswith(
            f"ERR {name} is not supported by resp-kv")
