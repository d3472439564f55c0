"""Connection and server commands against a real Redis: shapes, field names and error texts.

What these commands tell differs from server to server (ids, times, sizes), so a reply is compared
by its *shape*: types, lengths where they are fixed, names of fields. Errors and statuses are
compared as they are. The local Redis is 7.0; where 7.2 differs, the difference is listed here.
"""

import shutil

import pytest

from resp_kv.commands.introspection import every_row
from resp_kv.commands.key_access import specs_of
from tests.e2e.two_servers import Link, redis_server, resp_kv_server

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed")

# New in 7.2, or ours.
NEW_INFO_FIELDS = set(
    "resp_kv_version total_blocking_keys total_blocking_keys_on_nokey eventloop_cycles "
    "eventloop_duration_sum eventloop_duration_cmd_sum instantaneous_eventloop_cycles_per_sec "
    "instantaneous_eventloop_duration_usec acl_access_denied_auth acl_access_denied_cmd "
    "acl_access_denied_key acl_access_denied_channel".split())
# Only there while Redis's append-only file is on, as ours always is.
APPEND_ONLY_FIELDS = set(
    "aof_current_size aof_base_size aof_pending_rewrite aof_buffer_length aof_pending_bio_fsync "
    "aof_delayed_fsync".split())
NEW_CLIENT_FIELDS = {b"lib-name", b"lib-ver"}
NEW_FLAGS = {"wait", "cluster|slots", "cluster|shards"}
NEW_ARITY = {"command|getkeys", "command|getkeysandflags"}
NEW_TIPS = {"client|setname", "config|resetstat", "config|rewrite", "cluster|bumpepoch", "scan",
            "randomkey", "msetnx"}
