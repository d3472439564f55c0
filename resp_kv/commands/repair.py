"""KV.REPAIR, KV.PARTITIONS: replicas that compare what they hold (cluster/anti_entropy.py).

    KV.REPAIR                  how far it is: counters of this node since it started
    KV.REPAIR ALL              compare every partition that this node holds, now
    KV.REPAIR partition        compare one; an error if this node does not hold it
    KV.PARTITIONS [partition]  of each partition here: replicas, state, when it was last proved that all
                               replicas have the same, what they differed in, what is in the way

Both start the work and answer at once; it goes on by itself and never has to be asked for.
"""

from functools import partial

from cluster.partitions import slots_of
from resp_kv.commands.parsing import integer
from resp_kv.commands.servers import lines, time_of
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError

repair_command = partial(command, group="cluster", acl_categories=("@slow",))
CHANGING = ("nondeterministic_output",)
PARTITION = arg("partition", "integer")


def repairer_of(client):
    """None: this node is on its own, or its cluster has not met yet."""
    coordinator = getattr(client.node.cluster, "coordinator", None)
    return None if coordinator is None else coordinator.repairer


@repair_command(
    "kv.repair", arity=-1, flags="admin loading stale", tips=CHANGING,
    acl_categories=("@admin", "@slow", "@dangerous"),
    args=[arg("which", "oneof", flags=["optional"],
              args=[PARTITION, arg("all", "pure-token", "ALL")])],
    complexity="O(N), N the number of partitions; the comparison itself goes on in the background",
    summary="Starts comparing the replicas of partitions now, or shows how far that is.",
)
def repair(client, args):
    repairer = repairer_of(client)
    if len(args) > 2:
        raise CommandError("ERR syntax error")
    if repairer is None:
        raise CommandError("ERR this node has no other replicas to compare with: it is not part of "
                           "a cluster")
    if len(args) == 2:
        start(repairer, args[1])
    return repairer.progress()


def start(repairer, word):
    if word.upper() == b"ALL":
        repairer.repair()
    else:
        repairer.repair(part_of(repairer, word).partition)


def part_of(repairer, word):
    partition = integer(word)
    if partition not in repairer.parts:
        raise CommandError(f"ERR this node holds no replica of partition {partition}")
    return repairer.parts[partition]


@repair_command(
    "kv.partitions", arity=-1, flags="loading stale", tips=CHANGING,
    args=[arg("partition", "integer", flags=["optional"])],
    complexity="O(N), N the number of partitions",
    summary="Shows, for each partition that this node holds, when its replicas were last proved equal.",
)
def partitions(client, args):
    repairer = repairer_of(client)
    if len(args) > 2:
        raise CommandError("ERR syntax error")
    if repairer is None:
        return []
    parts = ([part_of(repairer, args[1])] if len(args) == 2
             else [repairer.parts[partition] for partition in sorted(repairer.parts)])
    ids = [line.id for line in lines(client)]
    return [described(client, part, ids, len(repairer.coordinator.plans)) for part in parts]


def described(client, part, ids, count):
    first, last = slots_of(part.partition, count)
    return {
        "partition": part.partition, "slots": [first, last],
        "replicas": [ids[member] for member in part.plan.replicas],
        "state": part.state,
        "verified-ms": time_of(part.verified_hlc),
        "verified-age-ms": age_of(client, part.verified_hlc),
        "purged-below-ms": time_of(part.line_hlc),
        "differing-leaves": part.differing, "unread-leaves": part.tree.dirty_leaves(),
        "reason": part.error or "",
    }


def age_of(client, hlc):
    """Milliseconds; -1: never."""
    return max(0, client.node.now_ms - time_of(hlc)) if hlc else -1
