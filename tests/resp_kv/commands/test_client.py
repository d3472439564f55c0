import re

import pytest

from tests.resp_kv.commands.replies import is_error, run_all

FIELDS = ("id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem "
          "multi-mem rbs rbp obl oll omem tot-mem events cmd user redir resp lib-name "
          "lib-ver").split()


def parsed(line):
    return dict(field.split("=", 1) for field in line.decode().rstrip("\n").split(" "))


def test_info_has_the_fields_of_redis_in_its_order(rig):
    line = rig.run("CLIENT", "INFO")
    assert line.endswith(b"\n")
    assert [field.split("=")[0] for field in line.decode().split(" ")] == FIELDS
    shown = parsed(line)
    assert shown["id"] == "1"
    assert shown["addr"] == "127.0.0.1:5000"
    assert (shown["flags"], shown["db"], shown["multi"], shown["user"]) == (
        "N", "0", "-1", "default")


def test_info_follows_the_connection(rig):
    run_all(rig, "CLIENT SETNAME me", "SELECT 7", "HELLO 3", "CLIENT NO-EVICT on",
            "CLIENT NO-TOUCH on", "CLIENT SETINFO lib-name redis-py", "CLIENT SETINFO LIB-VER 5.1")
    rig.advance(2500)
    shown = parsed(rig.run("CLIENT", "INFO"))
    assert (shown["name"], shown["db"], shown["resp"], shown["flags"]) == ("me", "7", "3", "eT")
    assert (shown["lib-name"], shown["lib-ver"], shown["age"]) == ("redis-py", "5.1", "2")
    assert rig.send("CLIENT", "INFO").startswith(b"=")


def test_list(rig):
    for _ in range(2):
        rig.new_client()
    lines = rig.run("CLIENT", "LIST").splitlines()
    assert [parsed(line)["id"] for line in lines] == ["1", "2", "3"]
    assert rig.run("CLIENT", "LIST", "TYPE", "normal").count(b"\n") == 3
    assert rig.run("CLIENT", "LIST", "TYPE", "pubsub") == b""
    some = rig.run("CLIENT", "LIST", "ID", "3", "99", "1").splitlines()
    assert [parsed(line)["id"] for line in some] == ["3", "1"]


def test_list_shows_a_transaction_under_way(rig):
    other = rig.new_client()
    run_all(other, "MULTI", "SET a 1", "SET b 2")
    shown = parsed(rig.run("CLIENT", "LIST", "ID", "2"))
    assert (shown["flags"], shown["multi"], shown["cmd"]) == ("x", "2", "set")
    assert int(shown["multi-mem"]) > 0


@pytest.mark.parametrize("line, text", [
    ("CLIENT LIST x", "ERR syntax error"),
    ("CLIENT LIST TYPE", "ERR syntax error"),
    ("CLIENT LIST ID", "ERR syntax error"),
    ("CLIENT LIST TYPE foo", "ERR Unknown client type 'foo'"),
    ("CLIENT LIST ID x", "ERR Invalid client ID"),
    ("CLIENT KILL 1.2.3.4:5", "ERR No such client"),
    ("CLIENT KILL foo bar", "ERR syntax error"),
    ("CLIENT KILL ID x", "ERR client-id should be greater than 0"),
    ("CLIENT KILL ID 0", "ERR client-id should be greater than 0"),
    ("CLIENT KILL ID 5 SKIPME", "ERR syntax error"),
    ("CLIENT KILL ID 5 SKIPME x", "ERR syntax error"),
    ("CLIENT KILL TYPE foo", "ERR Unknown client type 'foo'"),
    ("CLIENT KILL USER foo", "ERR No such user 'foo'"),
    ("CLIENT REPLY x", "ERR syntax error"),
    ("CLIENT NO-EVICT x", "ERR syntax error"),
    ("CLIENT NO-TOUCH x", "ERR syntax error"),
    ("CLIENT PAUSE x", "ERR timeout is not an integer or out of range"),
    ("CLIENT PAUSE -1", "ERR timeout is negative"),
    ("CLIENT PAUSE 9223372036854775807", "ERR timeout is out of range"),
    ("CLIENT PAUSE 1 x", "ERR CLIENT PAUSE mode must be WRITE or ALL"),
    ("CLIENT PAUSE 1 WRITE x",
     "ERR unknown subcommand or wrong number of arguments for 'PAUSE'. Try CLIENT HELP."),
    ("CLIENT UNBLOCK x", "ERR value is not an integer or out of range"),
    ("CLIENT UNBLOCK 1 x", "ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR"),
    ("CLIENT SETINFO foo x", "ERR Unrecognized option 'foo'"),
    ("CLIENT CACHING yes", "ERR CLIENT CACHING can be called only when the client is in tracking "
                           "mode with OPTIN or OPTOUT mode enabled"),
    ("CLIENT", "ERR wrong number of arguments for 'client' command"),
    ("CLIENT SETNAME", "ERR wrong number of arguments for 'client|setname' command"),
    ("CLIENT FOO", "ERR unknown subcommand 'FOO'. Try CLIENT HELP."),
])
def test_errors(rig, line, text):
    assert is_error(rig.run(*line.split()), text)


def test_names(rig):
    assert rig.run("CLIENT", "GETNAME") is None
    assert run_all(rig, "CLIENT SETNAME me", "CLIENT GETNAME") == [b"OK", b"me"]
    wrong = rig.run("CLIENT", "SETNAME", "two words")
    assert is_error(
        wrong, "ERR Client names cannot contain spaces, newlines or special characters.")
    assert is_error(rig.run("CLIENT", "SETINFO", "lib-name", "a\nb"),
                    "ERR lib-name cannot contain spaces, newlines or special characters.")
    assert rig.run("CLIENT", "SETNAME", "") == b"OK"
    assert rig.run("CLIENT", "GETNAME") is None


def test_id_grows(rig):
    assert [rig.run("CLIENT", "ID"), rig.new_client().run("CLIENT", "ID")] == [1, 2]


def test_reply(rig):
    assert rig.raw(b"CLIENT REPLY SKIP\r\nPING\r\nPING\r\n") == b"+PONG\r\n"
    assert rig.raw(b"CLIENT REPLY OFF\r\nPING\r\nPING\r\nNOSUCH\r\n") == b""
    assert rig.raw(b"CLIENT REPLY SKIP\r\nPING\r\nPING\r\n") == b""
    assert rig.raw(b"CLIENT REPLY ON\r\nPING\r\n") == b"+OK\r\n+PONG\r\n"


def test_tracking_is_refused_and_never_on(rig):
    refusal = rig.run("CLIENT", "TRACKING", "ON")
    assert re.match("ERR CLIENT TRACKING is not supported by resp-kv", str(refusal))
    assert rig.run("CLIENT", "TRACKING", "OFF") == b"OK"
    assert rig.run("CLIENT", "GETREDIR") == -1
    assert rig.run("CLIENT", "TRACKINGINFO") == [
        b"flags", [b"off"], b"redirect", -1, b"prefixes", []]


def test_help_is_made_of_the_rows(rig):
    lines = rig.run("CLIENT", "HELP")
    assert lines[0] == b"CLIENT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert b"SETNAME <connection-name>" in lines
    assert b"PAUSE <timeout> [WRITE|ALL]" in lines
    assert rig.send("CLIENT", "HELP").startswith(b"*%d\r\n+CLIENT" % len(lines))
