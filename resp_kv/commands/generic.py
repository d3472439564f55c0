"""Commands on keys, whatever their values are.

Everything is a string for now, so TYPE has one answer and WRONGTYPE cannot occur. Deletes are
tombstones; a handler that counts what it deletes looks at all keys first and deletes then, because
it may be run again from the start when a look needs the disk.
"""

from functools import partial

from resp_kv.commands import parsing
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError, SyntaxFault
from resp_kv.resp.values import OK, Simple

key_command = partial(command, group="generic")

KEY = arg("key", "key", key_spec=0)
KEYS = arg("key", "key", key_spec=0, flags=["multiple"])
SUM_TIPS = ("request_policy:multi_shard", "response_policy:agg_sum")
NO_SUCH_KEY = "ERR no such key"
SAME_OBJECT = "ERR source and destination objects are the same"
PER_KEY = "O(N), N the number of keys"


def _delete(client, args):
    keys = list(dict.fromkeys(args[1:]))
    client.keyspace.need(keys)
    live = [key for key in keys if client.keyspace.exists(key)]
    for key in live:
        client.keyspace.delete(key)
    return len(live)


key_command(
    "del", arity=-2, flags="write", keys=(1, -1, 1), args=[KEYS], tips=SUM_TIPS,
    acl_categories=("@keyspace", "@write", "@slow"), complexity=PER_KEY,
    summary="Deletes keys and tells how many there were.",
)(_delete)
key_command(
    "unlink", arity=-2, flags="write fast", keys=(1, -1, 1), since="4.0.0", args=[KEYS],
    tips=SUM_TIPS, acl_categories=("@keyspace", "@write", "@fast"), complexity=PER_KEY,
    summary="Deletes keys; here the same as DEL, since no delete waits for memory to be freed.",
)(_delete)


def _count(client, args):
    keys = args[1:]
    client.keyspace.need(keys)
    return sum([client.keyspace.exists(key) for key in keys])


COUNTING = dict(arity=-2, flags="readonly fast", keys=(1, -1, 1), args=[KEYS], tips=SUM_TIPS,
                acl_categories=("@keyspace", "@read", "@fast"), complexity=PER_KEY)
key_command(
    "exists", history=(("3.0.3", "several keys"),),
    summary="Counts how many of the keys exist; one named twice counts twice.", **COUNTING,
)(_count)
key_command(
    "touch", since="3.2.1",
    summary="Counts how many of the keys exist; no time of last use is kept here.", **COUNTING,
)(_count)


@key_command(
    "type", arity=2, flags="readonly fast", keys=(1, 1, 1), args=[KEY],
    acl_categories=("@keyspace", "@read", "@fast"),
    summary="Names the type of the value of a key.",
)
def type_(client, args):
    return Simple("string" if client.keyspace.exists(args[1]) else "none")


class CopyOptions:
    __slots__ = ("replace", "database")

    def __init__(self, client, words):
        self.replace, self.database = False, client.db
        words = iter(words)
        for word in words:
            token = word.upper()
            if token == b"REPLACE":
                self.replace = True
                continue
            index = next(words, None)
            if token != b"DB" or index is None:
                raise SyntaxFault()
            self.database = parsing.database_index(client, index)


@key_command(
    "copy", arity=-3, flags="write denyoom", keys=(1, 2, 1), since="6.2.0",
    acl_categories=("@keyspace", "@write", "@slow"),
    summary="Copies the value and the deadline of a key to another key.",
    args=[
        arg("source", "key", key_spec=0), arg("destination", "key", key_spec=1),
        arg("destination-db", "integer", "DB", flags=["optional"]),
        arg("replace", "pure-token", "REPLACE", flags=["optional"]),
    ],
)
def copy(client, args):
    source, target = args[1], args[2]
    options = CopyOptions(client, args[3:])
    if source == target and options.database == client.db:
        raise CommandError(SAME_OBJECT)
    record = client.keyspace.get(source)
    if record is None:
        return 0
    keyspace = client.node.keyspaces[options.database]
    if not options.replace and keyspace.exists(target):
        return 0
    keyspace.put(target, record.value, record.deadline_ms)
    return 1


RENAMING = dict(arity=3, keys=(1, 2, 1), args=[KEY, arg("newkey", "key", key_spec=1)])


def _rename(client, source, target, *, unless_exists):
    """Whether it was done."""
    client.keyspace.need([source, target])
    record = client.keyspace.get(source)
    if record is None:
        raise CommandError(NO_SUCH_KEY)
    if source == target:
        return not unless_exists
    if unless_exists and client.keyspace.exists(target):
        return False
    client.keyspace.put(target, record.value, record.deadline_ms)
    client.keyspace.delete(source)
    return True


@key_command(
    "rename", flags="write", acl_categories=("@keyspace", "@write", "@slow"),
    summary="Renames a key; a key of the new name is replaced.", **RENAMING,
)
def rename(client, args):
    _rename(client, args[1], args[2], unless_exists=False)
    return OK


@key_command(
    "renamenx", flags="write fast", acl_categories=("@keyspace", "@write", "@fast"),
    history=(("3.2.0", "the same name twice is no error"),),
    summary="Renames a key unless the new name is taken.", **RENAMING,
)
def renamenx(client, args):
    return int(_rename(client, args[1], args[2], unless_exists=True))


@key_command(
    "move", arity=3, flags="write fast", keys=(1, 1, 1), args=[KEY, arg("db", "integer")],
    acl_categories=("@keyspace", "@write", "@fast"),
    summary="Moves a key to another database, unless it exists there.",
)
def move(client, args):
    index = parsing.database_index(client, args[2])
    if index == client.db:
        raise CommandError(SAME_OBJECT)
    record = client.keyspace.get(args[1])
    target = client.node.keyspaces[index]
    if record is None or target.exists(args[1]):
        return 0
    target.put(args[1], record.value, record.deadline_ms)
    client.keyspace.delete(args[1])
    return 1
