"""KV.GET, KV.SET, KV.DEL, KV.VERSIONS, KV.CONFLICTS on a node without others."""

import pytest

from cluster.context import Context
from resp_kv.commands.table import COMMANDS
from tests.resp_kv.commands.replies import is_error, run_all
from tests.resp_kv.rig import NODE_ID, START_MS, ReplyError, Rig

SERVER = f"{0:08x}.1".encode()       # the rig's actor is 2: generation 1 of node 00000000


def context_of(rig, key="k"):
    return rig.run("KV.GET", key)[0]


def values_of(rig, key="k"):
    return rig.run("KV.GET", key)[1]


def entries(reply):
    """The maps of a RESP2 reply."""
    return [dict(zip(each[::2], each[1::2], strict=True)) for each in reply]


@pytest.fixture
def forked(rig):
    """A key with two siblings, "two" and "one", the latter the older one."""
    rig.run("KV.SET", "k", "one", "CONTEXT", "")
    rig.run("KV.SET", "k", "two", "CONTEXT", "")
    return rig


# -- what is read ------------------------------------------------------------------------------------

def test_nothing_is_an_empty_context_that_a_write_takes(rig):
    assert rig.run("KV.GET", "k") == [b"", []]
    context = rig.run("KV.SET", "k", "v", "CONTEXT", b"")
    assert rig.run("KV.GET", "k") == [context, [b"v"]]


def test_a_plain_value_has_a_context_too(rig):
    rig.run("SET", "k", "plain")
    context, siblings = rig.run("KV.GET", "k")
    assert siblings == [b"plain"] and context != b""
    rig.run("KV.SET", "k", "versioned", "CONTEXT", context)
    assert values_of(rig) == [b"versioned"]
    assert rig.run("GET", "k") == b"versioned"


def test_siblings_come_greatest_dot_first_as_get_shows_the_first(forked):
    assert values_of(forked) == [b"two", b"one"]
    assert forked.run("GET", "k") == b"two"


def test_a_deleted_sibling_is_nil(forked):
    forked.run("KV.DEL", "k", "CONTEXT", b"")
    assert values_of(forked) == [None, b"two", b"one"]
    assert forked.run("GET", "k") is None
    assert forked.run("EXISTS", "k") == 0


def test_an_expired_sibling_is_nil_from_that_millisecond_on(rig):
    rig.run("KV.SET", "k", "short", "PX", "100")
    rig.advance(99)
    assert values_of(rig) == [b"short"]
    rig.advance(1)
    assert values_of(rig) == [None]
    assert rig.run("GET", "k") is None


def test_databases_are_apart(rig):
    rig.run("KV.SET", "k", "v")
    assert run_all(rig, "SELECT 1", "KV.GET k") == [b"OK", [b"", []]]


# -- what is written ---------------------------------------------------------------------------------

def test_an_old_context_leaves_what_came_since_beside_it(rig):
    rig.run("KV.SET", "k", "a")
    context = context_of(rig)
    rig.run("KV.SET", "k", "b", "CONTEXT", context)
    rig.run("KV.SET", "k", "c", "CONTEXT", context)
    assert values_of(rig) == [b"c", b"b"]


def test_the_context_of_all_siblings_resolves_them(forked):
    context = forked.run("KV.SET", "k", "both", "CONTEXT", context_of(forked))
    assert forked.run("KV.GET", "k") == [context, [b"both"]]


def test_without_a_context_it_is_a_plain_set(forked):
    context = forked.run("KV.SET", "k", "plain")
    assert forked.run("KV.GET", "k") == [context, [b"plain"]]
    assert entries(forked.run("KV.VERSIONS", "k"))[0][b"kind"] == b"blind"


def test_the_reply_lets_the_writer_go_on_but_covers_nothing_that_it_has_not_seen(forked):
    mine = forked.run("KV.SET", "k", "three", "CONTEXT", b"")
    forked.run("KV.SET", "k", "four", "CONTEXT", mine)
    assert values_of(forked) == [b"four", b"two", b"one"]


def test_plain_writes_resolve_and_deletes_bury(forked):
    for line, shown in (("SET k v", [b"v"]), ("DEL k", [None]), ("SET k v", [b"v"])):
        forked.run(*line.split())
        assert values_of(forked) == shown


def test_delete_with_a_context(rig):
    rig.run("KV.SET", "k", "v")
    context = rig.run("KV.DEL", "k", "CONTEXT", context_of(rig))
    assert rig.run("KV.GET", "k") == [context, [None]]
    rig.run("KV.SET", "k", "again", "CONTEXT", context)
    assert values_of(rig) == [b"again"]


def test_delete_without_a_context_buries_everything(forked):
    context = forked.run("KV.DEL", "k")
    assert forked.run("KV.GET", "k") == [context, [None]]


