"""KV.HINTS: the writes that this node keeps for members that missed them (cluster/hints.py)."""

from resp_kv.commands.servers import address_of, lines
from resp_kv.commands.table import command


@command(
    "kv.hints", arity=1, flags="loading stale", group="cluster", acl_categories=("@slow",),
    tips=("nondeterministic_output",),
    complexity="O(N), N the number of members",
    summary="Shows the hints that this node keeps: for whom, how many, how old, how fast they go out.",
)
def hints(client, args):
    replicator = client.node.replicator
    kept = getattr(getattr(replicator, "coordinator", None), "hints", None)
    if kept is None:
        return []
    members = lines(client)
    return [{
        "target": members[target].id, "address": address_of(members[target]), "count": count,
        "bytes": size, "oldest-ms": age_ms, "replaying": "yes" if replaying else "no",
        "replayed": replayed, "dropped": dropped, "hints-per-second": round(rate),
        "left-ms": round(count * 1000 / rate) if rate and count else 0,
        "window-left-ms": max(0, kept.window_ms - age_ms) if count else kept.window_ms,
    } for target, count, size, age_ms, replaying, replayed, dropped, rate in kept.table()]
