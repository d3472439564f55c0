"""HELP of the containers, made of their rows: what is documented is what is shown."""

from functools import partial

from resp_kv.commands.table import COMMANDS, command
from resp_kv.errors import CommandError
from resp_kv.resp.values import Simple


def help_command(name, *, guard=lambda handler: handler, **documentation):
    """Add the row `name`|help. `guard` wraps the handler as it does those of the other rows."""
    container = COMMANDS[name.encode()]
    command(f"{name}|help", arity=2, flags="loading stale", group=container.group,
            summary=f"Lists the subcommands of {name.upper()}.", **documentation,
            )(guard(partial(help_lines, container)))


def help_lines(container, client, args):
    title = container.name.upper()
    lines = [f"{title} <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"]
    for name, row in sorted(container.subcommands.items()):
        lines.append(" ".join([name.decode().upper(), *map(synopsis, row.arguments)]))
        lines.append("    " + row.summary)
    return [Simple(line) for line in lines]


def synopsis(argument):
    """One argument as manuals write it, such as [COUNT <count>]."""
    token, flags = argument["token"], argument["flags"]
    value = value_synopsis(argument)
    text = " ".join(word for word in (token, value) if word)
    if argument["type"] == "oneof" and "optional" not in flags and not token:
        text = f"({text})"
    if "multiple" in flags:
        text += f" [{text if 'multiple_token' in flags else value} ...]"
    return f"[{text}]" if "optional" in flags else text


def value_synopsis(argument):
    """The part after the token."""
    kind, inner = argument["type"], argument["arguments"]
    if kind == "pure-token":
        return ""
    if kind == "oneof":
        return "|".join(map(synopsis, inner))
    if kind == "block":
        return " ".join(map(synopsis, inner))
    return f"<{argument['display_text'] or argument['name']}>"


def wrong_subcommand(args):
    """Redis's error for a known subcommand with too many words."""
    shown = args[1][:128].decode("utf-8", "surrogateescape")
    container = args[0].decode("utf-8", "surrogateescape").upper()
    return CommandError(
        f"ERR unknown subcommand or wrong number of arguments for '{shown}'. "
        f"Try {container} HELP.")
