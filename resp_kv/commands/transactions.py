"""MULTI, EXEC, DISCARD, WATCH, UNWATCH.

The dispatcher queues; EXEC runs. EXEC keeps two promises: nothing of other clients runs between its
commands, and it is never half-run. So all that may have to wait is done before the first command:
the watched dots are compared and every key of every queued command is brought into memory with one
request. Only then do the commands run, with reads made synchronous: what the first round did not
foresee is read on the spot.

WATCH notes the dot of each key (the name of its last write, with its annotation and whether it has
expired). EXEC compares: no other client ever has to look at who watches what.
"""

import logging
from functools import partial

from cluster.errors import NeedsDisk
from cluster.slots import slot_of
from resp_kv.commands.parsing import integer_or_none
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError
from resp_kv.resp.values import NO_REPLY, NULL_ARRAY, OK

log = logging.getLogger("resp_kv.transactions")

transaction_command = partial(command, group="transactions")

ARGUMENT_OVERHEAD_BYTES = 48


class Transaction:
    """`queued`: [(row, args), ...]. `broken`: a command could not be queued, EXEC must refuse.

    `bytes` is the memory of the queue, about; client-query-buffer-limit is its maximum.
    """

    __slots__ = ("queued", "broken", "bytes")

    def __init__(self):
        self.queued = []
        self.broken = False
        self.bytes = 0

    @property
    def writes(self):
        """Whether any queued command may write."""
        return any(row.is_write for row, _ in self.queued)

    def queue(self, client, row, args):
        """One command more. Raises CommandError; over the limit the connection closes as well."""
        if row.no_multi:
            row.rejected_calls += 1
            raise CommandError("ERR Command not allowed inside a transaction")
        if row.demand is not None and row.demand(args).named:
            raise CommandError("ERR LEVEL, R, W and TIMEOUT are not possible inside a transaction: it "
                               "has the levels of its connection (KV.CONSISTENCY)")
        self.queued.append((row, args))
        self.bytes += sum(map(len, args)) + ARGUMENT_OVERHEAD_BYTES * len(args)
        if self.bytes > client.node.traffic.query_bytes_max:
            client.close_after_reply()
            raise CommandError("ERR the queued commands reach the client query buffer limit "
                               "(directive client-query-buffer-limit), closing the connection")


@transaction_command(
    "multi", arity=1, flags="noscript loading stale fast allow_busy", since="1.2.0",
    acl_categories=("@fast", "@transaction"),
    summary="Starts a transaction: the commands that follow are queued until EXEC.",
)
def multi(client, args):
    if client.transaction is not None:
        raise CommandError("ERR MULTI calls can not be nested")
    client.transaction = Transaction()
    return OK


@transaction_command(
    "discard", arity=1, flags="noscript loading stale fast allow_busy", since="2.0.0",
    complexity="O(N), when N is the number of queued commands",
    acl_categories=("@fast", "@transaction"),
    summary="Drops the queued commands and forgets the watched keys.",
)
def discard(client, args):
    if client.transaction is None:
        raise CommandError("ERR DISCARD without MULTI")
    end(client)
    return OK


@transaction_command(
    "watch", arity=-2, flags="noscript loading stale fast allow_busy", keys=(1, -1, 1),
    since="2.2.0", complexity="O(1) for every key.",
    acl_categories=("@fast", "@transaction"),
    args=[arg("key", "key", key_spec=0, flags=["multiple"])],
    summary="Makes the next EXEC do nothing if one of these keys changes before it.",
)
def watch(client, args):
    if client.transaction is not None:
        raise CommandError("ERR WATCH inside MULTI is not allowed")
    keyspace = client.keyspace
    keyspace.need(args[1:])
    seen = {(client.db, key): keyspace.dot(key) for key in args[1:]}
    client.watched = seen | client.watched       # the first look at a key is the one that counts
    return OK


@transaction_command(
    "unwatch", arity=1, flags="noscript loading stale fast allow_busy", since="2.2.0",
    acl_categories=("@fast", "@transaction"),
    summary="Forgets the watched keys.",
)
def unwatch(client, args):
    client.watched = {}
    return OK


@transaction_command(
    "exec", arity=1, flags="noscript loading stale skip_slowlog", since="1.2.0",
    complexity="Depends on commands in the transaction",
    acl_categories=("@slow", "@transaction"),
    summary="Runs the queued commands, with nothing of other clients in between.",
)
def execute(client, args):
    transaction = client.transaction
    if transaction is None:
        raise CommandError("ERR EXEC without MULTI")
    if transaction.broken:
        end(client)
        raise CommandError("EXECABORT Transaction discarded because of previous errors.")
    if not unchanged(client):
        end(client)
        return NULL_ARRAY
    if client.node.cluster_enabled and not in_one_slot(transaction.queued):
        end(client)
        raise CommandError("CROSSSLOT Keys in request don't hash to the same slot")
    preload(client, transaction.queued)
    end(client)
    return run(client, transaction.queued)


def end(client):
    client.transaction = None
    client.watched = {}


def unchanged(client):
    """Whether every watched key still is as WATCH saw it. May raise NeedsDisk."""
    keyspaces = client.node.keyspaces
    for db, keys in by_database(client.watched).items():
        keyspaces[db].need(keys)
    return all(keyspaces[db].dot(key) == dot for (db, key), dot in client.watched.items())


def in_one_slot(queued):
    """In a cluster only one slot's keys are together, so only they can change as one."""
    return len({slot_of(key) for row, args in queued for key in row.keys_of(args)}) <= 1


def preload(client, queued):
    """Ask for everything that the queued commands are known to read, at once."""
    databases = client.node.keyspaces
    pairs, counted, db = [], [], client.db
    for row, args in queued:
        if row.name == "select":
            index = integer_or_none(args[1])
            db = index if index is not None and 0 <= index < len(databases) else db
        elif row.name == "dbsize":
            counted.append(db)
        else:
            pairs += [(db, key) for key in row.keys_of(args)]
    missing = False
    for db, keys in by_database(pairs).items():
        missing |= waits(databases[db].need, keys)
    for db in counted:
        missing |= waits(databases[db].size)
    if missing:
        raise NeedsDisk


def by_database(pairs):
    grouped = {}
    for db, key in pairs:
        grouped.setdefault(db, []).append(key)
    return grouped


def waits(ask, *arguments):
    """Whether the answer has to be fetched first; then it has been asked for."""
    try:
        ask(*arguments)
    except NeedsDisk:
        return True
    return False


def run(client, queued):
    keyspace = client.keyspace
    before = keyspace.synchronous
    keyspace.synchronous = True
    try:
        return [run_one(client, row, args) for row, args in queued]
    finally:
        keyspace.synchronous = before


def run_one(client, row, args):
    """The reply of one command, an error included: whatever happens, the next ones follow."""
    try:
        reply = client.call(row, args)
        return OK if reply is NO_REPLY else reply       # the array must have one reply for each
    except Exception:
        log.exception("command %s failed inside EXEC", row.name)
        return CommandError(
            f"ERR internal error while running '{row.name}', see the server's log")
