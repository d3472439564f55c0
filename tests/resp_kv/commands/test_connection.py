import pytest

from tests.resp_kv.commands.replies import is_error, run_all
from tests.resp_kv.rig import Rig

WRONG = "WRONGPASS invalid username-password pair or user is disabled."
LOGIN_FIRST = (
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
    "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
    "protocol version at the same time"
)


@pytest.fixture
def locked(tmp_path):
    """A node with a password."""
    made = Rig(tmp_path / "locked", requirepass="secret")
    yield made
    made.close()


def test_ping_and_echo(rig):
    assert rig.raw(b"PING\r\n") == b"+PONG\r\n"
    assert rig.send("PING", "hi") == b"$2\r\nhi\r\n"
    assert rig.run("ECHO", "a b") == b"a b"
    assert is_error(rig.run("PING", "a", "b"), "ERR wrong number of arguments for 'ping' command")


def test_hello_tells_what_clients_look_for(rig):
    assert rig.run("HELLO", "3") == {
        b"server": b"redis", b"version": b"7.2.5", b"proto": 3, b"id": 1, b"mode": b"standalone",
        b"role": b"master", b"modules": [], b"resp_kv_version": rig.node.version.encode()}
    assert rig.run("HELLO")[b"proto"] == 3
    assert rig.run("HELLO", "2")[:6] == [b"server", b"redis", b"version", b"7.2.5", b"proto", 2]


def test_hello_switches_the_protocol_of_its_own_reply(rig):
    assert rig.send("HELLO", "3").startswith(b"%8\r\n")
    assert rig.send("GET", "a") == b"_\r\n"
    assert rig.send("HELLO", "2").startswith(b"*16\r\n")
    assert rig.send("GET", "a") == b"$-1\r\n"


def test_hello_options(rig):
    rig.run("HELLO", "3", "SETNAME", "me")
    assert rig.run("CLIENT", "GETNAME") == b"me"
    assert rig.run("HELLO", "2", "AUTH", "default", "any", "SETNAME", "you")[5] == 2


@pytest.mark.parametrize("line, text", [
    ("HELLO 4", "NOPROTO unsupported protocol version"),
    ("HELLO 1", "NOPROTO unsupported protocol version"),
    ("HELLO x", "ERR Protocol version is not an integer or out of range"),
    ("HELLO 3 foo", "ERR Syntax error in HELLO option 'foo'"),
    ("HELLO 3 auth a", "ERR Syntax error in HELLO option 'auth'"),
    ("HELLO 3 setname", "ERR Syntax error in HELLO option 'setname'"),
    ("HELLO 3 auth nobody any", WRONG),
    ("AUTH any", "ERR AUTH <password> called without any password configured for the default "
                 "user. Are you sure your configuration is correct?"),
    ("AUTH nobody any", WRONG),
    ("AUTH a b c", "ERR syntax error"),
    ("SELECT 16", "ERR DB index is out of range"),
    ("SELECT -1", "ERR DB index is out of range"),
    ("SELECT x", "ERR value is not an integer or out of range"),
])
def test_errors(rig, line, text):
    assert is_error(rig.run(*line.split()), text)


def test_a_wrong_hello_changes_nothing(rig):
    rig.run("HELLO", "3", "SETNAME", b"two words")
    rig.run("HELLO", "3", "AUTH", "nobody", "x")
    assert rig.send("GET", "a") == b"$-1\r\n"
    assert rig.run("CLIENT", "GETNAME") is None


def test_without_a_password_any_is_right_for_the_default_user(rig):
    assert rig.run("AUTH", "default", "whatever") == b"OK"


def test_nothing_before_login(locked):
    for line in ("PING", "GET a", "CLIENT ID", "MULTI", "COMMAND"):
        assert is_error(locked.run(*line.split()), "NOAUTH Authentication required.")
    assert is_error(locked.run("HELLO"), LOGIN_FIRST)
    assert is_error(locked.run("HELLO", "3"), LOGIN_FIRST)
    assert locked.send("GET", "a").startswith(b"-NOAUTH")


def test_login(locked):
    assert is_error(locked.run("AUTH", "wrong"), WRONG)
    assert is_error(locked.run("AUTH", "default", ""), WRONG)
    assert is_error(locked.run("AUTH", "other", "secret"), WRONG)
    assert locked.run("AUTH", "secret") == b"OK"
    assert locked.run("PING") == b"PONG"
    assert is_error(locked.run("AUTH", "wrong"), WRONG)
    assert locked.run("PING") == b"PONG"            # a failed AUTH does not log out


def test_login_by_hello(locked):
    assert locked.run("HELLO", "3", "AUTH", "default", "secret")[b"proto"] == 3
    assert locked.run("PING") == b"PONG"


def test_reset_logs_out(locked):
    run_all(locked, "AUTH secret", "RESET")
    assert is_error(locked.run("PING"), "NOAUTH Authentication required.")


def test_a_password_can_be_set_while_running(rig):
    assert rig.run("CONFIG", "SET", "requirepass", "new") == b"OK"
    assert rig.run("PING") == b"PONG"               # who is in stays in
    other = rig.new_client()
    assert is_error(other.run("PING"), "NOAUTH Authentication required.")
    assert other.run("AUTH", "new") == b"OK"


def test_select(rig):
    assert run_all(rig, "SET a 0", "SELECT 15", "GET a", "SET a 15", "SELECT 0", "GET a") == [
        b"OK", b"OK", None, b"OK", b"OK", b"0"]


def test_quit(rig):
    assert rig.raw(b"QUIT\r\nPING\r\n") == b"+OK\r\n"
    assert rig.client.connection.closing


def test_reset(rig):
    client = rig.client.connection
    run_all(rig, "HELLO 3 SETNAME me", "SELECT 4", "WATCH a", "CLIENT NO-EVICT ON",
            "CLIENT NO-TOUCH ON", "CLIENT SETINFO LIB-NAME lib", "MULTI", "SET a 1")
    assert rig.send("RESET") == b"+RESET\r\n"
    assert (client.resp, client.db, client.name, client.watched, client.transaction) == (
        2, 0, b"", {}, None)
    assert not client.no_evict and not client.no_touch
    assert client.lib_name == b"lib"                # it still is the same library
