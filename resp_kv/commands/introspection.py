"""COMMAND: the command table as clients see it. Every answer is made from the rows."""

from functools import partial

from resp_kv.commands.command_docs import documentation
from resp_kv.commands.help import help_command
from resp_kv.commands.key_access import flags_in, specs_of
from resp_kv.commands.pattern import matches
from resp_kv.commands.table import COMMANDS, arg, command
from resp_kv.errors import CommandError, SyntaxFault
from resp_kv.resp.values import SetOf, Simple

command_command = partial(command, group="server", flags="loading stale",
                          acl_categories=("@slow", "@connection"))
UNORDERED = ("nondeterministic_output_order",)
NAMES = [arg("command-name", "string", flags=["optional", "multiple"])]


@command_command(
    "command", arity=-1, since="2.8.13", tips=UNORDERED,
    complexity="O(N) where N is the total number of Redis commands",
    summary="Describes every command: arity, flags, key positions, subcommands.",
)
def every_command(client, args):
    return [described(row) for row in client.node.commands.values()]


COMMANDS[b"command"].is_container = True        # and, alone among them, runs by itself


@command_command("command|count", arity=2, since="2.8.13", summary="How many commands there are.")
def count(client, args):
    return len(client.node.commands)


@command_command(
    "command|info", arity=-2, since="2.8.13", tips=UNORDERED, args=NAMES,
    complexity="O(N) where N is the number of commands to look up",
    history=(("7.0.0", "Without names: every command."),),
    summary="Describes the named commands; nil for one that does not exist.",
)
def command_info(client, args):
    if len(args) == 2:
        return every_command(client, args)
    rows = [row_named(name) for name in args[2:]]
    return [None if row is None else described(row) for row in rows]


def row_named(name):
    """The row of "get" or of "client|list", in any case, or None."""
    container_name, bar, child = name.lower().partition(b"|")
    row = COMMANDS.get(container_name)
    return row.subcommands.get(child) if bar and row is not None else row


def described(row):
    """The ten elements of COMMAND INFO."""
    return [
        row.name, row.arity, statuses(row.flags), row.first_key, row.last_key, row.key_step,
        statuses(row.acl_categories), SetOf(row.tips),
        SetOf([{"flags": statuses(spec.flags), **spec.as_reply()} for spec in specs_of(row)]),
        [described(child) for child in row.subcommands.values()] or SetOf(()),
    ]


def statuses(words):
    return SetOf([Simple(word) for word in words])


@command_command(
    "command|docs", arity=-2, since="7.0.0", tips=UNORDERED, args=NAMES,
    complexity="O(N) where N is the number of commands to look up",
    summary="Gives the documentation of the named commands, or of all.",
)
def command_docs(client, args):
    rows = map(row_named, args[2:]) if len(args) > 2 else client.node.commands.values()
    return {row.name: documentation(row) for row in rows if row is not None}


@command_command(
    "command|list", arity=-2, since="7.0.0", tips=UNORDERED,
    complexity="O(N) where N is the total number of Redis commands",
    args=[arg("filterby", "oneof", "FILTERBY", flags=["optional"], args=[
        arg("module-name", "string", "MODULE"),
        arg("category", "string", "ACLCAT"),
        arg("pattern", "pattern", "PATTERN"),
    ])],
    summary="Names every command and subcommand, or those of a filter.",
)
def command_list(client, args):
    wanted = name_filter(args[2:]) if len(args) > 2 else (lambda row: True)
    return [row.name for row in every_row(client.node.commands) if wanted(row)]


def every_row(commands):
    for row in commands.values():
        yield row
        yield from row.subcommands.values()


def name_filter(words):
    """A test of rows from FILTERBY kind value."""
    if len(words) != 3 or words[0].lower() != b"filterby":
        raise SyntaxFault()
    kind, value = words[1].lower(), words[2].lower()
    if kind == b"module":
        return lambda row: False
    if kind == b"aclcat":
        category = "@" + value.decode("utf-8", "surrogateescape")
        return lambda row: category in row.acl_categories
    if kind == b"pattern":
        return lambda row: matches(value, row.name.encode())
    raise SyntaxFault()


@command_command(
    "command|getkeys", arity=-3, since="2.8.13",
    complexity="O(N) where N is the number of arguments to the command",
    args=[arg("command", "string"),
          arg("arg", "string", flags=["optional", "multiple"])],
    summary="Finds the keys in a whole command.",
)
def getkeys(client, args):
    words = args[2:]
    return [key for spec in specs_in(words) for key in spec.keys_of(words)]


@command_command(
    "command|getkeysandflags", arity=-3, since="7.0.0",
    complexity="O(N) where N is the number of arguments to the command",
    args=[arg("command", "string"),
          arg("arg", "string", flags=["optional", "multiple"])],
    summary="Finds the keys in a whole command, and what it does with each.",
)
def getkeysandflags(client, args):
    words = args[2:]
    return [[key, statuses(flags_in(spec, words))]
            for spec in specs_in(words) for key in spec.keys_of(words)]


def specs_in(words):
    """The KeySpecs of the command in `words`, or the error that says why there are none."""
    row = COMMANDS.get(words[0].lower())
    if row is not None and row.is_container and len(words) > 1:
        row = row.subcommands.get(words[1].lower())
    if row is None:
        raise CommandError("ERR Invalid command specified")
    specs = specs_of(row)
    if not specs:
        raise CommandError("ERR The command has no key arguments")
    if not row.arity_fits(len(words)):
        raise CommandError("ERR Invalid number of arguments specified for command")
    return specs


help_command("command", since="5.0.0", acl_categories=("@slow", "@connection"))
