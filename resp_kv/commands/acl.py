"""ACL: told truthfully of the one user there is, "default", who may do everything once logged in.

Its password is `requirepass`. Further users and rules are not offered: what would make or change
them is refused, so that nobody believes in a protection that does not exist.
"""

import hashlib
import secrets
from functools import partial

from resp_kv.commands.help import help_command
from resp_kv.commands.introspection import every_row
from resp_kv.commands.parsing import integer
from resp_kv.commands.table import COMMANDS, arg, command, container
from resp_kv.errors import CommandError
from resp_kv.resp.values import OK

container("acl", group="server", since="6.0.0", complexity="Depends on subcommand.",
          acl_categories=("@slow",), summary="Commands about users and what they may do.")

open_command = partial(command, group="server", flags="noscript loading stale", since="6.0.0",
                       acl_categories=("@slow",))
admin_command = partial(command, group="server", flags="admin noscript loading stale",
                        since="6.0.0", acl_categories=("@admin", "@slow", "@dangerous"))
USERNAME = arg("username", "string")
CATEGORIES = (
    "keyspace read write set sortedset list hash string bitmap hyperloglog geo stream pubsub admin "
    "fast slow blocking dangerous connection transaction scripting"
).split()
ONE_USER = (
    "ERR ACL {} is not supported by resp-kv: there is one user, default; its password is the "
    "directive requirepass (CONFIG SET requirepass)"
)
GENPASS_BITS_MAX = 4096
BAD_BITS = (
    "ERR ACL GENPASS argument must be the number of bits for the output password, a positive "
    "number up to 4096"
)


@open_command("acl|whoami", arity=2, summary="The user of this connection.")
def whoami(client, args):
    return client.user


@open_command("acl|cat", arity=-2,
              complexity="O(1) since the categories and commands are a fixed set.",
              args=[arg("category", "string", flags=["optional"])],
              summary="The categories, or the commands of one.")
def cat(client, args):
    if len(args) == 2:
        return list(CATEGORIES)
    name = text_of(args[2]).lower()
    if name not in CATEGORIES:
        raise CommandError(f"ERR Unknown category '{text_of(args[2])}'")
    return [row.name for row in every_row(client.node.commands)
            if "@" + name in row.acl_categories]


@admin_command("acl|users", arity=2, complexity="O(N). Where N is the number of configured users.",
               summary="The names of the users.")
def users(client, args):
    return ["default"]


@admin_command("acl|list", arity=2, complexity="O(N). Where N is the number of configured users.",
               summary="The users with their rules.")
def acl_list(client, args):
    hashed = password_hash(client)
    return [f"user default on {'#' + hashed if hashed else 'nopass'} ~* &* +@all"]


@admin_command("acl|getuser", arity=3, args=[USERNAME],
               complexity="O(N). Where N is the number of password, command and pattern rules "
                          "that the user has.",
               history=(("6.2.0", "`channels`"), ("7.0.0", "`selectors`; patterns as text")),
               summary="The rules of one user.")
def getuser(client, args):
    if args[2] != b"default":
        return None
    hashed = password_hash(client)
    return {
        "flags": {b"on"} if hashed else {b"on", b"nopass"},
        "passwords": [hashed] if hashed else [],
        "commands": "+@all", "keys": "~*", "channels": "&*", "selectors": [],
    }


def password_hash(client):
    """SHA-256 of the password, as Redis shows it, or "" without one."""
    password = client.node.config.get("requirepass")
    return hashlib.sha256(password.encode("utf-8", "surrogateescape")).hexdigest() \
        if password else ""


@open_command("acl|genpass", arity=-2, args=[arg("bits", "integer", flags=["optional"])],
              summary="Random hexadecimal digits, 256 bits unless told.")
def genpass(client, args):
    bits = 256 if len(args) == 2 else integer(args[2])
    if not 0 < bits <= GENPASS_BITS_MAX:
        raise CommandError(BAD_BITS)
    digits = (bits + 3) // 4
    return secrets.token_hex((digits + 1) // 2)[:digits]


@admin_command("acl|dryrun", arity=-4, since="7.0.0", complexity="O(1).",
               args=[USERNAME, arg("command", "string"),
                     arg("arg", "string", flags=["optional", "multiple"])],
               summary="Whether a user could run a command: the default user always can.")
def dryrun(client, args):
    if args[2] != b"default":
        raise CommandError(f"ERR User '{text_of(args[2])}' not found")
    row = COMMANDS.get(args[3].lower())
    if row is None:
        raise CommandError(f"ERR Command '{text_of(args[3])}' not found")
    return OK


@admin_command("acl|log", arity=-2, complexity="O(N) with N being the number of entries shown.",
               args=[arg("operation", "oneof", flags=["optional"], args=[
                   arg("count", "integer"), arg("reset", "pure-token", "RESET")])],
               summary="Refused commands and keys: there are none with one user.")
def acl_log(client, args):
    if len(args) > 2:
        if args[2].upper() == b"RESET":
            return OK
        integer(args[2])
    return []


def refused(name, arity, arguments=()):
    @admin_command(f"acl|{name}", arity=arity, args=arguments,
                   summary="Not offered: there is one user.")
    def refuse(client, args):
        raise CommandError(ONE_USER.format(name.upper()))


refused("setuser", -3, [USERNAME, arg("rule", "string", flags=["optional", "multiple"])])
refused("deluser", -3, [arg("username", "string", flags=["multiple"])])
refused("load", 2)
refused("save", 2)


def text_of(word):
    return word.decode("utf-8", "surrogateescape")


help_command("acl", since="6.0.0", acl_categories=("@slow",))
