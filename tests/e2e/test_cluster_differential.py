"""The data commands on three nodes against a real Redis: each command through a node drawn by lot.

Reads and writes are at QUORUM, so a client that hops from node to node must see its own writes, and
every reply must be the one that Redis gives. The commands and the rules by which replies may differ
are those of test_differential; what is different on a cluster is written down here in
`ClusterCommands` and `gathered`.
"""

import random
import shutil

import pytest

from cluster.slots import slot_of
from resp_kv import commands
from tests.e2e import test_differential as alone
from tests.e2e.random_commands import KEYS, Commands
from tests.e2e.two_servers import Link, redis_server

SEED = alone.SEED
COUNT = alone.COUNT // 2
TAGGED = [b"{tag}" + key for key in KEYS]
ROWS = commands.load()
SCATTERED = ("mget", "mset", "del", "unlink", "exists", "touch")

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed")


class ClusterCommands(Commands):
    """Half of the commands have all their keys in one slot; those that Redis Cluster would refuse for
    their keys, and ours as well, are left out."""

    every_key = [*KEYS, *TAGGED]

    def next(self):
        self.pool = self.pick([KEYS, TAGGED])
        words = super().next()
        while crosses_slots(words):
            words = super().next()
        return words

    def key(self):
        return self.pick(self.pool)


def crosses_slots(words):
    row = ROWS.get(words[0].lower())
    if row is None or row.name in SCATTERED or not row.arity_fits(len(words)):
        return False
    return len({slot_of(key) for key in row.keys_of(words)}) > 1


class Nodes:
    """Links to all nodes that look like one: each command goes to one of them, drawn by lot.

    Commands on what a node shows of its own slots go to all, and the replies become one; what
    concerns the connection goes to all, too. A node shows what it has itself, and a write is acknowledged
    when two of three have it: so before that all catch up."""

    def __init__(self, cluster, seed):
        self.links = [Link(node.port) for node in cluster.nodes]
        self.random = random.Random(seed)

    def close(self):
        for link in self.links:
            link.close()

    def ask(self, *words):
        name = words[0].upper()
        if name in (b"SELECT", b"HELLO"):
            replies = [link.ask(*words) for link in self.links]
            return replies[0]
        if name not in GATHERED:
            return self.random.choice(self.links).ask(*words)
        self.catch_up()
        return GATHERED[name]([link.ask(*words) for link in self.links])

    def catch_up(self):
        """What all replicas are asked goes the way of the writes before it."""
        for link in self.links:
            assert link.ask(b"KV.GET", b"", b"LEVEL", b"ALL")[:1] == b"*"

    def ask_all(self, commands):
        """All at once through one node."""
        return self.random.choice(self.links).ask_all(commands)

    def value(self, *words):
        return Link.parse(self.ask(*words))


def sum_of(replies):
    if any(reply[:1] != b":" for reply in replies):
        return replies[0]
    return b":%d\r\n" % sum(int(reply[1:]) for reply in replies)


def union_of(replies):
    if any(reply[:1] != b"*" for reply in replies):
        return replies[0]
    parts = [part for reply in replies for part in Link.split(reply)]
    return b"*%d\r\n" % len(parts) + b"".join(parts)


def some_key_of(replies):
    return next((reply for reply in replies if reply[:1] == b"$" and reply[1:2] != b"-"), replies[0])


GATHERED = {b"DBSIZE": sum_of, b"KEYS": union_of, b"RANDOMKEY": some_key_of}


@pytest.fixture(scope="module")
def real_port(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as port:
        yield port


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def pair(request, real_port, cluster):
    """(real, ours), emptied, speaking RESP2 or RESP3."""
    pair = [Link(real_port), Nodes(cluster, SEED)]
    pair[0].ask(b"FLUSHALL")
    if request.param == 3:
        for link in pair:
            link.ask(b"HELLO", b"3")
    yield pair
    for link in pair:
        link.close()


def test_random_commands_through_any_node(pair):
    alone.run(pair, ClusterCommands(SEED, without=("SWAPDB",)), COUNT, f"seed {SEED}")
    alone.compare_everything(*pair, f"seed {SEED}")


# What a node shows of its own slots has no single reply that is right inside a batch.
LOCAL_VIEWS = ("DBSIZE", "KEYS", "RANDOMKEY", "SCAN", "SWAPDB")
SWEEPS = ("FLUSHALL", "FLUSHDB")


class OneSlot(ClusterCommands):
    """All keys of all commands in one slot, as a transaction needs it."""

    def next(self):
        words = super().next()
        while self.pool is KEYS or keys_outside(words):
            words = super().next()
        return words


def keys_outside(words):
    row = ROWS.get(words[0].lower())
    return row is not None and row.arity_fits(len(words)) and any(
        slot_of(key) != slot_of(b"{tag}") for key in row.keys_of(words))


@pytest.mark.parametrize("way", ["pipeline", "transaction"])
def test_random_commands_at_once_through_any_node(pair, way):
    """Twenty at a time through one node, the next twenty through another."""
    made = ClusterCommands(SEED + 1000, without=LOCAL_VIEWS) if way == "pipeline" else OneSlot(
        SEED + 1000, without=(*LOCAL_VIEWS, *SWEEPS))
    comparison = alone.Comparison(pair[0])
    for number in range(COUNT // 20):
        batch = [made.next() for _ in range(20)]
        if way == "transaction":
            batch = [[b"MULTI"], *batch, [b"EXEC"]]
        if number % 10 == 9:
            batch.append([b"FLUSHALL"])
        answers = list(alone.paired(batch, *[link.ask_all(batch) for link in pair]))
        for words, expected, reply in answers:
            if alone.too_large(reply):
                alone.start_again(pair, made.every_key)
                break
            assert comparison.same(words, expected, reply), (
                f"{way}, seed {SEED + 1000}, batch {number}: {words}\n"
                f"  redis  {expected[:300]}\n  ours   {reply[:300]}\n"
                + "".join(f"  {answer}\n" for answer in answers))
    alone.compare_everything(*pair, way)
