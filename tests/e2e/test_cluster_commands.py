"""Commands of plain clients on three nodes: what one client does at one node, another sees at the next.

Random commands against a real Redis are in test_cluster_differential.py; here is what needs a story:
transactions with another client in between, replies that are switched off, databases, walks.
"""

import itertools
import threading

import pytest
import redis

from tests.e2e.two_servers import Link

NODES = range(3)
HOPS = list(itertools.permutations(NODES, 2))


def link_to(cluster, number):
    return cluster[number].link()


# -- transactions ---------------------------------------------------------------------------------

@pytest.mark.parametrize(("here", "there"), HOPS)
def test_watch_sees_a_change_from_another_node(cluster, here, there):
    one, other = link_to(cluster, here), link_to(cluster, there)
    other.ask(b"SET", b"{t}a", b"1")
    assert one.ask(b"WATCH", b"{t}a", b"{t}b") == b"+OK\r\n"
    assert other.ask(b"SET", b"{t}b", b"new") == b"+OK\r\n"
    assert one.ask_all([[b"MULTI"], [b"SET", b"{t}a", b"2"], [b"EXEC"]])[-1] == b"*-1\r\n"
    assert other.value(b"GET", b"{t}a") == b"1"
    one.ask(b"WATCH", b"{t}a")
    assert one.ask_all([[b"MULTI"], [b"INCR", b"{t}a"], [b"GET", b"{t}a"], [b"EXEC"]])[-1] == (
        b"*2\r\n:2\r\n$1\r\n2\r\n")
    assert other.value(b"GET", b"{t}a") == b"2"


@pytest.mark.parametrize("change", [
    [b"SET", b"{t}a", b"1"], [b"DEL", b"{t}a"], [b"EXPIRE", b"{t}a", b"100"], [b"APPEND", b"{t}a", b""],
    [b"FLUSHDB"], [b"RENAME", b"{t}a", b"{t}b"]], ids=lambda words: words[0].decode())
def test_what_counts_as_a_change(cluster, change):
    one, other = link_to(cluster, 0), link_to(cluster, 1)
    other.ask(b"SET", b"{t}a", b"1")
    one.ask(b"WATCH", b"{t}a")
    other.ask(*change)
    assert one.ask_all([[b"MULTI"], [b"PING"], [b"EXEC"]])[-1] == b"*-1\r\n"


def test_unwatch_and_reads_are_no_change(cluster):
    one, other = link_to(cluster, 0), link_to(cluster, 1)
    other.ask(b"SET", b"a", b"1")
    one.ask(b"WATCH", b"a")
    assert other.value(b"GET", b"a") == b"1"
    assert one.ask_all([[b"MULTI"], [b"GET", b"a"], [b"EXEC"]])[-1] == b"*1\r\n$1\r\n1\r\n"
    one.ask(b"WATCH", b"a")
    other.ask(b"SET", b"a", b"2")
    one.ask(b"UNWATCH")
    assert one.ask_all([[b"MULTI"], [b"GET", b"a"], [b"EXEC"]])[-1] == b"*1\r\n$1\r\n2\r\n"


@pytest.mark.parametrize("here", NODES)
def test_several_slots_are_refused_as_a_whole(cluster, here):
    one = link_to(cluster, here)
    replies = one.ask_all([[b"MULTI"], [b"SET", b"a", b"1"], [b"SET", b"b", b"1"], [b"EXEC"]])
    assert replies[-1].startswith(b"-CROSSSLOT ")
    assert one.ask(b"EXISTS", b"a", b"b") == b":0\r\n"
    assert one.ask(b"EXEC") == b"-ERR EXEC without MULTI\r\n"


@pytest.mark.parametrize("here", NODES)
@pytest.mark.parametrize("words", [
    [b"RENAME", b"a", b"b"], [b"RENAMENX", b"a", b"b"], [b"COPY", b"a", b"b"],
    [b"BITOP", b"AND", b"a", b"b"], [b"MSETNX", b"a", b"1", b"b", b"2"], [b"LCS", b"a", b"b"],
    [b"WATCH", b"a", b"b"]],
    ids=lambda words: words[0].decode() if isinstance(words, list) else None)
def test_only_one_slot_is_atomic(cluster, here, words):
    assert link_to(cluster, here).ask(*words) == (
        b"-CROSSSLOT Keys in request don't hash to the same slot\r\n")