REPLIES_AS_THEY_ARE = """
PING | PING hello | PING a b | ECHO a | ECHO | SELECT 3 | SELECT 99 | SELECT -1 | SELECT x
SELECT 99999999999 | AUTH x | AUTH a b c | AUTH nobody x | AUTH default x | HELLO 4 | HELLO x
HELLO 2 FOO | HELLO 2 AUTH a | HELLO 2 SETNAME | HELLO 2 AUTH nobody x | EXEC | DISCARD | UNWATCH
WATCH a | WATCH | MULTI | MULTI | WATCH a | SET a 1 | INCR a | GET a | EXEC
MULTI | SET a | EXEC | MULTI | NOSUCH | EXEC | MULTI | SAVE | DISCARD | MULTI | DISCARD
CLIENT | CLIENT FOO | CLIENT GETNAME | CLIENT SETNAME me | CLIENT GETNAME | CLIENT SETNAME
CLIENT LIST x | CLIENT LIST TYPE | CLIENT LIST TYPE foo | CLIENT LIST TYPE pubsub | CLIENT LIST ID
CLIENT LIST ID x | CLIENT LIST ID 99999 | CLIENT KILL 1.2.3.4:5 | CLIENT KILL id | CLIENT KILL a b
CLIENT KILL ID x | CLIENT KILL ID 0 | CLIENT KILL ID 99999 | CLIENT KILL ID 1 SKIPME
CLIENT KILL ID 1 SKIPME x | CLIENT KILL TYPE foo | CLIENT KILL TYPE pubsub | CLIENT KILL USER foo
CLIENT REPLY x | CLIENT REPLY ON | CLIENT NO-EVICT on | CLIENT NO-EVICT x | CLIENT PAUSE x
CLIENT PAUSE -1 | CLIENT PAUSE 1 x | CLIENT PAUSE 1 WRITE x
CLIENT PAUSE 1 write | CLIENT UNPAUSE | CLIENT UNBLOCK x | CLIENT UNBLOCK 99999
CLIENT UNBLOCK 99999 x | CLIENT UNBLOCK 99999 ERROR | CLIENT UNBLOCK 1 error x | CLIENT GETREDIR
CLIENT TRACKINGINFO | CLIENT CACHING yes | CLIENT TRACKING off | CLIENT TRACKING x
COMMAND FOO | COMMAND INFO nosuch | COMMAND DOCS nosuch | COMMAND GETKEYS get a b
COMMAND GETKEYS ping x | COMMAND GETKEYS nosuch a | COMMAND GETKEYS mset a 1 b 2
COMMAND GETKEYS bitop and a b c | COMMAND GETKEYS rename a b | COMMAND GETKEYS memory usage a
COMMAND GETKEYSANDFLAGS set a b | COMMAND GETKEYSANDFLAGS set a b GET EX 5
COMMAND GETKEYSANDFLAGS bitfield a GET u8 0 | COMMAND GETKEYSANDFLAGS bitfield a SET u8 0 1
COMMAND GETKEYSANDFLAGS mset a 1 b 2
COMMAND GETKEYSANDFLAGS rename a b | COMMAND GETKEYSANDFLAGS bitop and a b c
COMMAND LIST FILTERBY x y | COMMAND LIST FILTERBY PATTERN | COMMAND LIST FILTERBY MODULE x
COMMAND LIST FILTERBY PATTERN bitcoun* | COMMAND LIST FILTERBY ACLCAT nosuch
CONFIG | CONFIG FOO | CONFIG GET | CONFIG GET nosuch | CONFIG GET maxclients | CONFIG GET save
CONFIG GET timeout timeout | CONFIG SET a | CONFIG SET timeout 1 x | CONFIG SET nosuch 1
CONFIG SET timeout 1 timeout 2 | CONFIG SET databases 1 | CONFIG SET timeout x
CONFIG SET timeout 0 databases 3 | CONFIG SET timeout 0 tcp-keepalive 300 | CONFIG RESETSTAT
CONFIG REWRITE | INFO nosuch | SLOWLOG GET x | SLOWLOG GET -2 | SLOWLOG GET 1 2 | SLOWLOG RESET
SLOWLOG LEN | SLOWLOG FOO | LATENCY LATEST | LATENCY HISTORY nosuch | LATENCY GRAPH nosuch
LATENCY RESET a b | LATENCY RESET | LATENCY HISTOGRAM nosuch | LATENCY FOO | MEMORY USAGE nosuch
MEMORY USAGE | MEMORY USAGE a SAMPLES | MEMORY USAGE a SAMPLES -1 | MEMORY USAGE a SAMPLES x
MEMORY USAGE a FOO 1 | MEMORY PURGE | MEMORY FOO | LOLWUT VERSION x | SHUTDOWN FOO
SHUTDOWN SAVE NOSAVE | SHUTDOWN ABORT | SHUTDOWN ABORT NOW | BGSAVE x | WAIT 0 0 | WAIT x 0
WAIT 0 -1 | WAIT 0 x | WAIT 0 | ROLE | REPLICAOF no one | SLAVEOF NO ONE | FAILOVER
FAILOVER ABORT | FAILOVER x | ACL WHOAMI | ACL USERS | ACL LIST | ACL CAT nosuch | ACL CAT
ACL GETUSER nosuch | ACL GETUSER default | ACL GENPASS 0 | ACL GENPASS x | ACL DRYRUN x get a
ACL DRYRUN default get a | ACL DRYRUN default nosuch | ACL LOG RESET | ACL LOG x | ACL FOO
MODULE LIST | MODULE FOO | CLUSTER INFO | CLUSTER HELP | READONLY | READWRITE | ASKING
NOSUCH | NOSUCH a b c | GET | RESET | QUIT
"""
SHAPES = """
HELLO 2 | HELLO 3 | CLIENT ID | CLIENT INFO | CLIENT LIST | TIME | LOLWUT | LASTSAVE
CONFIG GET appendfsync | LATENCY DOCTOR | MEMORY DOCTOR | MEMORY MALLOC-STATS | ACL GENPASS
SLOWLOG GET 5 | MEMORY STATS | COMMAND COUNT | LATENCY HISTOGRAM ping | CLIENT HELP | CONFIG HELP
SLOWLOG HELP | LATENCY HELP | MEMORY HELP | COMMAND HELP | ACL HELP | MODULE HELP
COMMAND INFO get set client copy | COMMAND DOCS get client|id
"""


def commands(text):
    """Each command, as words; a line end divides as '|' does, but not inside a name."""
    for line in text.strip().splitlines():
        for command in line.split(" | "):
            yield [word.encode() for word in command.split()]


