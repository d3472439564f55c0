"""The life of the server: TIME, LOLWUT, SHUTDOWN, and what Redis calls saving.

Every acknowledged write is in the log already, so nothing here makes data safe that was not.
SAVE and BGSAVE move what is in memory to tables and then make a checkpoint, a consistent copy of
hard links that can be backed up; BGREWRITEAOF only does the first, which shortens the log and the
next start.
"""

from functools import partial

from resp_kv import REDIS_VERSION
from resp_kv.commands.parsing import integer
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError, SyntaxFault
from resp_kv.resp.values import NO_REPLY, OK, Simple, Verbatim

TOKEN_POLL_MS = 5

server_command = partial(command, group="server")
admin_command = partial(server_command, acl_categories=("@admin", "@slow", "@dangerous"))

RING = r"""
          .  - o -  .
       o               .         every key has a place on the ring,
     .     0 ... 16383   o       and the next nodes clockwise keep it
       .               .
          .  - o -  .
"""


@server_command("time", arity=1, flags="loading stale fast", since="2.6.0",
                acl_categories=("@fast",), tips=("nondeterministic_output",),
                summary="Seconds since 1970, and the microseconds of the current second.")
def time(client, args):
    seconds, microseconds = divmod(client.node.wall_ns() // 1000, 1_000_000)
    return [str(seconds), str(microseconds)]


@server_command("lolwut", arity=-1, flags="readonly fast", since="5.0.0", complexity="",
                acl_categories=("@read", "@fast"),
                args=[arg("version", "integer", "VERSION", flags=["optional"])],
                summary="A picture, and the version.")
def lolwut(client, args):
    if len(args) >= 3 and args[1].upper() == b"VERSION":
        integer(args[2])
    return Verbatim(f"{RING}\nRedis ver. {REDIS_VERSION} (resp-kv {client.node.version})\n")


@admin_command(
    "shutdown", arity=-1, flags="admin noscript loading stale no_multi allow_busy",
    complexity="O(N) when saving, where N is the total number of keys in all databases when saving "
               "data, otherwise O(1)",
    history=(("7.0.0", "NOW, FORCE and ABORT."),),
    args=[
        arg("save-selector", "oneof", flags=["optional"], args=[
            arg("nosave", "pure-token", "NOSAVE"), arg("save", "pure-token", "SAVE")]),
        arg("now", "pure-token", "NOW", flags=["optional"], since="7.0.0"),
        arg("force", "pure-token", "FORCE", flags=["optional"], since="7.0.0"),
        arg("abort", "pure-token", "ABORT", flags=["optional"], since="7.0.0"),
    ],
    summary="Stops the server; NOSAVE leaves what is in memory to the log.",
)
def shutdown(client, args):
    words = {word.upper() for word in args[1:]}
    if words - {b"SAVE", b"NOSAVE", b"NOW", b"FORCE", b"ABORT"}:
        raise SyntaxFault()
    if {b"SAVE", b"NOSAVE"} <= words or (b"ABORT" in words and len(words) > 1):
        raise SyntaxFault()
    save = True if b"SAVE" in words else False if b"NOSAVE" in words else None
    abort = b"ABORT" in words
    stopped = client.node.host.shutdown(save, b"NOW" in words, b"FORCE" in words, abort)
    if not abort:
        return NO_REPLY                     # as in Redis: the closed connection is the answer
    if not stopped:
        raise CommandError("ERR No shutdown in progress.")
    return OK


@admin_command(
    "save", arity=1, flags="admin noscript no_async_loading no_multi",
    complexity="O(N) where N is the total number of keys in all databases",
    summary="Flushes memory to tables and makes a checkpoint; answers when that is done.",
)
def save(client, args):
    token = client.node.host.save()
    while not token.done:
        yield TOKEN_POLL_MS
    if token.error:
        raise CommandError(f"ERR saving failed: {token.error}")
    return OK


@admin_command(
    "bgsave", arity=-1, flags="admin noscript no_async_loading",
    history=(("3.2.2", "SCHEDULE."),),
    args=[arg("schedule", "pure-token", "SCHEDULE", flags=["optional"], since="3.2.2")],
    summary="Starts a flush of memory to tables and then a checkpoint.",
)
def bgsave(client, args):
    if len(args) > 1 and (len(args) > 2 or args[1].upper() != b"SCHEDULE"):
        raise SyntaxFault()
    if not client.node.host.saving:
        client.node.host.save()
        return Simple("Background saving started")
    if len(args) == 2:
        return Simple("Background saving scheduled")
    raise CommandError("ERR Background save already in progress")


@admin_command("bgrewriteaof", arity=1, flags="admin noscript no_async_loading",
               summary="Shortens the log: what is in memory goes to tables.")
def bgrewriteaof(client, args):
    if not client.node.host.flush():
        raise CommandError(
            "ERR Background append only file rewriting already in progress")
    return Simple("Background append only file rewriting started")


@server_command("lastsave", arity=1, flags="loading stale fast",
                acl_categories=("@admin", "@fast", "@dangerous"),
                tips=("nondeterministic_output",),
                summary="When everything was last moved to tables, in Unix seconds.")
def lastsave(client, args):
    return client.node.host.last_save_ms // 1000
