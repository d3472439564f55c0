"""KV.RING, KV.WHERE, KV.NODES: where data is, and who is there.

    KV.RING             the partitioning, and of each member how much it holds
    KV.RING PARTITIONS  [[partition, first slot, last slot, [node id, ...]], ...], replicas in the
                        order of preference: the first that lives coordinates the writes of its keys
    KV.WHERE key        slot, partition, replicas in order, and what each of them has of the key
    KV.NODES            of each member address, state as the cluster sees it, heartbeat, clock

A node without a cluster answers as the only member, with one partition of all slots.
"""

from functools import partial

from cluster.partitions import slots_of
from cluster.slots import slot_of, stored_key
from cluster.versions import winner
from resp_kv.commands.servers import address_of, dot_words, lines, time_of
from resp_kv.commands.table import arg, command
from resp_kv.errors import SyntaxFault

placement_command = partial(command, group="cluster", acl_categories=("@slow",))
CHANGING = ("nondeterministic_output",)


def placement(client):
    """The members that hold each partition, in order of preference."""
    cluster = client.node.cluster
    return [(0,)] if cluster is None else cluster.document.placement


@placement_command(
    "kv.ring", arity=-1, flags="loading stale", tips=CHANGING,
    args=[arg("partitions", "pure-token", "PARTITIONS", flags=["optional"])],
    complexity="O(N), N the number of partitions",
    summary="Shows how much of the data each member holds, or the replicas of each partition.",
)
def ring(client, args):
    if len(args) == 1:
        return summary(client)
    if len(args) > 2 or args[1].upper() != b"PARTITIONS":
        raise SyntaxFault()
    ids, placed = [line.id for line in lines(client)], placement(client)
    return [[partition, *slots_of(partition, len(placed)), [ids[member] for member in replicas]]
            for partition, replicas in enumerate(placed)]


def summary(client):
    members, placed, cluster = lines(client), placement(client), client.node.cluster
    held, first = [0] * len(members), [0] * len(members)
    for replicas in placed:
        first[replicas[0]] += 1
        for member in replicas:
            held[member] += 1
    document = None if cluster is None else cluster.document
    return {
        "cluster": "" if document is None else document.cluster_id,
        "epoch": 0 if document is None else document.epoch,
        "partitions": len(placed),
        "replication": 1 if document is None else document.replication,
        "members": [
            described(line) | {"weight": float(line.weight), "partitions": held[member],
                               "first": first[member],
                               "share": round(held[member] / sum(held), 4)}
            for member, line in enumerate(members)],
    }


def described(line):
    return {"id": line.id, "address": address_of(line), "dc": line.dc, "rack": line.rack,
            "state": line.state}


@placement_command(
    "kv.where", arity=2, flags="readonly", keys=(1, 1, 1), tips=CHANGING,
    args=[arg("key", "key", key_spec=0)],
    complexity="O(N), N the number of replicas; each of them is asked",
    summary="Shows where a key is: slot, partition, replicas, and the version that each holds.",
)
def where(client, args):
    copies, members = client.keyspace.copies(args[1]), lines(client)
    slot, cluster = slot_of(args[1]), client.node.cluster
    return {
        "slot": slot, "partition": 0 if cluster is None else cluster.partition_of(slot),
        "coordinator": coordinator_of(client, args[1], members),
        "replicas": [described(members[copy.member]) | version_of(copy) for copy in copies],
    }


def coordinator_of(client, key, members):
    """Who coordinates plain writes now, as this node sees it; nil: nobody."""
    if not client.node.traffic.replicated:
        return members[0].id
    coordinator = client.node.replicator.coordinator
    plan = coordinator.plan_for(stored_key(0, key))
    member = coordinator.preferred(plan, coordinator.write_level)
    return members[member].id if member >= 0 else None


def version_of(copy):
    """What a replica said of its newest version, or why it did not."""
    if copy.state is None:
        return {"answered": "no", "reason": copy.reason}
    newest = winner(copy.state)
    if newest is None:
        return {"answered": "yes", "siblings": 0}
    return {"answered": "yes", "siblings": len(copy.state.siblings),
            "dot": dot_words(newest.hlc, newest.actor), "time": time_of(newest.hlc),
            "deleted": "yes" if newest.tombstone else "no"}


@placement_command(
    "kv.nodes", arity=1, flags="loading stale", tips=CHANGING,
    complexity="O(N), N the number of members",
    summary="Shows each member: address, place, state, heartbeat, who suspects it, clock.",
)
def nodes(client, args):
    cluster = client.node.cluster
    if cluster is None:
        line = lines(client)[0]
        return [described(line) | {"weight": float(line.weight), "myself": "yes"}]
    return [described(line) | {
        "weight": float(line.weight), "myself": "yes" if line.is_myself else "no",
        "heartbeat": row.heartbeat, "age-ms": row.age_ms, "generation": row.generation,
        "suspected-by": list(row.suspected_by), "clock-ms": time_of(row.max_hlc),
        "epoch": row.epoch,
    } for line, row in zip(cluster.lines(), cluster.membership.members_table(), strict=True)]
