"""DEBUG: facts about one key, errors on demand; what stops or harms the server is refused."""

from resp_kv.commands.help import wrong_subcommand
from resp_kv.commands.objects import HLC_LOGICAL_BITS, encoding
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError
from resp_kv.resp.values import Simple

REFUSED = {
    b"SLEEP": "it would stop every client; CLIENT PAUSE holds commands back without that",
    b"JMAP": "there is no heap dump to write",
    b"RELOAD": "a restart reads the data anew",
    b"LOADAOF": "a restart reads the log anew",
    b"FLUSHALL": "FLUSHALL deletes everything",
    b"POPULATE": "redis-benchmark -t set -r fills a server",
    **dict.fromkeys(
        (b"ASSERT", b"CRASH-AND-RECOVER", b"LEAK", b"OOM", b"PANIC", b"RESTART", b"SEGFAULT"),
        "it would crash or harm the server"),
}
HELP = """\
DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:
ERROR <text>
    Reply with the error <text>: what clients do about it can be tested so.
OBJECT <key>
    Facts about the record of <key>.
HELP
    This text. Every other subcommand is refused."""


@command(
    "debug", arity=-2, flags="admin noscript loading stale", group="server",
    complexity="Depends on subcommand.", acl_categories=("@admin", "@slow", "@dangerous"),
    doc_flags=("syscmd",),
    args=[arg("subcommand", "string"), arg("argument", "string", flags=["optional", "multiple"])],
    summary="Facts about a key, for debugging.",
)
def debug(client, args):
    name = args[1].upper()
    if name == b"HELP" and len(args) == 2:
        return [Simple(line) for line in HELP.splitlines()]
    if name == b"ERROR" and len(args) == 3:
        raise CommandError(args[2].decode("utf-8", "surrogateescape"))
    if name == b"OBJECT" and len(args) == 3:
        return debug_object(client, args)
    if name in REFUSED:
        raise CommandError(f"ERR DEBUG {name.decode()} is refused by resp-kv: {REFUSED[name]}")
    raise wrong_subcommand(args)


def debug_object(client, args):
    record = client.keyspace.get(args[2])
    if record is None:
        raise CommandError("ERR no such key")
    written_ms = record.hlc >> HLC_LOGICAL_BITS
    idle_s = max(client.node.now_ms - written_ms, 0) // 1000
    return Simple(
        f"Value at:0x0 refcount:1 encoding:{encoding(client, args).decode()} "
        f"serializedlength:{len(record.value)} lru:{written_ms // 1000 & 0xFFFFFF} "
        f"lru_seconds_idle:{idle_s} hlc:{record.hlc} actor:{record.actor}")
