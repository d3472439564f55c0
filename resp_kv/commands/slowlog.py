"""SLOWLOG: the latest slow commands (resp_kv/slowlog.py keeps them)."""

from functools import partial

from resp_kv.commands.help import help_command, wrong_subcommand
from resp_kv.commands.parsing import integer_or_none
from resp_kv.commands.table import arg, command, container
from resp_kv.errors import CommandError
from resp_kv.resp.values import OK

container("slowlog", group="server", since="2.2.12", complexity="Depends on subcommand.",
          acl_categories=("@slow",), summary="Commands about the log of slow commands.")

slowlog_command = partial(command, group="server", flags="admin loading stale", since="2.2.12",
                          acl_categories=("@admin", "@slow", "@dangerous"))
ENTRIES_SHOWN = 10


@slowlog_command(
    "slowlog|get", arity=-2, complexity="O(N) where N is the number of entries returned",
    tips=("request_policy:all_nodes", "nondeterministic_output"),
    history=(("4.0.0", "Address and name of the client."),),
    args=[arg("count", "integer", flags=["optional"])],
    summary="The newest entries, ten unless told; -1 is all of them.",
)
def slowlog_get(client, args):
    if len(args) > 3:
        raise wrong_subcommand(args)
    count = ENTRIES_SHOWN if len(args) == 2 else integer_or_none(args[2])
    if count is None or count < -1:
        raise CommandError("ERR count should be greater than or equal to -1")
    entries = list(client.node.slowlog.entries)
    return [[entry.id, entry.time_s, entry.usec, entry.args, entry.addr, entry.name]
            for entry in (entries if count == -1 else entries[:count])]


@slowlog_command("slowlog|len", arity=2,
                 tips=("request_policy:all_nodes", "response_policy:agg_sum",
                       "nondeterministic_output"),
                 summary="How many entries there are.")
def slowlog_len(client, args):
    return len(client.node.slowlog.entries)


@slowlog_command("slowlog|reset", arity=2,
                 complexity="O(N) where N is the number of entries in the slowlog",
                 tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
                 summary="Forgets every entry.")
def slowlog_reset(client, args):
    client.node.slowlog.reset()
    return OK


help_command("slowlog", since="6.2.0", acl_categories=("@slow",))
