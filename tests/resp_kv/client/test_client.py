"""Both clients against a fake server: commands and replies, what is repeated, and what never is."""

import asyncio
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from cluster import outcome
from resp_kv.client import (
    JSON,
    JSON_SET,
    RAW,
    AsyncClient,
    Client,
    Conflict,
    TooManySiblings,
    Unavailable,
    UnknownOutcome,
    Versions,
    last_write,
    union,
)
from resp_kv.client.errors import MAY_HAVE_HAPPENED
from tests.resp_kv.client.fake_server import DROP_AFTER, DROP_BEFORE, SILENT, After, FakeServer

ROOT = Path(__file__).parents[3]
NO_QUORUM = b"NOQUORUM 2 responses were required but only 0 replicas responded"
NO_QUORUM_BUT = b"NOQUORUM 2 responses were required but only 1 replica responded; the write may " \
                b"still take effect"
TIMEOUT = b"TIMEOUT the outcome of the write is unknown"
TOO_MANY = b"TOOMANYSIBLINGS the key has 100 versions"


def unused_address():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def add(item):
    return lambda items: (items or set()) | {item}


@pytest.fixture
def client(make_client, server):
    return make_client(server.address)


@pytest.fixture
def carts(make_client, server):
    """Two clients of the same carts."""
    return [make_client(server.address, codec=JSON_SET, resolver=union) for _ in range(2)]


# -- commands and replies ------------------------------------------------------------------------


def test_nothing_stored(client):
    assert client.get_versions("k") == Versions(b"", [])
    assert client.get("k") is None


def test_put_and_get(client, server):
    context = client.put("k", "one")
    versions = client.get_versions("k")
    assert versions == Versions(context, ["one"])
    assert not versions.in_conflict
    client.put("k", "two", versions.context)
    assert client.get("k") == "two"
    assert server.values(b"k") == [b"two"]


def test_siblings_come_latest_first(client):
    for text in ("one", "two", "three"):
        client.put("k", text)
    versions = client.get_versions("k")
    assert versions.values == ["three", "two", "one"]
    assert versions.in_conflict
    client.put("k", "all", versions.context)
    assert client.get_versions("k").values == ["all"]


def test_a_delete_is_a_sibling_too(client):
    context = client.put("k", "one")
    client.put("k", "two")
    client.delete("k", context)
    assert client.get_versions("k").values == [None, "two"]
    assert client.get("k", last_write) is None
    assert client.get("k", lambda values: values[1]) == "two"


def test_words_of_the_commands(client, server):
    client.get_versions("k", "ONE", 100)
    client.get_versions("k", 3)
    client.put("k", "v", b"7", level="ALL", ex=5, timeout_ms=9)
    client.put("k", "v", b"", level=2, pxat=5)
    client.put("k", "v", keepttl=True)
    client.put("k", "v", px=0)
    client.delete("k", b"8", level=1)
    assert server.commands == [
        "KV.GET k LEVEL ONE TIMEOUT 100", "KV.GET k R 3",
        "KV.SET k v CONTEXT 7 LEVEL ALL EX 5 TIMEOUT 9", "KV.SET k v CONTEXT  W 2 PXAT 5",
        "KV.SET k v KEEPTTL", "KV.SET k v PX 0", "KV.DEL k CONTEXT 8 W 1",
    ]


def test_one_kind_of_expiry(client):
    with pytest.raises(TypeError, match="at most one of ex, px, exat, pxat and keepttl"):
        client.put("k", "v", ex=1, px=1)
    with pytest.raises(TypeError, match="at most one"):
        client.put("k", "v", ex=1, keepttl=True)


@pytest.mark.parametrize(
    ("codec", "value", "stored"),
    [(RAW, b"\xff\0", b"\xff\0"), (JSON, {"b": [1, None], "a": "ä"}, '{"a":"ä","b":[1,null]}'.encode()),
     (JSON_SET, {"b", "a", 2}, b'["a","b",2]'), (JSON_SET, set(), b"[]")])
def test_codecs(make_client, server, codec, value, stored):
    client = make_client(server.address, codec=codec)
    client.put("k", value)
    assert server.values(b"k") == [stored]
    assert client.get("k") == value


# -- conflicts -----------------------------------------------------------------------------------


def test_two_carts_added_to_concurrently(carts, server):
    ann, ben = carts
    ann.update("cart", add("milk"))
    seen_by_ann, seen_by_ben = (client.get_versions("cart") for client in carts)
    ann.put("cart", seen_by_ann.values[0] | {"bread"}, seen_by_ann.context)
    ben.put("cart", seen_by_ben.values[0] | {"eggs"}, seen_by_ben.context)
    assert len(server.values(b"cart")) == 2
    assert ann.get("cart") == {"milk", "bread", "eggs"}
    assert ben.update("cart", add("jam")) == {"milk", "bread", "eggs", "jam"}
    assert server.values(b"cart") == [b'["bread","eggs","jam","milk"]']


