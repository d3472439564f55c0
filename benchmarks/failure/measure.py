"""Numbers out of what the clients saw, around the moment of a fault.

    own        commands under way on a connection to the node that is struck: their outcome is unknown
    errors     every other command that did not end well
    capacity   what the remaining nodes do: the median of the second half of the outage
    back       seconds until throughput, over half a second, is above 90 % of that
    below      how long it is below in all, later dips included
"""

from statistics import median

from benchmarks.failure.load import OK, UNKNOWN, WRONG

BIN_S = 0.1
WINDOW_S = 0.5
SHARE = 0.9


def throughput(result, seconds, bin_s=BIN_S):
    """Commands a second that ended well, by bin."""
    counts = [0] * int(seconds / bin_s + 0.5)
    for ended_s, outcome in zip(result.ended_s, result.outcome):
        if outcome == OK and 0 <= ended_s < len(counts) * bin_s:
            counts[min(int(ended_s / bin_s), len(counts) - 1)] += 1
    return [count / bin_s for count in counts]


def mean(values):
    return sum(values) / len(values) if values else 0.0


def recovery(result, fault_s, end_s):
    """{"before", "capacity", "back_s", "below_s", "lowest"}; back_s None: never within the outage."""
    bins = throughput(result, end_s)
    first, last = round(fault_s / BIN_S), len(bins)
    width = round(WINDOW_S / BIN_S)
    capacity = median(smooth(bins[(first + last) // 2:last], width))
    during = smooth(bins[first:last], width)
    enough = [value >= SHARE * capacity for value in during]
    back_s = enough.index(True) * BIN_S if True in enough else None
    return {"before": median(smooth(bins[10:first], width)), "capacity": capacity, "back_s": back_s,
            "below_s": enough.count(False) * BIN_S, "lowest": min(during)}


def smooth(bins, width):
    return [mean(bins[at:at + width]) for at in range(len(bins) - width + 1)]


def latency(result, begin_s, end_s, without=-1):
    """{"p50", "p99", "p99.9", "max"} in milliseconds, of those that were due in this time, at all nodes
    but one."""
    found = sorted(
        latency_s for ended_s, latency_s, node, outcome in zip(
            result.ended_s, result.latency_s, result.node, result.outcome)
        if outcome == OK and node != without and begin_s <= ended_s - latency_s < end_s)
    return {name: percentile(found, share) * 1000 for name, share in (
        ("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("max", 1.0))}


def percentile(found, share):
    return found[min(len(found) - 1, int(share * len(found)))] if found else 0.0


def failures(result, victim):
    """(own, errors, stale): counts, and the texts of the errors."""
    own = sum(node == victim and outcome == UNKNOWN for _, node, outcome, _ in result.texts)
    stale = [text for _, _, outcome, text in result.texts if outcome == WRONG]
    errors = [f"{at:.1f} s, node {node}: {text}" for at, node, outcome, text in result.texts
              if outcome != WRONG and not (node == victim and outcome == UNKNOWN)]
    return own, errors, stale


def lost(history, values):
    """Keys of which less is found than was acknowledged. `values` is {key: number found}."""
    return [key for key, number in history.acknowledged.items()
            if not history.allows(key, values[key], number)]
