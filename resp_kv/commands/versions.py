"""KV.GET, KV.SET, KV.DEL, KV.VERSIONS, KV.CONFLICTS: a key with all its versions.

Two clients that write a key without knowing of each other make two concurrent versions, siblings.
Plain GET shows the one with the greatest dot; KV.GET shows all, with a *context*: opaque bytes that
stand for just these. KV.SET with that context replaces them and nothing else, so what somebody
wrote meanwhile stays beside it. Without a context KV.SET is a plain SET that tells its context.

    KV.GET k               -> [context, [sibling, ...]]   greatest dot first: the first is what GET
                              shows. nil: deleted, or past its deadline. Never written: [b"", []]
    KV.SET k v CONTEXT c   -> the context of what the writer knows then; KV.DEL likewise

The context of nothing is empty, and KV.SET takes it: such a write replaces nothing.

Siblings are always concurrent. The clocks that KV.VERSIONS shows are derived for the eye: of two
siblings written through one server they cannot show it (no vector clock can), their dots do.
"""

from functools import partial, reduce

from cluster.slots import stored_key
from cluster.versions import clock_of, context_of, live, merge, written_context
from resp_kv.commands.servers import dot_words, line_of, server_of, time_of
from resp_kv.commands.strings import expiration
from resp_kv.commands.table import arg, command
from resp_kv.commands.version_words import CONTEXT, TIMEOUT, Words, check_lone, level_words
from resp_kv.errors import CommandError

version_command = partial(command, group="versions", keys=(1, 1, 1))

KEY = arg("key", "key", key_spec=0)
READ_CATEGORIES = ("@read", "@slow")
WRITE_CATEGORIES = ("@write", "@slow")
NO_DEADLINE, NO_VALUE = -1, -2        # as PTTL has them


def reading_words(args):
    return Words(args[2:], b"R")


def setting_words(args):
    return Words(args[3:], b"W", expiring=True)


def deleting_words(args):
    return Words(args[2:], b"W")


@version_command(
    "kv.get", arity=-2, flags="readonly", acl_categories=READ_CATEGORIES,
    demand=lambda args: reading_words(args).demand, args=[KEY, level_words("R"), TIMEOUT],
    complexity="O(N), N the number of siblings",
    summary="Gives all concurrent versions of a key, with the context for a KV.SET in their place.",
)
def get(client, args):
    check_lone(client, reading_words(args).demand)
    state, now_ms = client.keyspace.state(args[1]), client.node.now_ms
    return [context_of(state), [shown(sibling, now_ms) for sibling in state.siblings]]


@version_command(
    "kv.set", arity=-3, flags="write denyoom", acl_categories=WRITE_CATEGORIES,
    demand=lambda args: setting_words(args).demand,
    args=[KEY, arg("value", "string"), CONTEXT, level_words("W"),
          expiration(arg("keepttl", "pure-token", "KEEPTTL")), TIMEOUT],
    complexity="O(N), N the number of siblings",
    summary="Stores a value in place of the versions that a context covers; gives the new context.",
)
def set_(client, args):
    words, key = setting_words(args), args[1]
    check_lone(client, words.demand)
    deadline_ms = words.deadline_ms(client, "kv.set")
    if words.keep_deadline:
        before = live(client.keyspace.state(key), client.node.now_ms)
        deadline_ms = 0 if before is None else before.deadline_ms
    return write(client, key, args[2], words, deadline_ms=deadline_ms)


@version_command(
    "kv.del", arity=-2, flags="write", acl_categories=WRITE_CATEGORIES,
    demand=lambda args: deleting_words(args).demand,
    args=[KEY, CONTEXT, level_words("W"), TIMEOUT],
    complexity="O(N), N the number of siblings",
    summary="Deletes the versions of a key that a context covers; gives the new context.",
)
def delete(client, args):
    words = deleting_words(args)
    check_lone(client, words.demand)
    return write(client, args[1], b"", words, tombstone=True)


def write(client, key, value, words, **version):
    """The context of whoever made this write."""
    if words.context is None:
        return client.keyspace.put_blind(key, value, **version)
    seen, state = client.keyspace.put_with_context(key, value, words.context, **version)
    return written_context(seen, state)


@version_command(
    "kv.versions", arity=2, flags="readonly", acl_categories=READ_CATEGORIES, args=[KEY],
    tips=("nondeterministic_output",),
    complexity="O(N), N the number of siblings; every replica is asked",
    summary="Shows each concurrent version of a key: dot, time, server, vector clock, holders.",
)
def versions(client, args):
    copies = client.keyspace.copies(args[1])
    known = [copy.state for copy in copies if copy.state is not None]
    if not known:
        raise CommandError(f"NOQUORUM no replica of the key answered: {copies[0].reason}")
    state = reduce(merge, known)
    return [described(client, state, sibling, copies) for sibling in state.siblings]


def described(client, state, sibling, copies):
    holders = [line_of(client, copy.member).id for copy in copies
               if copy.state is not None and holds(copy.state, sibling)]
    return {
        **named(client, sibling),
        "kind": "causal" if sibling.actor & 1 else "blind",
        "value": shown(sibling, client.node.now_ms), "ttl": ttl_ms(sibling, client.node.now_ms),
        "clock": clock_pairs(clock_of(state, sibling)), "replicas": holders,
    }


def named(client, version):
    """Which write it is, of a sibling or a loser in the journal."""
    return {"dot": dot_words(version.hlc, version.actor), "time": time_of(version.hlc),
            "server": server_of(client, version.actor)}


def holds(state, sibling):
    return any(other.hlc == sibling.hlc and other.actor == sibling.actor
               for other in state.siblings)


def clock_pairs(clock):
    """[[server, version], ...]. The blind and the causal writes of a server have an entry each in
    the store; for the eye the later one is the server's."""
    pairs = {}
    for actor, hlc in clock:
        server = dot_words(hlc, actor)[1]
        pairs[server] = max(hlc, pairs.get(server, 0))
    return [[server, hlc] for server, hlc in sorted(pairs.items())]


def shown(sibling, now_ms):
    return sibling.value if sibling.live(now_ms) else None


def ttl_ms(sibling, now_ms):
    if not sibling.live(now_ms):
        return NO_VALUE
    return sibling.deadline_ms - now_ms if sibling.deadline_ms else NO_DEADLINE


@version_command(
    "kv.conflicts", arity=2, flags="readonly", acl_categories=READ_CATEGORIES, args=[KEY],
    at_coordinator=True, tips=("nondeterministic_output",),
    complexity="O(N), N the length of the conflict journal",
    summary="Shows the siblings of a key, and versions that lost against concurrent ones.",
)
def conflicts(client, args):
    """The journal is each node's own, in memory: that of the key's preferred coordinator is shown,
    where the writers of a key meet."""
    state, now_ms = client.keyspace.state(args[1]), client.node.now_ms
    concurrent = state.siblings if len(state.siblings) > 1 else ()
    return {
        "siblings": [named(client, sibling) | {"value": shown(sibling, now_ms)}
                     for sibling in concurrent],
        "losers": [named(client, loser) | {"value": None if loser.tombstone else loser.value}
                   for loser in losers_of(client, args[1])],
    }


def losers_of(client, key):
    """Nothing loses unseen on a node without others: there are no concurrent plain writes."""
    replicator = client.node.replicator
    if replicator is None or replicator.coordinator.journal is None:
        return []
    return replicator.coordinator.journal.of(stored_key(client.keyspace.database, key))