def test_without_a_resolver_a_conflict_is_an_error_with_the_versions(client, server):
    client.put("k", "one")
    client.put("k", "two")
    for call in (lambda: client.get("k"), lambda: client.update("k", str)):
        with pytest.raises(Conflict, match="'k' has 2 concurrent versions and no resolver") as caught:
            call()
        assert caught.value.versions.values == ["two", "one"]
    assert server.values(b"k") == [b"two", b"one"]


def test_a_resolver_of_the_call_wins(make_client, server):
    client = make_client(server.address, resolver=last_write)
    client.put("k", "one")
    client.put("k", "two")
    assert client.get("k") == "two"
    assert client.get("k", min) == "one"
    assert client.update("k", str.upper, max) == "TWO"
    assert server.values(b"k") == [b"TWO"]


def test_union_of_deleted_siblings():
    assert union([None, {"a"}, {"b"}]) == {"a", "b"}
    assert union([None, None]) is None
    assert union([set(), None]) == set()


def test_update_to_nothing_deletes(client, server):
    client.put("k", "one")
    assert client.update("k", lambda text: None) is None
    assert server.values(b"k") == [None]
    assert client.get("k") is None


def test_update_of_nothing_to_nothing_writes_nothing(client, server):
    assert client.update("k", lambda text: text) is None
    assert server.commands == ["KV.GET k"]


def test_update_hands_on_levels_and_expiry(client, server):
    client.update("k", lambda text: "v", read_level="ONE", write_level=2, ex=9)
    assert server.commands == ["KV.GET k LEVEL ONE", "KV.SET k v CONTEXT  W 2 EX 9"]


# -- what is repeated ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure", [NO_QUORUM, NO_QUORUM_BUT, TIMEOUT, DROP_BEFORE, DROP_AFTER, b"CLUSTERDOWN no node",
                b"LOADING soon"])
def test_a_read_is_repeated(client, server, failure):
    client.put("k", "one")
    server.failures += [failure, failure]
    assert client.get("k") == "one"
    assert len(server.commands) == 4


@pytest.mark.parametrize("failure", [NO_QUORUM, b"CLUSTERDOWN no node", b"LOADING soon"])
def test_a_write_that_did_not_happen_is_repeated(client, server, failure):
    server.failures += [failure]
    client.put("k", "one")
    assert server.values(b"k") == [b"one"]
    assert len(server.commands) == 2


