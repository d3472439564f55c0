"""Every command of the table with input nobody should send: an answer or an error, never a fault.

The inputs are made from the table's own rows (arity, arguments, key positions). A reply must be
there, must be one of a command of Redis's kind, and must not be our "internal error"; afterwards
the same connection still works. Commands that are meant to end or to stop a connection are left
out by name.
"""

import random

import pytest

from resp_kv import commands
from tests.resp_kv.rig import ReplyError

TABLE = commands.load()
ENDING = {"quit", "shutdown", "reset", "monitor", "debug"}
STOPPING = {"client|pause", "client|reply", "client|kill", "client|no-evict", "auth", "hello"}
BAD_WORDS = [b"", b"\x00", b"\xff\xfe\r\n", b"-1", b"0", b"9223372036854775807",
             b"-9223372036854775808", b"9223372036854775808", b"1e400", b"nan", b"NX", b"*", b"$-1",
             b"x" * 10_000, b"k" * 9_999, b"9" * 400]
ODD_KEYS = [b"", b"\x00\xff\r\n", b"k" * 10_000, b"{}", b"{tag", "é".encode()]


def all_rows():
    for row in TABLE.values():
        yield from row.subcommands.values()
        if not row.is_container:
            yield row


ROWS = [row for row in all_rows() if row.name.partition("|")[0] not in ENDING]
KEYED = [row for row in ROWS if row.first_key]


def names(row):
    return [word.encode() for word in row.name.split("|")]


def check(rig, words):
    reply = rig.run(*words)
    assert not isinstance(reply, ReplyError) or not str(reply).startswith("ERR internal error"), words
    assert not isinstance(reply, ReplyError) or str(reply).split(" ")[0].isupper(), words
    return reply


def still_there(rig):
    if rig.run("PING") == b"PONG":
        return
    rig.run("DISCARD")
    assert rig.run("PING") == b"PONG"


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_wrong_arity(rig, row):
    fixed = abs(row.arity)
    counts = [fixed - 1] if row.arity < 0 else [fixed - 1, fixed + 1]
    for count in counts:
        words = names(row) + [b"1"] * (count - len(names(row)))
        if count < len(names(row)):
            continue
        reply = check(rig, words)
        assert str(reply) == f"ERR wrong number of arguments for '{row.name}' command"
    still_there(rig)


@pytest.mark.parametrize("row", [row for row in ROWS if row.name not in STOPPING],
                         ids=lambda row: row.name)
def test_bad_words_everywhere(rig, row):
    source = random.Random(row.name)
    least = abs(row.arity) - len(names(row))
    most = least if row.arity > 0 else least + 6
    for _ in range(60):
        count = source.randint(least, most)
        check(rig, names(row) + [source.choice(BAD_WORDS) for _ in range(count)])
        if row.name in ("multi", "exec", "watch", "discard"):
            rig.run("DISCARD")
    still_there(rig)


@pytest.mark.parametrize("row", KEYED, ids=lambda row: row.name)
@pytest.mark.parametrize("key", ODD_KEYS, ids=lambda key: repr(key[:8]))
def test_odd_keys(rig, row, key):
    words = names(row) + [b"1"] * (abs(row.arity) - len(names(row)))
    last = row.last_key if row.last_key >= 0 else len(words) + row.last_key
    for at in range(row.first_key, last + 1, row.key_step):
        words[at] = key
    check(rig, words)
    rig.run("SET", key, "7")
    check(rig, words)
    still_there(rig)


@pytest.mark.parametrize("row", [row for row in ROWS if row.name not in STOPPING],
                         ids=lambda row: row.name)
def test_inside_a_transaction(rig, row):
    words = names(row) + [b"\xff"] * (abs(row.arity) - len(names(row)))
    rig.run("MULTI")
    check(rig, words)
    rig.run("EXEC")
    rig.run("UNWATCH")
    still_there(rig)


def test_every_row_is_documented():
    for row in ROWS:
        assert row.summary and row.group and row.since, row.name
        assert row.acl_categories, row.name
        assert row.summary.endswith("."), row.name
        words = len(row.arguments)
        assert words or abs(row.arity) == len(names(row)) or row.arity == -len(names(row)), row.name
