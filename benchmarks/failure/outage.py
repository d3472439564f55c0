"""One fault on one cluster, twice: at a fixed rate for latency, as fast as it goes for throughput.

After each, while the node is still away, everything that was acknowledged is read from every node that is
left; then the fault is undone, the cluster heals, and it is read again from all.
"""

import time
from functools import partial

import redis

from benchmarks.failure import measure
from benchmarks.failure.load import Running, Spec
from tests.e2e.server import eventually

WARM_S, NORMAL_S = 2.0, 6.0          # of a run, before the fault
BATCH = 500


def strike(cluster, fault, victim, seed, past, rate=None):
    """One run: (result, the second of the fault, the second in which it ends)."""
    lasts_s = fault.open_s if rate else fault.closed_s
    fault_s = WARM_S + NORMAL_S
    running = Running(Spec([(node.host, node.port) for node in cluster.nodes], fault_s + lasts_s, seed,
                           rate, past=past))
    running.wait_until(fault_s)
    struck_s = time.monotonic() - running.began
    fault.strike(cluster, victim)
    return running.result(), struck_s, struck_s + lasts_s - 0.5


def outage(cluster, fault, victim, seed, past, rate):
    """A row of the table, and the two results."""
    slow, slow_at, slow_end = strike(cluster, fault, victim, seed, past, rate)
    gone = () if fault.name == "disk" else (victim,)
    missing = check(cluster, slow.history, without=gone)
    fault.undo(cluster, victim)
    recover(cluster)
    fast, fast_at, fast_end = strike(cluster, fault, victim, seed + 1, slow.history)
    missing |= check(cluster, fast.history, without=gone)
    fault.undo(cluster, victim)
    recover(cluster)
    missing |= check(cluster, fast.history)
    row = {"fault": fault.name, "nodes": len(cluster), "rate": rate, "lost": len(missing),
           "acknowledged": len(fast.history.acknowledged), "own": 0, "errors": [], "stale": []}
    for result in (slow, fast):
        own, errors, stale = measure.failures(result, victim)
        row["own"] += own
        row["errors"] += errors
        row["stale"] += stale
    row |= measure.recovery(fast, fast_at, fast_end)
    row["normal_ms"] = measure.latency(slow, WARM_S, slow_at - 0.1)
    row["fault_ms"] = measure.latency(slow, slow_at, slow_end, without=victim)
    return row, (slow, slow_at, slow_end), (fast, fast_at, fast_end)


def recover(cluster):
    """All run, and owe each other nothing."""
    cluster.mend()
    eventually(lambda: all(is_quiet(node) for node in cluster.nodes))


def is_quiet(node):
    """No hints to hand over, nothing to be copied."""
    try:
        return hints_of(node) == refilling(node) == 0
    except redis.RedisError:
        return False


def hints_of(node):
    """How many it keeps for others."""
    with node.client() as client:
        rows = client.execute_command("KV.HINTS")
    return sum(row.get("count", row.get(b"count")) for row in rows)


def refilling(node):
    """How many of its partitions are still being copied from others."""
    with node.client() as client:
        return int(client.info("cluster").get("repair_partitions_refilling", 0))


def check(cluster, history, without=()):
    """The keys whose acknowledged value some node does not find."""
    missing = set()
    keys = list(history.acknowledged)
    for number, node in enumerate(cluster.nodes):
        if number in without:
            continue
        values = {}
        with node.client() as client:
            for at in range(0, len(keys), BATCH):
                part = keys[at:at + BATCH]
                for key, value in zip(part, eventually(partial(asked, client, part))):
                    values[key] = 0 if value is None else int(value[:12])
        missing |= set(measure.lost(history, values))
    return missing


def asked(client, keys):
    try:
        return client.mget(keys)
    except redis.ResponseError:
        return None
