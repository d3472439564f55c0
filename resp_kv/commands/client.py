"""CLIENT: what a connection knows of itself, and what an operator may do to others.

The lines of LIST and INFO have Redis's fields in Redis's order, because monitoring tools cut them
apart; what does not exist here (subscriptions, tracking) is shown as none. The rows that act on
other clients are in client_control.py.
"""

from functools import partial

from resp_kv.commands.connection import check_attribute
from resp_kv.commands.parsing import integer
from resp_kv.commands.table import arg, command, container
from resp_kv.errors import CommandError, SyntaxFault
from resp_kv.resp.values import NO_REPLY, OK, Verbatim

container("client", group="connection", since="2.4.0", complexity="Depends on subcommand.",
          acl_categories=("@slow",), summary="Commands about client connections.")

own_command = partial(command, group="connection", flags="noscript loading stale",
                      acl_categories=("@slow", "@connection"))
TYPES = {b"normal": "normal", b"slave": "replica", b"replica": "replica", b"pubsub": "pubsub",
         b"master": "master"}
TYPE_ARGUMENTS = [
    arg("normal", "pure-token", "NORMAL"),
    arg("master", "pure-token", "MASTER", since="3.2.0"),
    arg("replica", "pure-token", "REPLICA", since="5.0.0"),
    arg("pubsub", "pure-token", "PUBSUB"),
]
ON_OFF = arg("enabled", "oneof",
             args=[arg("on", "pure-token", "ON"), arg("off", "pure-token", "OFF")])
NO_TRACKING = (
    "ERR CLIENT TRACKING is not supported by resp-kv: no invalidation messages would be sent, "
    "so a client-side cache must rely on short lifetimes"
)


@own_command("client|id", arity=2, since="5.0.0",
             summary="The number of this connection; it only grows and is never reused.")
def client_id(client, args):
    return client.id


@own_command("client|getname", arity=2, since="2.6.9", summary="The name given with SETNAME.")
def getname(client, args):
    return client.name or None


@own_command("client|setname", arity=3, since="2.6.9", args=[arg("connection-name", "string")],
             tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
             summary="Names this connection; an empty name takes the name away.")
def setname(client, args):
    check_attribute("Client names", args[2])
    client.name = args[2]
    return OK


@own_command(
    "client|setinfo", arity=4, since="7.2.0",
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
    args=[arg("attr", "oneof", args=[arg("libname", "string", "LIB-NAME"),
                                     arg("libver", "string", "LIB-VER")])],
    summary="Notes which client library is used, and its version.",
)
def setinfo(client, args):
    attribute = args[2].lower()
    shown = args[2].decode("utf-8", "surrogateescape")
    if attribute not in (b"lib-name", b"lib-ver"):
        raise CommandError(f"ERR Unrecognized option '{shown}'")
    check_attribute(shown, args[3])
    setattr(client, attribute.decode().replace("-", "_"), args[3])
    return OK


@own_command("client|info", arity=2, since="6.2.0", tips=("nondeterministic_output",),
             summary="The line of CLIENT LIST that is about this connection.")
def client_info(client, args):
    return Verbatim(line_of(client) + b"\n")


@command(
    "client|list", arity=-2, flags="admin noscript loading stale", group="connection",
    since="2.4.0", complexity="O(N) where N is the number of client connections",
    tips=("nondeterministic_output",),
    acl_categories=("@admin", "@slow", "@dangerous", "@connection"),
    history=(
        ("2.8.12", "`id`"), ("5.0.0", "TYPE"), ("6.0.0", "`user`"),
        ("6.2.0", "`argv-mem`, `tot-mem`, `laddr`, `redir`; ID"),
        ("7.0.0", "`resp`, `multi-mem`, `rbs`, `rbp`"), ("7.0.3", "`ssub`"),
        ("7.2.0", "`lib-name`, `lib-ver`"),
    ),
    args=[
        arg("client-type", "oneof", "TYPE", flags=["optional"], since="5.0.0",
            args=TYPE_ARGUMENTS),
        arg("client-id", "integer", "ID", flags=["optional", "multiple"], since="6.2.0"),
    ],
    summary="One line about each connection, or about those asked for.",
)
def client_list(client, args):
    return Verbatim(b"".join(line_of(other) + b"\n" for other in listed(client, args)))


def listed(client, args):
    clients = client.node.clients
    option = args[2].upper() if len(args) > 2 else None
    if option is None:
        return list(clients.values())
    if option == b"TYPE" and len(args) == 4:
        return list(clients.values()) if type_given(args[3]) == "normal" else []
    if option == b"ID" and len(args) > 3:
        wanted = [integer(word, "ERR Invalid client ID") for word in args[3:]]
        return [clients[number] for number in wanted if number in clients]
    raise SyntaxFault()


def type_given(word):
    """Every client here is of type "normal"."""
    try:
        return TYPES[word.lower()]
    except KeyError:
        shown = word.decode("utf-8", "surrogateescape")
        raise CommandError(f"ERR Unknown client type '{shown}'") from None


