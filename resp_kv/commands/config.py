"""CONFIG: the directives of a running server. The rules are those of resp_kv/config.py."""

from functools import partial

from resp_kv.commands.help import help_command
from resp_kv.commands.introspection import every_row
from resp_kv.commands.table import arg, command, container
from resp_kv.errors import SyntaxFault
from resp_kv.resp.values import OK

container("config", group="server", since="2.0.0", complexity="Depends on subcommand.",
          acl_categories=("@slow",), summary="Commands about the configuration.")

config_command = partial(command, group="server", flags="admin noscript loading stale",
                         since="2.0.0", acl_categories=("@admin", "@slow", "@dangerous"))


@config_command(
    "config|get", arity=-3, args=[arg("parameter", "string", flags=["multiple"])],
    complexity="O(N) when N is the number of configuration parameters provided",
    history=(("7.0.0", "Several patterns in one call."),),
    summary="The values of the directives that match one of the patterns.",
)
def config_get(client, args):
    found = {}
    for pattern in args[2:]:
        found |= client.node.config.match(pattern)
    return found


@config_command(
    "config|set", arity=-4,
    complexity="O(N) when N is the number of configuration parameters provided",
    history=(("7.0.0", "Several directives in one call."),),
    tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
    args=[arg("data", "block", flags=["multiple"],
              args=[arg("parameter", "string"), arg("value", "string")])],
    summary="Changes directives: all of those given, or none.",
)
def config_set(client, args):
    if len(args) % 2:
        raise SyntaxFault()
    client.node.config.set(list(zip(args[2::2], args[3::2], strict=True)))
    return OK


@config_command("config|resetstat", arity=2,
                tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
                summary="Sets the counters that INFO shows back to zero.")
def resetstat(client, args):
    client.node.stats.reset()
    for row in every_row(client.node.commands):
        row.reset_stats()
    return OK


@config_command("config|rewrite", arity=2, since="2.8.0",
                tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
                summary="Writes the present values into the configuration file.")
def config_rewrite(client, args):
    client.node.config.rewrite()
    return OK


help_command("config", since="5.0.0", acl_categories=("@slow",))
