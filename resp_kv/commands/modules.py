"""MODULE: there are none, and none can be loaded."""

from functools import partial

from resp_kv.commands.help import help_command
from resp_kv.commands.table import arg, command, container
from resp_kv.errors import CommandError

container("module", group="server", since="4.0.0", complexity="Depends on subcommand.",
          acl_categories=("@slow",), summary="Commands about modules.")

admin_command = partial(command, group="server",
                        acl_categories=("@admin", "@slow", "@dangerous"))
PATH = arg("path", "string")
ARGUMENTS = arg("arg", "string", flags=["optional", "multiple"])


@admin_command("module|list", arity=2, flags="admin noscript",
               since="4.0.0", tips=("nondeterministic_output_order",),
               complexity="O(N) where N is the number of loaded modules.",
               summary="The loaded modules: none.")
def module_list(client, args):
    return []


def refused(name, arity, arguments, since="4.0.0"):
    @admin_command(f"module|{name}", arity=arity, flags="admin noscript no_async_loading",
                   args=arguments, since=since, summary="Not offered: Redis modules cannot run here.")
    def refuse(client, args):
        raise CommandError(
            f"ERR MODULE {name.upper()} is not supported by resp-kv: Redis modules cannot run here")


refused("load", -3, [PATH, ARGUMENTS])
refused("loadex", -3, [PATH, ARGUMENTS], since="7.0.0")
refused("unload", 3, [arg("name", "string")])

help_command("module", since="5.0.0", acl_categories=("@slow",))
