"""CLIENT KILL, PAUSE, UNPAUSE, UNBLOCK: what one client may do to others."""

from functools import partial

from resp_kv.commands.client import TYPE_ARGUMENTS, type_given
from resp_kv.commands.help import help_command, wrong_subcommand
from resp_kv.commands.parsing import INT64_MAX, integer, integer_or_none
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError, SyntaxFault
from resp_kv.resp.values import OK

admin_command = partial(command, group="connection", flags="admin noscript loading stale",
                        acl_categories=("@admin", "@slow", "@dangerous", "@connection"))


@admin_command(
    "client|kill", arity=-3, since="2.4.0",
    complexity="O(N) where N is the number of client connections",
    history=(
        ("2.8.12", "The form with filters, among them ID."),
        ("3.2.0", "TYPE `master`."),
        ("5.0.0", "TYPE `replica`; `slave` still works."),
        ("6.2.0", "LADDR."),
    ),
    args=[arg("filter", "oneof", args=[
        arg("old-format", "string", display="ip:port"),
        arg("new-format", "oneof", flags=["multiple"], args=[
            arg("client-id", "integer", "ID", flags=["optional"], since="2.8.12"),
            arg("client-type", "oneof", "TYPE", flags=["optional"], since="2.8.12",
                args=TYPE_ARGUMENTS),
            arg("username", "string", "USER", flags=["optional"]),
            arg("addr", "string", "ADDR", flags=["optional"], display="ip:port"),
            arg("laddr", "string", "LADDR", flags=["optional"], since="6.2.0",
                display="ip:port"),
            arg("skipme", "oneof", "SKIPME", flags=["optional"], args=[
                arg("yes", "pure-token", "YES"), arg("no", "pure-token", "NO")]),
        ]),
    ])],
    summary="Closes the connection with this address, or all that match every filter.",
)
def kill(client, args):
    if len(args) == 3:
        if not kill_matching(client, {"addr": args[2]}, skip_me=False):
            raise CommandError("ERR No such client")
        return OK
    filters, skip_me = kill_filters(args[2:])
    return kill_matching(client, filters, skip_me)


def kill_filters(words):
    """({what: value}, whether the caller is spared)."""
    filters, skip_me = {}, True
    if len(words) % 2:
        # Redis reads from the left: an error in an earlier pair comes before the missing value.
        kill_filters(words[:-1])
        raise SyntaxFault()
    for option, value in zip(words[::2], words[1::2], strict=True):
        name = option.upper()
        if name == b"ID":
            filters["id"] = positive_id(value)
        elif name == b"TYPE":
            filters["type"] = type_given(value)
        elif name in (b"ADDR", b"LADDR"):
            filters[name.decode().lower()] = value
        elif name == b"USER":
            filters["user"] = known_user(value)
        elif name == b"SKIPME" and value.lower() in (b"yes", b"no"):
            skip_me = value.lower() == b"yes"
        else:
            raise SyntaxFault()
    return filters, skip_me


def positive_id(word):
    number = integer_or_none(word)
    if number is None or number < 1:
        raise CommandError("ERR client-id should be greater than 0")
    return number


def known_user(word):
    if word != b"default":
        shown = word.decode("utf-8", "surrogateescape")
        raise CommandError(f"ERR No such user '{shown}'")
    return word


def kill_matching(client, filters, skip_me):
    """How many were killed; the caller goes last, after its reply."""
    doomed = [other for other in client.node.clients.values()
              if not (skip_me and other is client) and matches(other, filters)]
    for other in doomed:
        if other is client:
            other.close_after_reply()
        else:
            other.kill()
    return len(doomed)


def matches(client, filters):
    actual = {
        "id": client.id, "type": "normal", "user": client.user,
        "addr": client.addr.encode(), "laddr": client.laddr.encode(),
    }
    return all(actual[what] == wanted for what, wanted in filters.items())


@admin_command(
    "client|pause", arity=-3, since="2.9.50",
    history=(("6.2.0", "WRITE: only writes are held back."),),
    args=[
        arg("timeout", "integer"),
        arg("mode", "oneof", flags=["optional"], since="6.2.0",
            args=[arg("write", "pure-token", "WRITE"), arg("all", "pure-token", "ALL")]),
    ],
    summary="Holds back all commands, or all writes, for some milliseconds.",
)
def pause(client, args):
    if len(args) > 4:
        raise wrong_subcommand(args)
    mode = args[3].lower() if len(args) > 3 else b"all"
    if mode not in (b"write", b"all"):
        raise CommandError("ERR CLIENT PAUSE mode must be WRITE or ALL")
    until_ms = client.node.now_ms + timeout_ms(client, args[2])
    client.node.pause(until_ms, mode.decode())
    return OK


def timeout_ms(client, word):
    """A time to wait in milliseconds, with Redis's three ways to be wrong."""
    timeout = integer(word, "ERR timeout is not an integer or out of range")
    if timeout < 0:
        raise CommandError("ERR timeout is negative")
    if timeout > INT64_MAX - client.node.now_ms:
        raise CommandError("ERR timeout is out of range")
    return timeout


@admin_command("client|unpause", arity=2, since="6.2.0",
               complexity="O(N) Where N is the number of paused clients",
               summary="Ends a pause before its time.")
def unpause(client, args):
    client.node.unpause()
    return OK


@admin_command(
    "client|unblock", arity=-3, since="5.0.0",
    complexity="O(log N) where N is the number of client connections",
    args=[
        arg("client-id", "integer"),
        arg("unblock-type", "oneof", flags=["optional"], args=[
            arg("timeout", "pure-token", "TIMEOUT"), arg("error", "pure-token", "ERROR")]),
    ],
    summary="Wakes a client that waits in a blocking command; there is none to wait in: 0.",
)
def unblock(client, args):
    if len(args) > 4:
        raise wrong_subcommand(args)
    if len(args) > 3 and args[3].lower() not in (b"timeout", b"error"):
        raise CommandError("ERR CLIENT UNBLOCK reason should be TIMEOUT or ERROR")
    integer(args[2])
    return 0


help_command("client", since="5.0.0", acl_categories=("@slow", "@connection"))