def line_of(client):
    node = client.node
    queued = len(client.transaction.queued) if client.transaction is not None else -1
    waiting_bytes = client.query_buffer_bytes + client.output_bytes + client.multi_bytes
    fields = (
        ("id", client.id), ("addr", client.addr), ("laddr", client.laddr), ("fd", client.fd),
        ("name", client.name), ("age", max(0, node.now_ms - client.created_ms) // 1000),
        ("idle", max(0, node.now_ms - client.last_used_ms) // 1000), ("flags", marks(client)),
        ("db", client.db), ("sub", 0), ("psub", 0), ("ssub", 0), ("multi", queued),
        ("qbuf", client.query_buffer_bytes),
        ("qbuf-free", client.query_buffer_capacity - client.query_buffer_bytes),
        ("argv-mem", 0), ("multi-mem", client.multi_bytes), ("rbs", client.output_capacity),
        ("rbp", client.output_bytes), ("obl", client.output_bytes), ("oll", 0), ("omem", 0),
        ("tot-mem", waiting_bytes), ("events", "rw" if client.output_bytes else "r"),
        ("cmd", client.last_command or "NULL"), ("user", client.user), ("redir", -1),
        ("resp", client.resp), ("lib-name", client.lib_name), ("lib-ver", client.lib_ver),
    )
    return b" ".join(name.encode() + b"=" + as_bytes(value) for name, value in fields)


def as_bytes(value):
    return value if isinstance(value, bytes) else str(value).encode()


def marks(client):
    """Redis's letters for the state of a connection."""
    transaction = client.transaction
    letters = "".join(letter for letter, holds in (
        ("x", transaction is not None), ("b", client.blocked),
        ("r", client.readonly), ("e", client.no_evict), ("T", client.no_touch),
        ("U", client.addr.endswith(":0")),
    ) if holds)
    return letters or "N"


@own_command(
    "client|reply", arity=3, since="3.2.0",
    args=[arg("action", "oneof", args=[arg(name.lower(), "pure-token", name)
                                       for name in ("ON", "OFF", "SKIP")])],
    summary="Whether this connection gets replies: ON, OFF, or not for the next command (SKIP).",
)
def reply(client, args):
    mode = args[2].lower()
    if mode == b"on":
        client.reply_mode = "on"
        return OK
    if mode == b"off":
        client.reply_mode = "off"
    elif mode == b"skip":
        if client.reply_mode != "off":
            client.reply_mode = "skip"
    else:
        raise SyntaxFault()
    return NO_REPLY


@command("client|no-evict", arity=3, flags="admin noscript loading stale", group="connection",
         since="7.0.0", acl_categories=("@admin", "@slow", "@dangerous", "@connection"),
         args=[ON_OFF], summary="Marks this connection as one that is not to be evicted.")
def no_evict(client, args):
    client.no_evict = on_off(args[2])
    return OK


@own_command("client|no-touch", arity=3, since="7.2.0", args=[ON_OFF],
             summary="Whether this connection's reads leave the access time of keys alone.")
def no_touch(client, args):
    client.no_touch = on_off(args[2])
    return OK


def on_off(word):
    try:
        return {b"on": True, b"off": False}[word.lower()]
    except KeyError:
        raise SyntaxFault() from None


@own_command("client|getredir", arity=2, since="6.0.0",
             summary="Where invalidation messages go: -1, since tracking is off.")
def getredir(client, args):
    return -1


@own_command("client|trackinginfo", arity=2, since="6.2.0",
             summary="The state of client-side caching of this connection: off.")
def trackinginfo(client, args):
    return {"flags": {b"off"}, "redirect": -1, "prefixes": []}


@own_command(
    "client|caching", arity=3, since="6.0.0",
    args=[arg("mode", "oneof", args=[arg("yes", "pure-token", "YES"),
                                     arg("no", "pure-token", "NO")])],
    summary="Part of client-side caching, which is not offered.",
)
def caching(client, args):
    raise CommandError(
        "ERR CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or "
        "OPTOUT mode enabled")


@own_command(
    "client|tracking", arity=-3, since="6.0.0",
    complexity="O(1). Some options may introduce additional complexity.",
    args=[
        arg("status", "oneof", args=[arg("on", "pure-token", "ON"),
                                     arg("off", "pure-token", "OFF")]),
        arg("client-id", "integer", "REDIRECT", flags=["optional"]),
        arg("prefix", "string", "PREFIX", flags=["optional", "multiple", "multiple_token"]),
        *(arg(name.lower(), "pure-token", name, flags=["optional"])
          for name in ("BCAST", "OPTIN", "OPTOUT", "NOLOOP")),
    ],
    summary="Client-side caching: not offered, only OFF is accepted.",
)
def tracking(client, args):
    if on_off(args[2]):
        raise CommandError(NO_TRACKING)
    return OK