def test_a_transaction_of_all_kinds(cluster):
    """Errors inside, reads of its own writes, another database, an empty one, DISCARD."""
    one, other = link_to(cluster, 1), link_to(cluster, 2)
    replies = one.ask_all([
        [b"MULTI"], [b"SET", b"{t}a", b"x"], [b"INCR", b"{t}a"], [b"APPEND", b"{t}a", b"yz"],
        [b"GET", b"{t}a"], [b"SELECT", b"3"], [b"SET", b"{t}a", b"three"], [b"GET", b"{t}a"],
        [b"SELECT", b"0"], [b"GET", b"{t}a"], [b"PING"], [b"EXEC"]])
    assert Link.split(replies[-1]) == [
        b"+OK\r\n", b"-ERR value is not an integer or out of range\r\n", b":3\r\n", b"$3\r\nxyz\r\n",
        b"+OK\r\n", b"+OK\r\n", b"$5\r\nthree\r\n", b"+OK\r\n", b"$3\r\nxyz\r\n", b"+PONG\r\n"]
    assert other.value(b"GET", b"{t}a") == b"xyz"
    assert one.ask_all([[b"MULTI"], [b"EXEC"]])[-1] == b"*0\r\n"
    assert one.ask_all([[b"MULTI"], [b"SET", b"{t}a", b"1"], [b"DISCARD"]])[-1] == b"+OK\r\n"
    assert one.ask_all([[b"MULTI"], [b"NOSUCH"], [b"EXEC"]])[-1].startswith(b"-EXECABORT ")
    assert other.value(b"GET", b"{t}a") == b"xyz"


@pytest.mark.parametrize("here", NODES)
def test_the_database_after_a_transaction(cluster, here):
    one = link_to(cluster, here)
    one.ask_all([[b"MULTI"], [b"SELECT", b"5"], [b"SET", b"a", b"five"], [b"EXEC"]])
    assert one.value(b"GET", b"a") == b"five"
    one.ask(b"SELECT", b"0")
    assert one.value(b"GET", b"a") is None