@pytest.fixture(scope="module")
def ports(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as real, \
            resp_kv_server(tmp_path_factory.mktemp("resp-kv")) as ours:
        yield real, ours


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def links(request, ports):
    """(real, ours), speaking RESP2 or RESP3."""
    pair = [Link(port) for port in ports]
    for link in pair:
        link.ask(b"FLUSHALL")
        link.ask(b"HELLO", b"%d" % request.param)
    yield pair
    for link in pair:
        link.close()


def unordered(words):
    """Commands whose elements come in any order."""
    return words[:2] in ([b"COMMAND", b"GETKEYSANDFLAGS"], [b"ACL", b"CAT"]) or \
        words[:2] in ([b"ACL", b"GETUSER"], [b"COMMAND", b"LIST"])


def test_replies_that_are_the_same(links):
    real, ours = links
    for link in links:             # on a busy machine any command may take long enough for the slow log
        link.ask(b"CONFIG", b"SET", b"slowlog-log-slower-than", b"-1")
    wrong = []
    for words in commands(REPLIES_AS_THEY_ARE):
        expected, reply = real.ask(*words), ours.ask(*words)
        if unordered(words):
            expected, reply = sorted(expected.split()), sorted(reply.split())
        if expected != reply:
            wrong.append((words, expected, reply))
    assert wrong == []


def tree(text):
    """A reply as nested tuples: (type mark, text or children)."""
    return _tree(text, 0)[0]


def _tree(text, at):
    end = text.index(b"\r\n", at)
    mark, rest, at = text[at:at + 1].decode(), text[at + 1:end], end + 2
    if mark in "$=" and rest != b"-1":
        return (mark, text[at:at + int(rest)]), at + int(rest) + 2
    if mark in "*~>%" and rest != b"-1":
        children = []
        for _ in range(int(rest) * (2 if mark == "%" else 1)):
            child, at = _tree(text, at)
            children.append(child)
        return (mark, children), at
    return (mark, rest), at


def shape(node):
    """Types, and how deep; an array of alike elements counts as one of them."""
    mark, inner = node
    if not isinstance(inner, list):
        return mark
    return mark, frozenset(map(shape, inner))


@pytest.mark.parametrize("words", list(commands(SHAPES)), ids=lambda words: b" ".join(words).decode())
def test_shapes(links, words):
    real, ours = links
    for link in links:
        link.ask(b"CONFIG", b"SET", b"slowlog-log-slower-than", b"0")
        link.ask(b"PING")
    expected, reply = tree(real.ask(*words)), tree(ours.ask(*words))
    assert shape(reply) == shape(expected)


def names_of(reply):
    _, children = tree(reply)
    return {name for (_, name) in children[::2]}


def test_fields_of_hello(links):
    real, ours = (link.ask(b"HELLO", b"3") for link in links)
    assert names_of(ours) - names_of(real) == {b"resp_kv_version"}
    assert names_of(real) - names_of(ours) == set()


def test_fields_of_memory_stats(links):
    for link in links:
        link.ask(b"HELLO", b"3")
        link.ask(b"SET", b"a", b"1")
    real, ours = (names_of(link.ask(b"MEMORY", b"STATS")) for link in links)
    per_database = {name for name in real if name.startswith(b"db.")}
    assert real - ours == per_database                 # sizes of hash tables, which we have none of
    assert all(name.startswith(b"engine.") for name in ours - real)


def lines_of(reply):
    _, text = tree(reply)
    text = text.decode().removeprefix("txt:")
    return [line for line in text.split("\r\n") if line]


def test_sections_and_fields_of_info(links):
    for link in links:
        link.ask(b"SET", b"a", b"1")
        link.ask(b"NOSUCH")
    real, ours = (lines_of(link.ask(b"INFO", b"everything")) for link in links)
    sections, own = ([line for line in lines if line[0] == "#"] for lines in (real, ours))
    assert [title for title in own if title in sections] == sections
    assert set(own) - set(sections) == {"# Engine", "# Loop", "# Resp_kv"}
    wanted, given = (
        [line.split(":")[0] for line in lines[:end(lines)] if line[0] != "#"
         and not line.startswith(("cmdstat_", "latency_percentiles"))]
        for lines in (real, ours))
    assert set(wanted) - set(given) == set()
    assert set(given) - set(wanted) <= NEW_INFO_FIELDS | APPEND_ONLY_FIELDS
    assert [name for name in given if name in wanted] == wanted


def end(lines):
    """Where our own sections begin."""
    return next((at for at, line in enumerate(lines) if line == "# Engine"), len(lines))


def test_fields_of_client_info(links):
    real, ours = ([field.split(b"=")[0] for field in link.value(b"CLIENT", b"INFO").split()]
                  for link in links)
    assert [name for name in ours if name not in NEW_CLIENT_FIELDS] == real


def test_rows_of_the_command_table(links):
    """Arity, flags, keys, categories, tips and key specifications, as COMMAND INFO gives them."""
    from resp_kv import commands as package

    real = links[0]
    wrong = []
    for row in every_row(package.load()):
        info = real.parse(real.ask(b"COMMAND", b"INFO", row.name.encode()))[0]
        if info is None:
            continue                                  # new in 7.2
        mine = mine_of(row)
        redis = {
            "arity": info[1], "flags": texts(info[2]), "keys": info[3:6],
            "categories": texts(info[6]), "tips": texts(info[7]),
            "specs": [sorted(spec[spec.index(b"flags") + 1]) for spec in info[8]],
        }
        for what, names in (("flags", NEW_FLAGS), ("categories", NEW_FLAGS), ("arity", NEW_ARITY),
                            ("tips", NEW_TIPS)):
            if row.name in names:
                del mine[what], redis[what]
        wrong += [(row.name, what, mine[what], redis[what])
                  for what in mine if mine[what] != redis[what]]
    assert wrong == []


def mine_of(row):
    return {
        "arity": row.arity, "flags": sorted(row.flags),
        "keys": [row.first_key, row.last_key, row.key_step],
        "categories": sorted(row.acl_categories), "tips": sorted(row.tips),
        "specs": [sorted(flag.encode() for flag in spec.flags) for spec in specs_of(row)],
    }


def texts(words):
    return sorted(word.decode() for word in words)
