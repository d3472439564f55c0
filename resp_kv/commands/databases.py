"""Commands on whole databases: FLUSHDB, FLUSHALL, SWAPDB.

A flush is one record in the log that covers everything older, so it takes the same time for any
number of keys, and ASYNC and SYNC mean the same.
"""

from functools import partial

from resp_kv.commands import parsing
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError, SyntaxFault
from resp_kv.resp.values import OK

database_command = partial(command, group="server")

FLUSHING = dict(
    arity=-1, flags="write", since="1.0.0",
    acl_categories=("@keyspace", "@write", "@slow", "@dangerous"),
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
    history=(("4.0.0", "ASYNC"), ("6.2.0", "SYNC")),
    args=[arg("flush-type", "oneof", flags=["optional"], args=[
        arg("async", "pure-token", "ASYNC", since="4.0.0"),
        arg("sync", "pure-token", "SYNC", since="6.2.0")])],
)


def _check_flush_type(args):
    if len(args) > 2 or (len(args) == 2 and args[1].upper() not in (b"ASYNC", b"SYNC")):
        raise SyntaxFault()


@database_command("flushdb", summary="Deletes every key of the selected database.", **FLUSHING)
def flushdb(client, args):
    _check_flush_type(args)
    client.keyspace.flush()
    return OK


@database_command("flushall", summary="Deletes every key of every database.", **FLUSHING)
def flushall(client, args):
    _check_flush_type(args)
    for keyspace in client.node.keyspaces:
        keyspace.flush()
    return OK


@database_command(
    "swapdb", arity=3, flags="write fast", since="4.0.0",
    acl_categories=("@keyspace", "@write", "@fast", "@dangerous"),
    args=[arg("index1", "integer"), arg("index2", "integer")],
    summary="Exchanges two databases: clients of the one see the keys of the other.",
)
def swapdb(client, args):
    first = parsing.small_integer(args[1], "ERR invalid first DB index")
    second = parsing.small_integer(args[2], "ERR invalid second DB index")
    count = len(client.node.keyspaces)
    if not (0 <= first < count and 0 <= second < count):
        raise CommandError("ERR DB index is out of range")
    if first != second:
        client.node.swap_databases(first, second)
    return OK
