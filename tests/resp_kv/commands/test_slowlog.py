import pytest

from tests.resp_kv.commands.replies import is_error, run_all


def test_everything_is_slow_at_zero(rig):
    rig.run("CONFIG", "SET", "slowlog-log-slower-than", "0")
    run_all(rig, "CLIENT SETNAME me", "SET a 1")
    newest, named, *_ = rig.run("SLOWLOG", "GET")
    assert newest[3:] == [[b"SET", b"a", b"1"], b"127.0.0.1:5000", b"me"]
    assert newest[1] == rig.node.now_ms // 1000
    assert isinstance(newest[2], int)
    assert newest[0] == named[0] + 1


def test_off_and_limit(rig):
    rig.run("CONFIG", "SET", "slowlog-log-slower-than", "-1")
    rig.run("SET", "a", "1")
    rig.run("SLOWLOG", "RESET")
    assert rig.run("SLOWLOG", "LEN") == 0
    rig.run("CONFIG", "SET", "slowlog-log-slower-than", "0", "slowlog-max-len", "3")
    for _ in range(5):
        rig.run("PING")
    assert rig.run("SLOWLOG", "LEN") == 3
    assert rig.run("SLOWLOG", "RESET") == b"OK"
    assert rig.run("SLOWLOG", "LEN") == 1           # the RESET itself


def test_ten_unless_told(rig):
    rig.run("CONFIG", "SET", "slowlog-log-slower-than", "0")
    for _ in range(15):
        rig.run("PING")
    assert len(rig.run("SLOWLOG", "GET")) == 10
    assert len(rig.run("SLOWLOG", "GET", "3")) == 3
    assert len(rig.run("SLOWLOG", "GET", "-1")) > 15
    assert rig.run("SLOWLOG", "GET", "0") == []


def test_long_commands_are_shortened(rig):
    rig.run("CONFIG", "SET", "slowlog-log-slower-than", "0")
    rig.run("SET", "a", "x" * 200)
    assert rig.run("SLOWLOG", "GET", "1")[0][3][2] == b"x" * 128 + b"... (72 more bytes)"
    rig.run("DEL", *(f"key:{i}" for i in range(40)))
    args = rig.run("SLOWLOG", "GET", "1")[0][3]
    assert len(args) == 32
    assert args[-1] == b"... (10 more arguments)"


@pytest.mark.parametrize(("command", "shown"), [
    ("AUTH secret", "AUTH (redacted)"),
    ("auth default secret", "auth (redacted) (redacted)"),
    ("HELLO 2 SETNAME auth AUTH default secret", "HELLO 2 SETNAME auth AUTH (redacted) (redacted)"),
    ("HELLO 2 AUTH", "HELLO 2 AUTH"),
    ("CONFIG SET timeout 0 RequirePass secret", "CONFIG SET timeout 0 RequirePass (redacted)"),
    ("CONFIG GET requirepass", "CONFIG GET requirepass"),
])
def test_passwords_are_not_shown(rig, command, shown):
    rig.run("CONFIG", "SET", "slowlog-log-slower-than", "0")
    rig.run(*command.split())
    rig.run("AUTH", "secret")                       # in case there is a password now
    entries = [b" ".join(entry[3]).decode() for entry in rig.run("SLOWLOG", "GET")]
    assert shown in entries
    assert "secret" not in " ".join(entries)


def test_exec_itself_is_not_noted(rig):
    rig.run("CONFIG", "SET", "slowlog-log-slower-than", "0")
    run_all(rig, "MULTI", "PING", "EXEC")
    assert [b"EXEC"] not in [entry[3] for entry in rig.run("SLOWLOG", "GET")]


def test_the_commands_of_a_transaction_are_noted_when_they_run(rig):
    rig.run("CONFIG", "SET", "slowlog-log-slower-than", "0")
    run_all(rig, "MULTI", "SET a 1", "DISCARD", "MULTI", "SET a 2", "EXEC")
    noted = [entry[3] for entry in rig.run("SLOWLOG", "GET")]
    assert [b"SET", b"a", b"1"] not in noted
    assert noted.count([b"SET", b"a", b"2"]) == 1


def test_errors(rig):
    text = "ERR count should be greater than or equal to -1"
    for count in ("-2", "x"):
        assert is_error(rig.run("SLOWLOG", "GET", count), text)
    assert is_error(
        rig.run("SLOWLOG", "get", "1", "2"),
        "ERR unknown subcommand or wrong number of arguments for 'get'. Try SLOWLOG HELP.")