def test_counters_are_exact(cluster):
    """Clients at all nodes raise one counter, in every way that there is."""
    def work(number):
        client = cluster[number].client()
        for _ in range(40):
            client.incr("n")
            with client.pipeline(transaction=True) as pipe:
                pipe.incrby("n", 2).incrby("n", 3).execute()
            client.append("text", "x")

    threads = [threading.Thread(target=work, args=(number,)) for number in [*NODES, *NODES]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for client in cluster.clients():
        assert client.get("n") == b"%d" % (6 * 40 * 6)
        assert client.strlen("text") == 6 * 40


def test_check_and_set_loops_lose_nothing(cluster):
    def work(number):
        client = cluster[number].client()
        for _ in range(20):
            client.transaction(lambda pipe: change(pipe), "sum")

    def change(pipe):
        value = int(pipe.get("sum") or 0)
        pipe.multi()
        pipe.set("sum", value + 1)

    threads = [threading.Thread(target=work, args=(number,)) for number in NODES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert cluster[0].client().get("sum") == b"60"


# -- pipelines and replies ------------------------------------------------------------------------

@pytest.mark.parametrize("here", NODES)
def test_a_pipeline_reads_its_own_writes(cluster, here):
    one, commands, expected = link_to(cluster, here), [], []
    for number in range(300):
        key, value = b"k%d" % (number % 7), b"%d" % number
        commands += [[b"SET", key, value], [b"GET", key], [b"APPEND", key, b"!"], [b"GET", key],
                     [b"EXISTS", key, b"none"], [b"DEL", key], [b"GET", key], [b"PING"]]
        expected += [b"+OK\r\n", bulk(value), b":%d\r\n" % (len(value) + 1), bulk(value + b"!"),
                     b":1\r\n", b":1\r\n", b"$-1\r\n", b"+PONG\r\n"]
    assert one.ask_all(commands) == expected


def bulk(text):
    return b"$%d\r\n%b\r\n" % (len(text), text)


@pytest.mark.parametrize("here", NODES)
def test_replies_that_are_switched_off(cluster, here):
    one = link_to(cluster, here)
    one.socket.sendall(b"".join(inline(line) for line in (
        "SET a 1", "CLIENT REPLY SKIP", "INCR a", "GET a", "CLIENT REPLY SKIP", "GET a",
        "CLIENT REPLY OFF", "INCR a", "SET b 5", "MGET a b", "NOSUCH", "CLIENT REPLY ON",
        "MGET a b", "CLIENT REPLY SKIP", "SET a 7", "GET a")))
    assert [one._reply() for _ in range(5)] == [
        b"+OK\r\n", b"$1\r\n2\r\n", b"+OK\r\n", b"*2\r\n$1\r\n3\r\n$1\r\n5\r\n", b"$1\r\n7\r\n"]
    assert one.ask(b"PING") == b"+PONG\r\n"


def inline(line):
    return line.encode() + b"\r\n"


def test_replies_keep_their_protocol(cluster):
    """HELLO in the middle of a pipeline: what comes before it is answered in the old one."""
    one = link_to(cluster, 0)
    commands = [[b"GET", b"none"], [b"MGET", b"none"], [b"HELLO", b"3"], [b"GET", b"none"],
                [b"MGET", b"none", b"none2"], [b"GETDEL", b"none"], [b"HELLO", b"2"],
                [b"GET", b"none"]]
    replies = one.ask_all(commands)
    assert replies[0:2] == [b"$-1\r\n", b"*1\r\n$-1\r\n"]
    assert replies[3:6] == [b"_\r\n", b"*2\r\n_\r\n_\r\n", b"_\r\n"]
    assert replies[7] == b"$-1\r\n"


@pytest.mark.parametrize("here", NODES)
def test_scattered_commands_answer_in_order(cluster, here):
    one, other = link_to(cluster, here), link_to(cluster, (here + 1) % 3)
    pairs = [(b"k%d" % number, b"v%d" % number) for number in range(200)]
    assert one.ask(b"MSET", *itertools.chain(*pairs)) == b"+OK\r\n"
    names = [key for key, _ in pairs]
    assert other.value(b"MGET", *names, b"none", *names[::-1]) == (
        [value for _, value in pairs] + [None] + [value for _, value in pairs[::-1]])
    assert other.ask(b"EXISTS", *names, names[0], b"none") == b":201\r\n"
    assert other.ask(b"TOUCH", *names[:50]) == b":50\r\n"
    assert other.ask(b"DEL", *names[:100], names[0]) == b":100\r\n"
    assert one.ask(b"UNLINK", *names) == b":100\r\n"
    assert one.value(b"MGET", *names) == [None] * 200
    assert one.ask(b"MSET", b"a", b"1", b"b").startswith(b"-ERR wrong number of arguments")
    assert one.ask(b"MSET", b"a", b"1", b"b", b"x" * 10_001).startswith(b"-ERR key plus value are ")
    assert other.ask(b"EXISTS", b"a") == b":0\r\n"


# -- databases, deadlines, walks ------------------------------------------------------------------

def test_sixteen_databases(cluster):
    links = [link_to(cluster, number) for number in NODES]
    for number in range(16):
        link = links[number % 3]
        assert link.ask(b"SELECT", b"%d" % number) == b"+OK\r\n"
        assert link.ask(b"SET", b"a", b"in %d" % number) == b"+OK\r\n"
    for number in range(16):
        link = links[(number + 1) % 3]
        link.ask(b"SELECT", b"%d" % number)
        assert link.value(b"GET", b"a") == b"in %d" % number
    assert links[0].ask(b"SELECT", b"16") == b"-ERR DB index is out of range\r\n"
    links[0].ask(b"SELECT", b"2")
    assert links[0].ask(b"MOVE", b"a", b"3") == b":0\r\n"
    assert links[0].ask(b"COPY", b"a", b"b", b"DB", b"3").startswith(b"-CROSSSLOT ")
    assert links[0].ask(b"DEL", b"a") == b":1\r\n"
    links[0].ask(b"SELECT", b"3")
    assert links[0].ask(b"MOVE", b"a", b"2") == b":1\r\n"
    links[1].ask(b"SELECT", b"2")
    assert links[1].value(b"GET", b"a") == b"in 3"
    assert links[0].ask(b"SWAPDB", b"0", b"1").startswith(b"-ERR SWAPDB is not allowed")
    links[2].ask(b"SELECT", b"7")
    assert links[2].ask(b"FLUSHDB") == b"+OK\r\n"
    for link, database, left in zip(links, (7, 8, 6), (0, 1, 1)):
        link.ask(b"SELECT", b"%d" % database)
        assert link.value(b"EXISTS", b"a") == left


def test_deadlines_are_seen_everywhere(cluster):
    clients = cluster.clients()
    for number, client in enumerate(clients):
        key, other = f"k{number}", clients[(number + 1) % 3]
        assert client.set(key, "v", ex=1000)
        assert 990 < other.ttl(key) <= 1000
        assert other.expire(key, 2000, gt=True)
        assert 1990 < client.ttl(key) <= 2000
        assert not client.expire(key, 3000, nx=True)
        assert client.persist(key)
        assert other.ttl(key) == -1
        assert other.pexpireat(key, 5_000_000_000_000)
        assert client.expiretime(key) == 5_000_000_000
        assert client.getex(key, persist=True) == b"v"
        assert other.pttl(key) == -1
        assert other.expire(key, -1)
        assert client.get(key) is None
        assert client.ttl(key) == -2


def test_a_key_expires_at_every_node_and_stays_gone(cluster):
    clients = cluster.clients()
    for number in range(30):
        assert clients[number % 3].set(f"k{number}", "v", px=150 if number % 2 else 100_000)
    for client in clients:
        eventually_gone(client, [f"k{number}" for number in range(1, 30, 2)])
        assert client.exists(*[f"k{number}" for number in range(0, 30, 2)]) == 15
    assert clients[0].incr("k1") == 1


def eventually_gone(client, keys):
    from tests.e2e.server import eventually

    eventually(lambda: client.exists(*keys) == 0)


def walked(client, **options):
    return list(client.scan_iter(**options))


@pytest.mark.parametrize("count", [1, 100, 5000])
def test_all_nodes_together_show_every_key_once(cluster, count):
    clients = cluster.clients()
    names = [b"name:%d" % number for number in range(900)]
    for number, client in enumerate(clients):
        client.mset({name: b"v" for name in names[number::3]})
    cluster.catch_up()
    walks = [walked(client, count=count) for client in clients]
    assert sorted(itertools.chain(*walks)) == sorted(names)
    assert sorted(itertools.chain(*[client.keys("*") for client in clients])) == sorted(names)
    assert sum(client.dbsize() for client in clients) == len(names)
    shown = [set(walk) for walk in walks]
    for client, own in zip(clients, shown):
        assert client.randomkey() in own
    clients[1].delete(*names[:450])
    cluster.catch_up()
    assert sum(client.dbsize() for client in clients) == 450
    assert sorted(itertools.chain(*[walked(client, match="name:8*") for client in clients])) == sorted(
        name for name in names[450:] if name.startswith(b"name:8"))


@pytest.mark.parametrize(("here", "there"), HOPS)
def test_flush_takes_what_another_node_has_just_acknowledged(cluster, here, there):
    one, other = link_to(cluster, here), link_to(cluster, there)
    for number in range(60):
        key = b"k%d" % number
        assert one.ask(b"INCR", key) == b":1\r\n"
        assert other.ask(b"FLUSHALL" if number % 2 else b"FLUSHDB") == b"+OK\r\n"
        assert one.value(b"GET", key) is None


def test_what_a_cluster_cannot_do_is_said(cluster):
    one = link_to(cluster, 0)
    assert one.ask(b"SWAPDB", b"0", b"1").startswith(b"-ERR SWAPDB is not allowed in cluster mode")
    refused = one.ask_all([[b"MULTI"], [b"SET", b"a", b"1"], [b"FLUSHALL"], [b"EXEC"]])[-1]
    assert refused.startswith(b"-EXECABORT 'flushall' is not possible inside a transaction")
    assert one.ask(b"GET", b"a") == b"$-1\r\n"
    assert one.ask(b"FLUSHALL", b"now") == b"-ERR syntax error\r\n"


def test_keys_at_the_limit(cluster):
    clients = cluster.clients()
    client = clients[0]
    for each in clients:
        each.config_set("max-pair-bytes", "200kb")
    try:
        key = b"k" * 65_529
        assert client.set(key, "v")
        assert clients[1].get(key) == b"v"
        assert client.append(key, "w") == 2
        for command in ("GET", "INCR"):
            with pytest.raises(redis.ResponseError, match="a key has at most 65529 bytes"):
                client.execute_command(command, key + b"k")
    finally:
        for each in clients:
            each.config_set("max-pair-bytes", "10000")