WRITES = {
    "put": lambda client: client.put("k", "one", b""),
    "delete": lambda client: client.delete("k", b""),
    "update": lambda client: client.update("k", lambda text: "one"),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("failure", [After(TIMEOUT), After(NO_QUORUM_BUT), DROP_AFTER, DROP_BEFORE])
def test_a_write_of_unknown_fate_is_not_repeated(client, server, failure, write):
    server.failures += [None, failure] if write == "update" else [failure]
    with pytest.raises(UnknownOutcome) as caught:
        WRITES[write](client)
    assert isinstance(caught.value.__cause__, redis.RedisError)
    assert len([words for words in server.commands if not words.startswith("KV.GET")]) == 1


def test_a_reply_that_does_not_come_leaves_the_fate_of_a_write_open(make_client, server):
    client = make_client(server.address, socket_timeout=0.2)
    server.failures += [SILENT]
    with pytest.raises(UnknownOutcome, match="the connection was lost before the reply came"):
        client.put("k", "one")
    server.failures += [SILENT]
    assert client.get("k") == "one"


@pytest.mark.parametrize("failure", [After(TIMEOUT), DROP_AFTER])
def test_an_idempotent_write_is_repeated(client, server, failure):
    server.failures += [failure]
    context = client.put("k", "one", idempotent=True)
    assert server.values(b"k") == [b"one", b"one"]         # the first try was not known to the second
    server.failures += [failure]
    client.delete("k", context, idempotent=True)
    assert len(server.commands) == 4


def test_an_idempotent_update_reads_its_own_first_try(carts, server):
    server.failures += [None, After(TIMEOUT)]
    assert carts[0].update("cart", add("milk"), idempotent=True) == {"milk"}
    assert server.values(b"cart") == [b'["milk"]']
    assert [words.split()[0] for words in server.commands] == ["KV.GET", "KV.SET"] * 2


def test_too_many_siblings_are_resolved_by_update_and_reported_by_put(carts, server):
    server.failures += [TOO_MANY]
    with pytest.raises(TooManySiblings, match="the key has 100 versions"):
        carts[0].put("cart", {"a"})
    assert len(server.commands) == 1
    server.siblings_max = 3
    for item in "abc":
        carts[0].put("cart", {item})
    server.failures += [None, TOO_MANY]
    assert carts[0].update("cart", add("d")) == set("abcd")
    assert server.values(b"cart") == [b'["a","b","c","d"]']


def test_it_gives_up_in_the_end(make_client, server):
    client = make_client(server.address, retries=2)
    server.failures += [NO_QUORUM] * 10
    with pytest.raises(Unavailable, match="NOQUORUM 2 responses were required but only 0"):
        client.put("k", "v")
    assert len(server.commands) == 3
    with pytest.raises(Unavailable):
        client.update("k", str, retries=0)
    server.failures.clear()
    server.failures += [None, NO_QUORUM, None, NO_QUORUM, None, NO_QUORUM]
    with pytest.raises(Unavailable):
        client.update("k", lambda text: "v")
    assert not server.failures


def test_other_errors_come_through(client, server):
    server.failures += [b"ERR unknown consistency level 'SOME'", b"NOAUTH first"]
    with pytest.raises(redis.ResponseError, match="unknown consistency level"):
        client.put("k", "v", level="SOME")
    with pytest.raises(redis.AuthenticationError):
        client.put("k", "v")
    assert len(server.commands) == 2


def test_the_next_node_when_one_is_not_there(make_client, server):
    client = make_client([unused_address(), server.address])
    client.put("k", "v")
    assert client.get("k") == "v"


def test_the_next_node_when_one_goes_away(make_client, server):
    with FakeServer() as first:
        client = make_client([first.address, server.address])
        client.put("k", "v")
        first.failures += [DROP_BEFORE] * 100
        assert client.get("k") is None                  # of the other server, which has nothing
    client.put("k", "w")
    assert server.values(b"k") == [b"w"]


def test_no_node_at_all(make_client):
    client = make_client([unused_address(), unused_address()], retries=3)
    with pytest.raises(Unavailable, match="connecting to 127.0.0.1"):
        client.put("k", "v")


def test_moved_is_followed(make_client, server):
    with FakeServer() as other:
        server.failures += [b"MOVED 12182 " + other.address.encode(), NO_QUORUM]
        client = make_client(server.address)
        client.put("k", "v")
        assert other.values(b"k") == [b"v"]
        server.failures.clear()
        server.failures += [b"MOVED 1 " + server.address.encode()] * 6
        with pytest.raises(redis.ResponseError):
            client.put("k", "v")


def test_a_handshake_that_is_not_answered_leaves_nothing_open(make_client):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        client = make_client(f"127.0.0.1:{silent.getsockname()[1]}", retries=1, socket_timeout=0.1)
        with pytest.raises(Unavailable):
            client.put("k", "v")


# -- the application's side ------------------------------------------------------------------------


def test_errors_of_functions_come_through_and_nothing_is_written(client, server):
    with pytest.raises(ZeroDivisionError):
        client.update("k", lambda text: 1 // 0)
    assert server.commands == ["KV.GET k"]


async def test_coroutine_functions(server):
    async def resolver(values):
        await asyncio.sleep(0)
        return "+".join(values)

    async def louder(text):
        await asyncio.sleep(0)
        return text + "!"

    async with AsyncClient(server.address, resolver=resolver) as client:
        await asyncio.gather(client.put("k", "one"), client.put("k", "two"))
        assert await client.update("k", louder) in ("one+two!", "two+one!")


def test_closing(server):
    with Client(server.address) as client:
        client.put("k", "v")


@pytest.mark.parametrize("nodes", ["127.0.0.1", "", ":1", "a:x", []])
def test_bad_addresses(nodes):
    with pytest.raises(ValueError, match="such as '127.0.0.1:7001'"):
        Client(nodes)


def test_options_that_would_break_the_promises():
    for name in ("decode_responses", "retry_on_timeout", "retry", "retry_on_error"):
        with pytest.raises(TypeError, match=f"{name} is decided by resp_kv.client"):
            Client("a:1", **{name: True})


def test_without_redis_py_the_sentence_says_what_to_install():
    program = "import sys; sys.modules['redis'] = None; import resp_kv.client"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True,
                          timeout=60, check=False)
    assert done.stderr.splitlines()[-1] == (
        "ImportError: resp_kv.client needs redis-py, which is not installed: "
        "pip install 'resp-kv[client]'")


def test_the_words_of_the_server_are_known_here():
    """The fate of a write hangs on words that the cluster writes."""
    class Request:
        acks, text, timeout_ms = 1, "", 5
        touched, forwarded = 1, False

        class need:
            total = 2
            counted = staticmethod(int)

    assert outcome.no_quorum(Request, True).startswith("NOQUORUM ")
    assert MAY_HAVE_HAPPENED in outcome.no_quorum(Request, True)
    assert outcome.timed_out(Request, True).startswith("TIMEOUT ")
    Request.acks = Request.touched = 0
    assert MAY_HAVE_HAPPENED not in outcome.no_quorum(Request, True)
