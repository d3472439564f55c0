import pytest

from resp_kv.commands.introspection import every_row
from resp_kv.commands.table import COMMANDS
from tests.resp_kv.commands.replies import is_error

GROUPS = {"string", "generic", "bitmap", "connection", "server", "transactions", "cluster",
          "versions"}
KINDS = {"key", "string", "integer", "double", "pattern", "unix-time", "pure-token", "oneof",
         "block"}
FLAGS = set(
    "write readonly denyoom admin noscript blocking loading stale skip_monitor skip_slowlog asking "
    "fast no_auth may_replicate no_mandatory_keys no_async_loading no_multi movablekeys "
    "allow_busy".split())
CATEGORIES = set(
    "@keyspace @read @write @string @bitmap @admin @fast @slow @blocking @dangerous @connection "
    "@transaction".split())


def test_info_of_one(rig):
    assert rig.run("COMMAND", "INFO", "get") == [[
        b"get", 2, [b"readonly", b"fast"], 1, 1, 1, [b"@read", b"@string", b"@fast"], [],
        [[b"flags", [b"RO", b"access"],
          b"begin_search", [b"type", b"index", b"spec", [b"index", 1]],
          b"find_keys", [b"type", b"range",
                         b"spec", [b"lastkey", 0, b"keystep", 1, b"limit", 0]]]],
        []]]


def test_info_of_containers_subcommands_and_unknown_names(rig):
    container, child, unknown = rig.run("COMMAND", "INFO", "CLIENT", "Client|Id", "nosuch")
    assert container[:6] == [b"client", -2, [], 0, 0, 0]
    assert b"client|id" in [row[0] for row in container[9]]
    assert child[:3] == [b"client|id", 2, [b"noscript", b"loading", b"stale"]]
    assert unknown is None


def test_bytes_of_resp3(rig):
    rig.run("HELLO", "3")
    assert rig.send("COMMAND", "INFO", "ping").startswith(
        b"*1\r\n*10\r\n$4\r\nping\r\n:-1\r\n~1\r\n+fast\r\n:0\r\n:0\r\n:0\r\n"
        b"~2\r\n+@fast\r\n+@connection\r\n~2\r\n$25\r\nrequest_policy:all_shards\r\n")
    assert rig.send("COMMAND", "INFO", "nosuch") == b"*1\r\n_\r\n"


def test_everything_in_every_form(rig):
    assert len(rig.run("COMMAND")) == rig.run("COMMAND", "COUNT") == len(COMMANDS)
    assert len(rig.run("COMMAND", "INFO")) == len(COMMANDS)
    assert len(rig.run("COMMAND", "DOCS")) == 2 * len(COMMANDS)


def test_docs(rig):
    rig.run("HELLO", "3")
    docs = rig.run("COMMAND", "DOCS", "config|get", "quit", "nosuch")
    assert set(docs) == {b"config|get", b"quit"}
    assert docs[b"config|get"][b"arguments"] == [
        {b"name": b"parameter", b"type": b"string", b"display_text": b"parameter",
         b"flags": [b"multiple"]}]
    assert docs[b"config|get"][b"history"] == [
        [b"7.0.0", b"Several patterns in one call."]]
    assert docs[b"quit"][b"doc_flags"] == [b"deprecated"]
    assert docs[b"quit"][b"deprecated_since"] == b"7.2.0"
    set_arguments = rig.run("COMMAND", "DOCS", "set")[b"set"][b"arguments"]
    assert set_arguments[0] == {b"name": b"key", b"type": b"key", b"display_text": b"key",
                                b"key_spec_index": 0}
    assert b"client|id" in rig.run("COMMAND", "DOCS", "client")[b"client"][b"subcommands"]


def test_list_and_its_filters(rig):
    names = rig.run("COMMAND", "LIST")
    assert {b"get", b"client", b"client|id"} <= set(names)
    assert len(names) == len(set(names))
    assert set(rig.run("COMMAND", "LIST", "FILTERBY", "PATTERN", "P*SET*X")) == {b"psetex"}
    assert b"watch" in rig.run("COMMAND", "LIST", "filterby", "aclcat", "transaction")
    assert rig.run("COMMAND", "LIST", "FILTERBY", "ACLCAT", "nosuch") == []
    assert rig.run("COMMAND", "LIST", "FILTERBY", "MODULE", "x") == []


@pytest.mark.parametrize("line, keys", [
    ("GET a", [b"a"]),
    ("MSET a 1 b 2", [b"a", b"b"]),
    ("DEL a b c", [b"a", b"b", b"c"]),
    ("BITOP AND to x y", [b"to", b"x", b"y"]),
    ("RENAME a b", [b"a", b"b"]),
    ("MEMORY USAGE a", [b"a"]),
    ("OBJECT ENCODING a", [b"a"]),
])
def test_getkeys(rig, line, keys):
    assert rig.run("COMMAND", "GETKEYS", *line.split()) == keys


def test_getkeysandflags(rig):
    assert rig.run("COMMAND", "GETKEYSANDFLAGS", "copy", "a", "b") == [
        [b"a", [b"RO", b"access"]], [b"b", [b"OW", b"update"]]]
    assert rig.run("COMMAND", "GETKEYSANDFLAGS", "del", "a", "b") == [
        [b"a", [b"RM", b"delete"]], [b"b", [b"RM", b"delete"]]]


@pytest.mark.parametrize("line, text", [
    ("COMMAND GETKEYS nosuch a", "ERR Invalid command specified"),
    ("COMMAND GETKEYS client nosuch", "ERR Invalid command specified"),
    ("COMMAND GETKEYS ping", "ERR The command has no key arguments"),
    ("COMMAND GETKEYS get", "ERR Invalid number of arguments specified for command"),
    ("COMMAND GETKEYS get a b", "ERR Invalid number of arguments specified for command"),
    ("COMMAND GETKEYS", "ERR wrong number of arguments for 'command|getkeys' command"),
    ("COMMAND LIST FILTERBY x y", "ERR syntax error"),
    ("COMMAND LIST FILTERBY PATTERN", "ERR syntax error"),
    ("COMMAND FOO", "ERR unknown subcommand 'FOO'. Try COMMAND HELP."),
])
def test_errors(rig, line, text):
    assert is_error(rig.run(*line.split()), text)


def test_every_row_is_whole(rig):
    for row in every_row(COMMANDS):
        name = row.name
        assert row.summary.endswith(".") and row.since[0].isdigit(), name
        assert row.group in GROUPS, name
        assert set(row.flags) <= FLAGS, name
        assert set(row.acl_categories) <= CATEGORIES, name
        assert ("@fast" in row.acl_categories) != ("@slow" in row.acl_categories), name
        assert ("fast" in row.flags) == ("@fast" in row.acl_categories), name
        assert all(len(entry) == 2 for entry in row.history), name
        assert row.handler is not None or row.is_container, name
        check_arguments(row, row.arguments)


def check_arguments(row, arguments):
    for argument in arguments:
        assert argument["type"] in KINDS, row.name
        assert bool(argument["arguments"]) == (argument["type"] in ("oneof", "block")), row.name
        assert (argument["type"] != "pure-token") or argument["token"], row.name
        assert (argument["type"] == "key") <= (argument["key_spec_index"] is not None), row.name
        check_arguments(row, argument["arguments"])


def test_arity_and_arguments_agree():
    """A command without documented arguments takes none."""
    for row in every_row(COMMANDS):
        words = 1 + row.name.count("|")
        if not row.arguments and not row.is_container:
            assert abs(row.arity) == words, row.name
