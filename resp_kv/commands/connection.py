"""PING, ECHO, HELLO, AUTH, SELECT, QUIT, RESET: the state of one connection.

There is one user, "default"; its password is `requirepass`, and without one everybody is in.
HELLO's `server` stays "redis" and its `version` is the Redis version whose behaviour is offered:
clients choose features by both. What really answers stands beside them, in `resp_kv_version`.
"""

import hmac
from functools import partial

from resp_kv import REDIS_VERSION
from resp_kv.commands.consistency import follow_defaults
from resp_kv.commands.parsing import database_index, integer_or_none
from resp_kv.commands.table import arg, command
from resp_kv.commands.transactions import end
from resp_kv.errors import CommandError, SyntaxFault
from resp_kv.resp.values import OK, Simple

connection_command = partial(command, group="connection",
                             acl_categories=("@fast", "@connection"))

DEFAULT_USER = b"default"
WRONG_PASSWORD = "WRONGPASS invalid username-password pair or user is disabled."
LOGIN_FIRST = (
    "NOAUTH HELLO must be called with the client already authenticated, otherwise the HELLO "
    "<proto> AUTH <user> <pass> option can be used to authenticate the client and select the RESP "
    "protocol version at the same time"
)


@connection_command(
    "ping", arity=-1, flags="fast",
    tips=("request_policy:all_shards", "response_policy:all_succeeded"),
    args=[arg("message", "string", flags=["optional"])],
    summary="Answers PONG, or the message it was given.",
)
def ping(client, args):
    if len(args) > 2:
        raise CommandError("ERR wrong number of arguments for 'ping' command")
    return args[1] if len(args) == 2 else Simple("PONG")


@connection_command(
    "echo", arity=2, flags="loading stale fast", args=[arg("message", "string")],
    summary="Gives back the message.",
)
def echo(client, args):
    return args[1]


@connection_command(
    "select", arity=2, flags="loading stale fast", args=[arg("index", "integer")],
    summary="Switches this connection to another logical database.",
)
def select(client, args):
    client.select(database_index(client, args[1]))
    return OK


@connection_command(
    "quit", arity=-1, flags="noscript loading stale fast no_auth allow_busy",
    deprecated_since="7.2.0", replaced_by="just closing the connection",
    doc_flags=("deprecated",),
    summary="Closes the connection after the reply.",
)
def quit_connection(client, args):
    client.close_after_reply()
    return OK


@connection_command(
    "reset", arity=1, flags="noscript loading stale fast no_auth allow_busy", since="6.2.0",
    summary="Puts the connection back into the state it had when it was opened.",
)
def reset(client, args):
    end(client)
    client.select(0)
    client.resp = 2
    client.name = b""
    client.reply_mode = "on"
    client.no_evict = client.no_touch = client.readonly = client.asking = False
    client.authenticated = not password(client)
    follow_defaults(client)
    return Simple("RESET")


@connection_command(
    "auth", arity=-2, flags="noscript loading stale fast no_auth allow_busy",
    complexity="O(N) where N is the number of passwords defined for the user",
    history=(("6.0.0", "A user name before the password."),),
    args=[arg("username", "string", flags=["optional"], since="6.0.0"),
          arg("password", "string")],
    summary="Logs this connection in.",
)
def auth(client, args):
    if len(args) > 3:
        raise SyntaxFault()
    if len(args) == 2 and not password(client):
        raise CommandError(
            "ERR AUTH <password> called without any password configured for the default user. "
            "Are you sure your configuration is correct?")
    login(client, args[1] if len(args) == 3 else DEFAULT_USER, args[-1])
    return OK


def password(client):
    return client.node.config.get("requirepass")


def login(client, user, given):
    """Without a password configured the default user accepts any, as Redis's `nopass` does."""
    wanted = password(client)
    right = not wanted or hmac.compare_digest(
        given, wanted.encode("utf-8", "surrogateescape"))
    if user != DEFAULT_USER or not right:
        raise CommandError(WRONG_PASSWORD)
    client.user = DEFAULT_USER
    client.authenticated = True


@connection_command(
    "hello", arity=-1, flags="noscript loading stale fast no_auth allow_busy", since="6.0.0",
    history=(("6.2.0", "`protover` may be left out: the reply tells the present state."),),
    args=[arg("arguments", "block", flags=["optional"], args=[
        arg("protover", "integer"),
        arg("auth", "block", "AUTH", flags=["optional"], args=[
            arg("username", "string"), arg("password", "string")]),
        arg("clientname", "string", "SETNAME", flags=["optional"]),
    ])],
    summary="Chooses the protocol version; may log in and name the connection on the way.",
)
def hello(client, args):
    version = protocol_version(args[1]) if len(args) > 1 else None
    credentials, name = hello_options(args[2:])
    if credentials:
        login(client, *credentials)
    if not client.authenticated:
        raise CommandError(LOGIN_FIRST)
    if name is not None:
        client.name = name
    if version is not None:
        client.resp = version
    return {
        "server": "redis",
        "version": REDIS_VERSION,
        "proto": client.resp,
        "id": client.id,
        "mode": "cluster" if client.node.cluster_enabled else "standalone",
        "role": "master",
        "modules": [],
        "resp_kv_version": client.node.version,
    }


def protocol_version(text):
    version = integer_or_none(text)
    if version is None:
        raise CommandError("ERR Protocol version is not an integer or out of range")
    if version not in (2, 3):
        raise CommandError("NOPROTO unsupported protocol version")
    return version


def hello_options(words):
    """((user, password) or None, name or None)."""
    credentials = name = None
    at = 0
    while at < len(words):
        option, following = words[at].upper(), len(words) - at - 1
        if option == b"AUTH" and following >= 2:
            credentials = (words[at + 1], words[at + 2])
            at += 3
        elif option == b"SETNAME" and following >= 1:
            name = words[at + 1]
            check_attribute("Client names", name)
            at += 2
        else:
            shown = words[at].decode("utf-8", "surrogateescape")
            raise CommandError(f"ERR Syntax error in HELLO option '{shown}'")
    return credentials, name


def check_attribute(what, text):
    """What CLIENT LIST shows must stay one word."""
    if any(not 0x21 <= byte <= 0x7E for byte in text):
        raise CommandError(
            f"ERR {what} cannot contain spaces, newlines or special characters.")
