import pytest

from resp_kv.host import Token
from tests.resp_kv.commands.replies import is_error


def test_time(rig, monkeypatch):
    monkeypatch.setattr(rig.node, "wall_ns", lambda: 1_700_000_000_123_456_789)
    assert rig.run("TIME") == [b"1700000000", b"123456"]


def test_lolwut(rig):
    for words in ((), ("VERSION", "5"), ("VERSION", "5", "1", "2")):
        assert rig.run("LOLWUT", *words).endswith(b"Redis ver. 7.2.5 (resp-kv 0.1.0)\n")
    assert is_error(rig.run("LOLWUT", "VERSION", "x"),
                    "ERR value is not an integer or out of range")


@pytest.mark.parametrize("line", [
    "SHUTDOWN FOO", "SHUTDOWN SAVE NOSAVE", "SHUTDOWN ABORT NOW", "SHUTDOWN SAVE FOO", "BGSAVE x",
    "BGSAVE SCHEDULE x",
])
def test_syntax(rig, line):
    assert is_error(rig.run(*line.split()), "ERR syntax error")


@pytest.mark.parametrize("line, wanted", [
    ("SHUTDOWN", (None, False, False, False)),
    ("SHUTDOWN NOSAVE", (False, False, False, False)),
    ("shutdown save now force", (True, True, True, False)),
])
def test_shutdown_is_the_hosts_and_has_no_reply(rig, monkeypatch, line, wanted):
    asked = []
    monkeypatch.setattr(rig.node.host, "shutdown", lambda *options: asked.append(options) or True,
                        raising=False)
    assert rig.send(*line.split()) == b""
    assert asked == [wanted]


def test_shutdown_abort(rig):
    assert is_error(rig.run("SHUTDOWN", "ABORT"), "ERR No shutdown in progress.")


def test_save_waits_for_its_token(rig, monkeypatch):
    token = Token()
    monkeypatch.setattr(rig.node.host, "save", lambda: token, raising=False)
    rig.client.connection.feed(b"SAVE\r\nPING\r\n")
    assert rig.client.connection.take_output() == b""
    token.done = True
    rig.client.connection.resume()
    assert rig.client.connection.take_output() == b"+OK\r\n+PONG\r\n"


def test_save_tells_what_failed(rig, monkeypatch):
    monkeypatch.setattr(rig.node.host, "save", lambda: Token(True, "no space left"), raising=False)
    assert is_error(rig.run("SAVE"), "ERR saving failed: no space left")


def test_bgsave(rig, monkeypatch):
    saves = []
    monkeypatch.setattr(rig.node.host, "save", lambda: saves.append(1), raising=False)
    assert rig.run("BGSAVE") == rig.run("BGSAVE", "schedule") == b"Background saving started"
    assert len(saves) == 2
    monkeypatch.setattr(type(rig.node.host), "saving", True)
    assert is_error(rig.run("BGSAVE"), "ERR Background save already in progress")
    assert rig.run("BGSAVE", "SCHEDULE") == b"Background saving scheduled"


def test_bgrewriteaof_and_lastsave(rig, monkeypatch):
    answers = [True, False]
    monkeypatch.setattr(rig.node.host, "flush", lambda: answers.pop(0), raising=False)
    monkeypatch.setattr(rig.node.host, "last_save_ms", 1_600_000_000_999, raising=False)
    assert rig.run("LASTSAVE") == 1_600_000_000
    assert rig.run("BGREWRITEAOF") == b"Background append only file rewriting started"
    assert is_error(rig.run("BGREWRITEAOF"),
                    "ERR Background append only file rewriting already in progress")
