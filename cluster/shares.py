"""What every member should hold: water-filling, then whole numbers.

Ideal is a share in proportion to the weight. Bounds may forbid it: a server that is heavier than
all others together still gets one replica of a partition only, and the only member of a data
centre gets all that its data centre must have. So shares are proportional *as far as the bounds let them*:

    share(member) = min(rate x weight, 1)                   per partition
    share(group)  = sum of its children, held between its least and its most

At the root one rate makes the shares add up to the number of replicas; a group that is held at a
bound gets a rate of its own for what is in it. This is the fairest division there is (max-min fair:
nobody's share per weight can grow without taking from one who has less per weight). `rate` is found
by Newton's method within a bracket; a sum of clamped lines consists of straight pieces, so a few
steps hit it exactly.

Goals are whole numbers near partitions x share: less than one away from it where nothing has to be
respected; within 5 % (or one) of it where a member holds that much already, because to move data
costs more than to be 5 % off. Goals are made top down, children adding up to their group, within
the bounds of every group, hence such that they can be met exactly.
"""

from heapq import heapify, heappop, heappush
from math import ceil, floor
from typing import NamedTuple

TOLERANCE = 0.05
NOISE = 1e-6  # of floating point, in partitions; far below any difference that matters
STEPS_MAX = 500


def replica_shares(spread, weights):
    """The share of each group in the replicas of one partition, as floats, by group."""
    shares = [0.0] * len(spread.children)
    shares[spread.root] = float(spread.replicas)
    top = 1 / min(weights)

    def amount(group, rate):
        if group < len(weights):
            return (rate * weights[group], weights[group]) if rate * weights[group] < 1 else (1, 0)
        total = slope = 0
        for child in spread.children[group]:
            one, rise = amount(child, rate)
            total += one
            slope += rise
        if total <= spread.least[group]:
            return spread.least[group], 0
        return (total, slope) if total < spread.most[group] else (spread.most[group], 0)

    for group in range(spread.root, len(weights) - 1, -1):
        inner = spread.children[group]
        if len(inner) == 1:
            shares[inner[0]] = shares[group]
            continue

        def amounts(rate, inner=inner):
            return add(amount(child, rate) for child in inner)

        rate = solve(amounts, shares[group], top)
        for child in inner:
            shares[child] = amount(child, rate)[0]
    return shares


def capped_shares(total, weights, caps):
    """Divide `total` by weight, nobody getting more than his cap."""
    if total >= sum(caps):
        return [float(cap) for cap in caps]

    def amount(rate):
        return add((rate * weight, weight) if rate * weight < cap else (cap, 0)
                   for weight, cap in zip(weights, caps))

    rate = solve(amount, total, max(cap / weight for weight, cap in zip(weights, caps)))
    return [float(min(rate * weight, cap)) for weight, cap in zip(weights, caps)]


def add(pairs):
    total = slope = 0
    for one, rise in pairs:
        total += one
        slope += rise
    return total, slope


def solve(function, wanted, top):
    """The rate, 0..top, at which a rising function made of straight pieces has the wanted value.
    The function returns (value, slope); at `top` it has reached its greatest value."""
    low, high, rate = 0.0, top, top
    for step in range(STEPS_MAX):
        value, slope = function(rate)
        if value == wanted or not low < high:
            break
        if value < wanted:
            low = rate
        else:
            high = rate
        rate += (wanted - value) / slope if slope else 0.0
        if not low < rate < high or step % 8 == 7:
            rate = (low + high) / 2
            if rate in (low, high):
                break
    return rate


class Band(NamedTuple):
    """What is near enough to a share, in whole numbers."""

    least: int
    most: int


def nearest(share):
    """The whole numbers less than one away from a share."""
    return Band(floor(share + NOISE), ceil(share - NOISE))


def within_one(share):
    """The whole numbers at most one, or the tolerance, away from a share."""
    slack = max(1, share * TOLERANCE) + NOISE
    return Band(max(ceil(share - slack), 0), floor(share + slack))


def bands(spread, shares, partitions):
    """The band of each group. Those of its children always leave room for it."""
    found = []
    for group, share in enumerate(shares):  # children come before the groups around them
        exact = share * partitions
        inner = spread.children[group]
        if inner:
            least = sum(found[child].least for child in inner)
            most = sum(found[child].most for child in inner)
        else:
            low, high = nearest(exact)
            least = min(low, ceil(exact * (1 - TOLERANCE)))
            most = max(high, floor(exact * (1 + TOLERANCE)))
        found.append(Band(max(least, spread.least[group] * partitions),
                          min(most, spread.most[group] * partitions)))
    return found


def whole_goals(spread, shares, partitions, held):
    """(goals, bands) of the members in whole replicas. `held`: what each member holds now."""
    near = bands(spread, shares, partitions)
    starts = [0] * len(shares)
    for group, inner in enumerate(spread.children):
        if inner:
            starts[group] = sum(starts[child] for child in inner)
        else:
            starts[group] = held[group] or round(shares[group] * partitions)
    goals = [0] * len(shares)
    goals[spread.root] = spread.replicas * partitions
    for group in range(spread.root, len(held) - 1, -1):
        inner = spread.children[group]
        divided = divide(goals[group], [starts[child] for child in inner],
                         [shares[child] * partitions for child in inner],
                         [near[child] for child in inner])
        for child, goal in zip(inner, divided):
            goals[child] = goal
    return goals[:len(held)], near[:len(held)]


def divide(total, starts, shares, near):
    """Whole numbers that add up to `total`, from `starts` on, within the bands. What is over is
    taken from those, and what is missing is given to those, who are furthest from their share."""
    goals = [min(max(start, band.least), band.most) for start, band in zip(starts, near)]
    excess = sum(goals) - total
    step = -1 if excess > 0 else 1
    queue = [(step * (goal - share) / (share + 1), i)
             for i, (goal, share) in enumerate(zip(goals, shares))]
    heapify(queue)
    while excess:
        _, i = heappop(queue)  # never empty: the bands leave room for the total
        if goals[i] == (near[i].least if step < 0 else near[i].most):
            continue
        goals[i] += step
        excess += step
        heappush(queue, (step * (goals[i] - shares[i]) / (shares[i] + 1), i))
    return goals
