"""Commands that walk over the keys of a database: SCAN, KEYS, RANDOMKEY, DBSIZE.

A cursor is a position in the order of storage (slot, bucket), not the state of a walk, so it is
good for ever and SCAN keeps Redis's promise: a key that is there from the first call to the last
is returned, and here never twice unless the walk was. Long walks are generators that pause between
pages, so other clients are served meanwhile; KEYS is therefore not one instant's picture.
"""

import random
import re
from functools import partial

from cluster.errors import NeedsDisk
from resp_kv.commands import parsing
from resp_kv.commands.pattern import matches
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError, SyntaxFault

walking_command = partial(command, group="generic", flags="readonly")

PAGE_KEYS = 2000            # keys between two pauses
RANDOM_CHOICE_KEYS = 64     # RANDOMKEY picks among so many neighbours
CURSORS = 1 << 22           # positions: 16384 slots of 256 buckets
SCAN_COUNT = 10
CURSOR = re.compile(rb"([+-]?)(\d+)")


def check_complete(client):
    """Raises LOADING while this node does not know all of its keys, since it lost its disk.

    Single keys are read from the other replicas meanwhile; nobody else walks over the slots that
    clients look for here."""
    view = client.node.cluster
    missing = 0 if view is None else view.incomplete
    if missing:
        raise CommandError(f"LOADING this node has lost its data and is being refilled, {missing} "
                           "partitions are left (KV.REPAIR shows how far it is); single keys can be read")


def _pages(keyspace, cursor, count):
    """Yields None to pause, or (next cursor, keys); never ends by itself."""
    while True:
        try:
            cursor, names = keyspace.page(cursor, count)
        except NeedsDisk:
            yield None
            continue
        yield cursor, names


@walking_command(
    "keys", arity=2, args=[arg("pattern", "pattern")],
    acl_categories=("@keyspace", "@read", "@slow", "@dangerous"),
    tips=("request_policy:all_shards", "nondeterministic_output_order"),
    complexity="O(N), N the number of keys in the database",
    summary="Lists the keys that match a pattern.",
)
def keys(client, args):
    check_complete(client)
    pattern = None if args[1] == b"*" else args[1]
    found = []
    for page in _pages(client.keyspace, 0, PAGE_KEYS):
        if page is not None:
            cursor, names = page
            found += names if pattern is None else [n for n in names if matches(pattern, n)]
            if cursor == 0:
                return found
        yield


class ScanOptions:
    __slots__ = ("count", "pattern", "type")

    def __init__(self, words):
        self.count, self.pattern, self.type = SCAN_COUNT, None, b"string"
        words = iter(words)
        for word in words:
            token, text = word.upper(), next(words, None)
            if text is None:
                raise SyntaxFault()
            if token == b"COUNT":
                self.count = parsing.integer(text)
                if self.count < 1:
                    raise SyntaxFault()
            elif token == b"MATCH":
                self.pattern = None if text == b"*" else text
            elif token == b"TYPE":
                self.type = text.lower()
            else:
                raise SyntaxFault()

    def chosen(self, names):
        if self.type != b"string":
            return []
        if self.pattern is None:
            return names
        return [name for name in names if matches(self.pattern, name)]


def _scan_cursor(text):
    """A cursor as C's strtoul takes it: an optional sign, decimal digits; nothing at all is 0."""
    text = text.partition(b"\0")[0]
    if not text:
        return 0
    match = CURSOR.fullmatch(text)
    if match is None or len(text) > 64 or int(match[2]) >= 1 << 64:
        raise CommandError("ERR invalid cursor")
    return int(match[2]) if match[1] != b"-" else -int(match[2]) % (1 << 64)


@walking_command(
    "scan", arity=-2, since="2.8.0", acl_categories=("@keyspace", "@read", "@slow"),
    history=(("6.0.0", "TYPE"),),
    tips=("nondeterministic_output", "request_policy:special", "response_policy:special"),
    complexity="O(1) for a call, O(N) for a whole walk over N keys",
    summary="Walks over the keys, some at each call.",
    args=[
        arg("cursor", "integer"),
        arg("pattern", "pattern", "MATCH", flags=["optional"]),
        arg("count", "integer", "COUNT", flags=["optional"]),
        arg("type", "string", "TYPE", flags=["optional"], since="6.0.0"),
    ],
)
def scan(client, args):
    cursor = _scan_cursor(args[1])
    options = ScanOptions(args[2:])
    check_complete(client)
    left, found = options.count, []
    for page in _pages(client.keyspace, cursor, min(left, PAGE_KEYS)):
        if page is not None:
            cursor, names = page
            found += options.chosen(names)
            left -= max(len(names), 1)
            if cursor == 0 or left <= 0:
                return [b"%d" % cursor, found]
        yield


@walking_command(
    "randomkey", arity=1, acl_categories=("@keyspace", "@read", "@slow"),
    tips=("request_policy:all_shards", "response_policy:special", "nondeterministic_output"),
    summary="Gives some key of the database.",
)
def randomkey(client, args):
    """One of the keys behind a random position, round the end if need be.

    Keys are spread evenly over the positions by two hashes, so this is close to uniform; with few
    keys it is exactly uniform, because all of them are looked at. One started walk keeps its
    position however often it pauses for the disk.
    """
    check_complete(client)
    start, found, rounds = random.randrange(CURSORS), {}, 0
    for page in _pages(client.keyspace, start, RANDOM_CHOICE_KEYS):
        if page is not None:
            cursor, names = page
            found.update(dict.fromkeys(names))
            rounds += cursor == 0
            all_seen = rounds == 2 or (rounds == 1 and cursor >= start)
            if len(found) >= RANDOM_CHOICE_KEYS or all_seen:
                break
        yield
    return random.choice(list(found)) if found else None


@walking_command(
    "dbsize", arity=1, flags="readonly fast", group="server",
    acl_categories=("@keyspace", "@read", "@fast"),
    tips=("request_policy:all_shards", "response_policy:agg_sum"),
    summary="Counts the keys of the database.",
)
def dbsize(client, args):
    check_complete(client)
    return client.keyspace.size()