@pytest.mark.parametrize("option, ttl", [
    (("EX", 10), 10_000), (("PX", 1500), 1500), (("EXAT", START_MS // 1000 + 3), 3000),
    (("PXAT", START_MS + 7), 7), ((), -1),
])
@pytest.mark.parametrize("context", [(), ("CONTEXT", b"")])
def test_deadlines(rig, option, ttl, context):
    rig.run("KV.SET", "k", "v", *context, *option)
    assert rig.run("PTTL", "k") == ttl
    assert entries(rig.run("KV.VERSIONS", "k"))[0][b"ttl"] == ttl


def test_keepttl_keeps_that_of_the_version_that_get_shows(rig):
    rig.run("SET", "k", "v", "PX", 5000)
    rig.run("KV.SET", "k", "w", "KEEPTTL")
    assert rig.run("PTTL", "k") == 5000
    rig.run("KV.SET", "k", "x", "KEEPTTL", "CONTEXT", context_of(rig))
    assert rig.run("PTTL", "k") == 5000
    rig.run("KV.SET", "new", "x", "KEEPTTL")
    assert rig.run("PTTL", "new") == -1


def test_expire_annotates_a_sibling_and_keeps_the_others(forked):
    assert forked.run("PEXPIRE", "k", 50) == 1
    assert forked.run("PTTL", "k") == 50
    forked.advance(50)
    assert values_of(forked) == [None, b"one"]


def test_versions_survive_on_disk(forked):
    forked.flush_to_tables()
    context = context_of(forked)
    assert values_of(forked) == [b"two", b"one"]
    forked.run("KV.SET", "k", "three", "CONTEXT", b"")
    forked.flush_to_tables()
    forked.run("KV.SET", "k", "four", "CONTEXT", context)
    assert values_of(forked) == [b"four", b"three"]


# -- limits ------------------------------------------------------------------------------------------

def test_too_many_siblings_are_refused_with_the_way_out(rig):
    rig.node.keyspaces[0].writer.siblings_max = 3
    for number in range(3):
        rig.run("KV.SET", "k", number, "CONTEXT", b"")
    reply = rig.run("KV.SET", "k", "more", "CONTEXT", b"")
    assert isinstance(reply, ReplyError) and str(reply).startswith("TOOMANYSIBLINGS ")
    assert values_of(rig) == [b"2", b"1", b"0"]
    rig.run("KV.SET", "k", "all", "CONTEXT", context_of(rig))
    assert values_of(rig) == [b"all"]


def test_pairs_have_the_same_limit_as_with_set(rig):
    rig.node.keyspaces[0].writer.pair_bytes_max = 10
    for context in ((), ("CONTEXT", b"")):
        reply = rig.run("KV.SET", "k", b"x" * 10, *context)
        assert str(reply).startswith("ERR key plus value are 11 bytes, the limit is 10")
    assert rig.run("KV.GET", "k") == [b"", []]


def test_a_context_from_the_future_is_refused(rig):
    context = bytes(Context((0, 0), [(3, (START_MS + 10_000) << 16)], []))
    reply = rig.run("KV.SET", "k", "v", "CONTEXT", context)
    assert "the context was made by a clock that is wrong" in str(reply)
    assert rig.run("KV.GET", "k") == [b"", []]


# -- words -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("line", [
    "KV.GET k LEVEL", "KV.GET k CONTEXT x", "KV.GET k R 1 LEVEL ONE", "KV.GET k W 1", "KV.GET k EX 1",
    "KV.SET k v LEVEL ONE W 1", "KV.SET k v R 1", "KV.SET k v NX", "KV.SET k v EX 1 PX 1",
    "KV.SET k v EX 1 KEEPTTL", "KV.SET k v KEEPTTL EX 1", "KV.SET k v KEEPTTL KEEPTTL", "KV.SET k v EX",
    "KV.DEL k EX 1", "KV.DEL k KEEPTTL", "KV.DEL k CONTEXT", "KV.DEL k TIMEOUT 1 TIMEOUT 2",
])
def test_syntax(rig, line):
    assert is_error(rig.run(*line.split()), "ERR syntax error")


def test_bad_words_are_refused_and_nothing_is_done(rig):
    rig.run("SET", "k", "before")
    for words, text in {
        ("CONTEXT", "hello"): "ERR this is not a context that KV.GET or KV.SET returned: it begins "
                              "with 'h'",
        ("CONTEXT", "9abc"): "ERR the context has version 9, this server reads version 1",
        ("W", "0"): "ERR W takes a number of replicas, 1 to 32; names of levels come after LEVEL",
        ("W", "QUORUM"): "ERR W takes a number of replicas, 1 to 32; names of levels come after "
                         "LEVEL",
        ("TIMEOUT", "0"): "ERR TIMEOUT takes milliseconds, 1 to 600000",
        ("TIMEOUT", "600001"): "ERR TIMEOUT takes milliseconds, 1 to 600000",
        ("PX", "0"): "ERR invalid expire time in 'kv.set' command",
        ("EX", "x"): "ERR value is not an integer or out of range",
        ("LEVEL", "MOST"): "ERR unknown consistency level 'MOST': use one of ONE TWO THREE QUORUM ALL "
                           "LOCAL_ONE LOCAL_QUORUM EACH_QUORUM ANY or a number of replicas",
        ("W", "2"): "ERR level TWO cannot be met: this key has 1 replicas",
    }.items():
        assert is_error(rig.run("KV.SET", "k", "after", *words), text)
    assert rig.run("GET", "k") == b"before"
    assert str(rig.run("KV.GET", "k", "LEVEL", "ANY")).startswith("ERR level ANY is for writes")


