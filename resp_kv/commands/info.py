"""INFO: which sections, in which order. What stands in them is in info_sections.py."""

from resp_kv.commands import info_sections
from resp_kv.commands.table import arg, command
from resp_kv.resp.values import Verbatim

SECTIONS = {
    section.__name__: section
    for section in (
        info_sections.server, info_sections.clients, info_sections.memory, info_sections.persistence,
        info_sections.stats, info_sections.replication, info_sections.cpu, info_sections.modules,
        info_sections.commandstats, info_sections.errorstats, info_sections.latencystats,
        info_sections.cluster, info_sections.keyspace, info_sections.engine, info_sections.loop,
        info_sections.resp_kv,
    )
}
TITLES = {"cpu": "CPU", "resp_kv": "Resp_kv"}
ONLY_ON_REQUEST = ("commandstats", "latencystats", "engine", "loop", "resp_kv")
DEFAULT = frozenset(SECTIONS) - frozenset(ONLY_ON_REQUEST)
GROUPS = {"default": DEFAULT, "all": frozenset(SECTIONS), "everything": frozenset(SECTIONS)}


@command(
    "info", arity=-1, flags="loading stale", group="server", acl_categories=("@slow", "@dangerous"),
    tips=("nondeterministic_output", "request_policy:all_shards", "response_policy:special"),
    history=(("7.0.0", "Several sections in one call."),),
    args=[arg("section", "string", flags=["optional", "multiple"])],
    summary="The state of the server in sections; `all` shows every section.",
)
def info(client, args):
    wanted = wanted_sections(args[1:])
    return Verbatim("\r\n".join(
        section_text(name, client.node) for name in SECTIONS if name in wanted))


def wanted_sections(words):
    names = {word.decode("utf-8", "surrogateescape").lower() for word in words} or {"default"}
    wanted = set()
    for name in names:
        wanted |= GROUPS.get(name, {name})
    return wanted


def section_text(name, node):
    title = TITLES.get(name, name.capitalize())
    lines = "".join(f"{field}:{value}\r\n" for field, value in SECTIONS[name](node))
    return f"# {title}\r\n{lines}"
