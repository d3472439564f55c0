"""What bringing a node up to date takes from clients: hints handed over, a disk filled again.

Closed load runs all the time, on three nodes. One is killed, misses (hints) or loses (refill) many keys
and is started again; throughput while the work lasts is compared with that around it, in the same run:

    before   3 nodes, nothing to do
    with     3 nodes, hints or partitions are still to come
    after    nothing again
"""

import contextlib
import shutil
import time
from statistics import median

import redis

from benchmarks.failure import measure
from benchmarks.failure.fill import fill
from benchmarks.failure.load import Running, Spec
from benchmarks.failure.outage import hints_of, recover, refilling
from tests.e2e.server import eventually

BEFORE_S, AFTER_S, LASTS_S_MAX = 5.0, 5.0, 60.0
ASK_S = 2.0                # asking itself takes from clients, who share the processor
KEYS = {"hints": 100_000, "refill": 200_000}
VICTIM = 2


def handover(cluster, case, rounds, seed):
    """A row: commands a second before, with and after, by round."""
    row = {"case": case, "keys": KEYS[case], "before": [], "with": [], "after": [], "seconds": []}
    if case == "refill":
        fill(cluster[0], KEYS[case], prefix=b"filled")
    for turn in range(rounds):
        found = one_round(cluster, case, seed + turn)
        for name, number in found.items():
            row[name].append(number)
    row["cost"] = 1 - median(2 * during / (before + after) for before, during, after in zip(
        row["before"], row["with"], row["after"]))
    return row


def one_round(cluster, case, seed):
    addresses = [(node.host, node.port) for node in cluster.nodes]
    running = Running(Spec(addresses[:VICTIM], BEFORE_S + LASTS_S_MAX + AFTER_S, seed, prefix=case))
    running.wait_until(BEFORE_S)
    cluster.kill(VICTIM)
    if case == "hints":
        fill(cluster[0], KEYS[case], prefix=b"missed%d" % seed)
    else:
        shutil.rmtree(cluster[VICTIM].data)
    cluster[VICTIM].start()
    begins, ends = watch(cluster, case, running)
    running.wait_until(ends + AFTER_S)
    running.stop()
    result = running.result()
    recover(cluster)
    return {"before": rate(result, 1, BEFORE_S), "with": rate(result, begins, ends),
            "after": rate(result, ends + 1, ends + AFTER_S), "seconds": ends - begins}


def watch(cluster, case, running):
    """When the work begins and when it is done, in seconds of the run."""
    def left():
        with contextlib.suppress(redis.RedisError):
            return sum(hints_of(node) for node in cluster.nodes) if case == "hints" else \
                refilling(cluster[VICTIM])
        return None

    if case == "hints":
        full = left()
        eventually(lambda: left() not in (None, full))
    else:
        eventually(left)
    begins = time.monotonic() - running.began
    while left() != 0 and time.monotonic() - running.began < LASTS_S_MAX:
        time.sleep(ASK_S)
    return begins, time.monotonic() - running.began


def rate(result, begin_s, end_s):
    return measure.mean(measure.throughput(result, end_s)[int(begin_s / measure.BIN_S):])