@pytest.mark.parametrize("words", [
    "LEVEL ONE", "LEVEL all", "LEVEL 1", "W 1", "LEVEL ANY", "LEVEL LOCAL_QUORUM", "LEVEL EACH_QUORUM",
    "TIMEOUT 1", "TIMEOUT 600000 W 1 EX 10", "px 10 level one context "])
def test_words_in_any_order_and_case(rig, words):
    assert isinstance(rig.run("KV.SET", "k", "v", *words.split(" ")), bytes)


# -- what is shown -----------------------------------------------------------------------------------

def test_versions_of_siblings(forked):
    two, one = entries(forked.run("KV.VERSIONS", "k"))
    assert (two[b"value"], one[b"value"]) == (b"two", b"one")
    for version in (two, one):
        assert version[b"kind"] == b"causal"
        assert version[b"time"] == START_MS
        assert version[b"dot"] == [version[b"dot"][0], SERVER]
        assert version[b"clock"] == [[SERVER, version[b"dot"][0]]]
        assert version[b"replicas"] == [NODE_ID.encode()]
    assert two[b"dot"] > one[b"dot"]


def test_versions_of_a_tombstone_and_of_nothing(rig):
    assert rig.run("KV.VERSIONS", "k") == []
    rig.run("DEL", "k")
    rig.run("SET", "k", "v")
    rig.run("DEL", "k")
    version, = entries(rig.run("KV.VERSIONS", "k"))
    assert version[b"value"] is None and version[b"ttl"] == -2


def test_versions_as_maps_in_resp3(forked):
    forked.run("HELLO", "3")
    two, one = forked.run("KV.VERSIONS", "k")
    assert list(two) == [b"dot", b"time", b"server", b"kind", b"value", b"ttl", b"clock", b"replicas"]
    assert forked.run("KV.CONFLICTS", "k")[b"siblings"][1] == {
        b"dot": one[b"dot"], b"time": one[b"time"], b"server": one[b"server"], b"value": b"one"}


def test_conflicts_are_siblings_and_losers(forked):
    reply = forked.run("KV.CONFLICTS", "k")
    assert (reply[0], len(reply[1]), reply[2:]) == (b"siblings", 2, [b"losers", []])
    forked.run("SET", "k", "v")
    assert forked.run("KV.CONFLICTS", "k") == [b"siblings", [], b"losers", []]


# -- transactions ------------------------------------------------------------------------------------

def test_inside_a_transaction(rig):
    rig.run("SET", "k", "a")
    context = context_of(rig)
    replies = [rig.run(*line) for line in (
        ("MULTI",), ("KV.SET", "k", "b", "CONTEXT", context), ("KV.SET", "k", "c", "CONTEXT", context),
        ("KV.GET", "k"), ("KV.DEL", "j"), ("EXEC",))]
    assert replies[:-1] == [b"OK"] + [b"QUEUED"] * 4
    first, second, read, deleted = replies[-1]
    assert read[1] == [b"c", b"b"]
    assert all(isinstance(each, bytes) for each in (first, second, deleted))


def test_a_transaction_has_the_levels_of_its_connection(rig):
    run_all(rig, "MULTI", "SET k v")
    for line in ("KV.GET k R 1", "KV.SET k v W 1", "KV.DEL k TIMEOUT 5"):
        assert str(rig.run(*line.split())).startswith(
            "ERR LEVEL, R, W and TIMEOUT are not possible inside a transaction")
    assert str(rig.run("EXEC")).startswith("EXECABORT")


def test_watch_sees_causal_writes(rig):
    rig.run("KV.SET", "k", "a", "CONTEXT", b"")
    other = rig.new_client()
    run_all(rig, "WATCH k", "MULTI", "GET k")
    other.run("KV.SET", "k", "b", "CONTEXT", b"")
    assert rig.run("EXEC") is None


def test_after_a_restart_the_server_has_another_generation(tmp_path):
    """Its name in clocks and dots ends in the generation; what it wrote before keeps the old one."""
    rig = Rig(tmp_path / "node")
    rig.run("KV.SET", "k", "a", "CONTEXT", b"")
    rig.node.keyspaces[0].writer.actor = 4
    rig.run("KV.SET", "k", "b", "CONTEXT", b"")
    b, a = entries(rig.run("KV.VERSIONS", "k"))
    assert (b[b"dot"][1], a[b"dot"][1]) == (b"00000000.2", b"00000000.1")
    assert b[b"clock"] == [[b"00000000.2", b[b"dot"][0]]]
    rig.close()


def test_documented_words(rig):
    docs = {name: [argument["name"] for argument in COMMANDS[name].arguments]
            for name in (b"kv.get", b"kv.set", b"kv.del")}
    assert docs == {
        b"kv.get": ["key", "consistency", "timeout-ms"],
        b"kv.set": ["key", "value", "context", "consistency", "expiration", "timeout-ms"],
        b"kv.del": ["key", "context", "consistency", "timeout-ms"]}
