"""CLUSTER subcommands that would move slots or nodes by hand: refused, with what to do instead."""

from resp_kv.commands.cluster import needs_cluster
from resp_kv.commands.help import help_command
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError

PLACEMENT = "slots are placed by the server itself; CLUSTER SHARDS shows where they are"
MEMBERSHIP = "a node joins by its own configuration (directives cluster-*) and leaves by SHUTDOWN"
RECORDS = "the server numbers and keeps the topology itself; there is nothing to do"
SLOT = arg("slot", "integer", flags=["multiple"])
RANGE = arg("range", "block", flags=["multiple"],
            args=[arg("start-slot", "integer"), arg("end-slot", "integer")])
NODE_ID = arg("node-id", "string")

SUBCOMMANDS = (
    # name, arity, since, reason, arguments
    ("addslots", -3, "3.0.0", PLACEMENT, [SLOT]),
    ("addslotsrange", -4, "7.0.0", PLACEMENT, [RANGE]),
    ("delslots", -3, "3.0.0", PLACEMENT, [SLOT]),
    ("delslotsrange", -4, "7.0.0", PLACEMENT, [RANGE]),
    ("flushslots", 2, "3.0.0", PLACEMENT, []),
    ("setslot", -4, "3.0.0", PLACEMENT, [
        arg("slot", "integer"),
        arg("subcommand", "oneof", args=[
            arg("importing", "string", "IMPORTING", display="node-id"),
            arg("migrating", "string", "MIGRATING", display="node-id"),
            arg("node", "string", "NODE", display="node-id"),
            arg("stable", "pure-token", "STABLE"),
        ]),
    ]),
    ("meet", -4, "3.0.0", MEMBERSHIP, [
        arg("ip", "string"), arg("port", "integer"),
        arg("cluster-bus-port", "integer", flags=["optional"], since="4.0.0")]),
    ("forget", 3, "3.0.0", MEMBERSHIP, [NODE_ID]),
    ("replicate", 3, "3.0.0", MEMBERSHIP, [NODE_ID]),
    ("failover", -2, "3.0.0", MEMBERSHIP, [
        arg("options", "oneof", flags=["optional"], args=[
            arg("force", "pure-token", "FORCE"), arg("takeover", "pure-token", "TAKEOVER")])]),
    ("reset", -2, "3.0.0", MEMBERSHIP, [
        arg("reset-type", "oneof", flags=["optional"], args=[
            arg("hard", "pure-token", "HARD"), arg("soft", "pure-token", "SOFT")])]),
    ("bumpepoch", 2, "3.0.0", RECORDS, []),
    ("set-config-epoch", 3, "3.0.0", RECORDS, [arg("config-epoch", "integer")]),
    ("saveconfig", 2, "3.0.0", RECORDS, []),
)


def refuse(name, reason):
    def handler(client, args):
        raise CommandError(f"ERR CLUSTER {name.upper()} is refused by resp-kv: {reason}")

    return needs_cluster(handler)


for _name, _arity, _since, _reason, _arguments in SUBCOMMANDS:
    command(f"cluster|{_name}", arity=_arity, since=_since, args=_arguments, group="cluster",
            flags="admin noscript stale" if _name == "reset" else "admin stale no_async_loading",
            acl_categories=("@admin", "@slow", "@dangerous"),
            summary=f"Refused: {_reason}.")(refuse(_name, _reason))

help_command("cluster", guard=needs_cluster, since="5.0.0", acl_categories=("@slow",))
