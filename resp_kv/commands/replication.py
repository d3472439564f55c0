"""What Redis says of its replicas, said by a node that has none: WAIT, WAITAOF, ROLE, REPLICAOF.

There is no master and no replica here, and no replication stream to attach to: copies will be kept
by the cluster itself, and how many must have a write before its OK is chosen per request.
"""

from functools import partial

from resp_kv.commands.client_control import timeout_ms
from resp_kv.commands.parsing import integer
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError, SyntaxFault
from resp_kv.resp.values import OK

SYNC_POLL_MS = 1

wait_command = partial(command, group="generic", flags="blocking",
                       acl_categories=("@slow", "@blocking", "@connection"))
admin_command = partial(command, group="server", acl_categories=("@admin", "@slow", "@dangerous"))
NO_STREAM = (
    "ERR {} is not supported by resp-kv: a node follows no other one; to copy data, run the other "
    "server and move the keys with DUMP and RESTORE"
)
TARGET = [arg("args", "oneof", args=[
    arg("host-port", "block", args=[arg("host", "string"), arg("port", "integer")]),
    arg("no-one", "block", args=[arg("no", "pure-token", "NO"), arg("one", "pure-token", "ONE")]),
])]


@wait_command(
    "wait", arity=3, since="3.0.0",
    tips=("request_policy:all_shards", "response_policy:agg_min"),
    args=[arg("numreplicas", "integer"), arg("timeout", "integer")],
    summary="How many replicas have this connection's writes: none, and it does not wait for any.",
)
def wait(client, args):
    integer(args[1])
    timeout_ms(client, args[2])
    return 0


@wait_command(
    "waitaof", arity=4, since="7.2.0",
    tips=("request_policy:all_shards", "response_policy:agg_min"),
    args=[arg("numlocal", "integer"), arg("numreplicas", "integer"), arg("timeout", "integer")],
    summary="Waits until this connection's writes are fsynced here; replicas there are none.",
)
def waitaof(client, args):
    local = integer(args[1])
    if not 0 <= local <= 1:
        raise CommandError("ERR value is out of range, value must between 0 and 1")
    if integer(args[2]) < 0:
        raise CommandError("ERR value is out of range, must be positive")
    wait_ms = timeout_ms(client, args[3])
    if local == 0 or client.keyspace.synchronous:       # inside EXEC nothing waits
        return [0, 0]
    give_up_ms = client.node.now_ms + wait_ms if wait_ms else None
    token = client.node.host.sync()
    while not token.done and (give_up_ms is None or client.node.now_ms < give_up_ms):
        yield SYNC_POLL_MS
    if token.error:
        raise CommandError(f"ERR the log could not be fsynced: {token.error}")
    return [int(token.done), 0]


@command("role", arity=1, flags="noscript loading stale fast", group="server", since="2.8.12",
         acl_categories=("@admin", "@fast", "@dangerous"),
         summary="The role in Redis's replication: a master without replicas.")
def role(client, args):
    return ["master", 0, []]


def follow(name, since, **documentation):
    @admin_command(name, arity=3, flags="admin noscript stale no_async_loading", since=since,
                   args=TARGET, summary="Only NO ONE is accepted, which changes nothing.",
                   **documentation)
    def replicaof(client, args):
        if (args[1].upper(), args[2].upper()) != (b"NO", b"ONE"):
            raise CommandError(NO_STREAM.format(name.upper()))
        return OK


follow("replicaof", "5.0.0")
follow("slaveof", "1.0.0", deprecated_since="5.0.0", replaced_by="`REPLICAOF`",
       doc_flags=("deprecated",))


@admin_command(
    "failover", arity=-1, flags="admin noscript stale", since="6.2.0",
    args=[
        arg("target", "block", "TO", flags=["optional"], args=[
            arg("host", "string"), arg("port", "integer"),
            arg("force", "pure-token", "FORCE", flags=["optional"])]),
        arg("abort", "pure-token", "ABORT", flags=["optional"]),
        arg("milliseconds", "integer", "TIMEOUT", flags=["optional"]),
    ],
    summary="Hands over to a replica; there are none.",
)
def failover(client, args):
    words = [word.upper() for word in args[1:]]
    if words == [b"ABORT"]:
        raise CommandError("ERR No failover in progress.")
    if words and words[0] not in (b"TO", b"TIMEOUT", b"FORCE"):
        raise SyntaxFault()
    raise CommandError("ERR FAILOVER requires connected replicas.")
