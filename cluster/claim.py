"""Claim: which members hold which partitions. A pure function of the membership.

Consistent hashing with bounded loads (Mirrokni et al., 2018), made exact:

1. Bounds: how the replicas of one partition must spread     (cluster/spread.py)
2. Goals: how many replicas each member should have, in whole numbers, less than one partition
   away from its share by weight                             (cluster/shares.py)
3. Keep what every partition has under the previous placement, as far as the bounds allow; then walk
   clockwise on the ring, taking members below their goal    (cluster/ring.py)
4. Hand replicas on until all goals are met                  (cluster/balance.py)
5. First places the same way: keep, walk, hand on. A first place coordinates writes and is what
   cluster clients are told of, so it is balanced like the data. It moves without moving data.

Goals within the bounds can always be met: shares are a mixture of legal sets, and two nested
systems of sets (groups within a partition, members over all partitions) make a network flow, whose
vertices are whole. With the first places chosen as their goals say, in any manner, the rest can still be
filled up to its goals. So when step 5 gets stuck (the sets of step 4 share too few members), a
member that lacks a first place is let into a partition, and step 4 runs again around the first
places. Asserts say so.

Data moves are dear, so with a previous placement goals start from what members hold, and a member
may stay up to 5 % (or one partition) off its share where getting nearer would move more than is
handed over. When a member comes, it gets its share and nobody else gets anything; when one leaves,
its replicas go and others stay; unless the bounds themselves change (a rack more or less, a data
centre whose count grows with its servers). Where racks or counts leave little choice, the orphans
of a leaver may be of the wrong partitions for those who should get them: then a few more move.

Left out: nothing prefers to give neighbours the same first replica (shorter CLUSTER SLOTS); nothing
keeps apart two moves of one partition (the planner of moves does).
"""

from itertools import pairwise

from cluster.balance import Shelves
from cluster.partitions import PARTITIONS_DEFAULT, check_partitions
from cluster.placement import Member, Placement
from cluster.ring import VNODES_DEFAULT, Ring, partition_point
from cluster.shares import capped_shares, divide, nearest, replica_shares, whole_goals, within_one
from cluster.spread import Spread

__all__ = ["Member", "Placement", "claim"]


def claim(members, partitions=PARTITIONS_DEFAULT, replication=3, previous=None, *,
          distinct_servers=True, vnodes=VNODES_DEFAULT):
    """The Placement of `partitions` partitions on `members` (any iterable of Member, in any order).

    replication       the number of replicas N, spread over data centres as evenly as possible; or
                      {data centre: number}; others then hold nothing. Fewer servers than that: as
                      many replicas as there are servers
    previous          the Placement to change as little as possible; members are matched by name
    distinct_servers  False: every member counts as a server of its own, whatever host it runs on
    Raises ValueError for members or numbers that make no sense."""
    members = tuple(sorted(members))
    check(members, partitions, replication, previous)
    spread = Spread(members, replication, distinct_servers)
    draft = Draft(members, spread, Ring(members, vnodes), partitions)
    draft.keep(previous)
    draft.set_goals()
    draft.fill()
    draft.settle_replicas()
    draft.set_first_goals()
    draft.settle_firsts()
    return Placement(members, draft.preference_lists(), vnodes)


def check(members, partitions, replication, previous):
    check_partitions(partitions)
    if not members:
        raise ValueError("a placement needs a member")
    for one, other in pairwise(members):
        if one.name == other.name:
            raise ValueError(f"two members are called {one.name}")
    counts = replication.values() if isinstance(replication, dict) else [replication]
    if min(counts, default=0) < 0 or sum(counts) < 1:
        raise ValueError(f"replication must be at least 1, not {replication}")
    if previous is not None and len(previous.replicas) != partitions:
        fixed = len(previous.replicas)
        raise ValueError(f"the number of partitions stays {fixed}, it cannot become {partitions}")

class Draft:
    """A placement in the making; its steps in the order of their calls.

    walks[p]     all members clockwise from the partition
    by_point     the partitions in an order that has nothing to do with their neighbourhood
    kept[p]      members that hold the partition under the previous placement
    counters[p]  replicas of each group; counters[p][m] is 1 if member m is a replica
    first[p]     the preferred coordinator"""

    def __init__(self, members, spread, ring, partitions):
        self.members, self.spread = members, spread
        self.weights = [member.weight for member in members]
        points = [partition_point(p) for p in range(partitions)]
        self.walks = [ring.walk(point) for point in points]
        self.by_point = sorted(range(partitions), key=points.__getitem__)
        self.kept = [[] for _ in range(partitions)]
        self.counters = [[] for _ in range(partitions)]
        self.first = [None] * partitions
        self.loads = [0] * len(members)
        self.pinned = False

    def keep(self, previous):
        """Take over what there was."""
        if previous is None:
            return
        now = {member.name: index for index, member in enumerate(self.members)}
        index_of = [now.get(member.name) for member in previous.members]
        for p, replicas in enumerate(previous.replicas):
            renamed = [index_of[old] for old in replicas]
            self.kept[p] = [index for index in renamed if index is not None]
            self.first[p] = renamed[0] if renamed else None
            for index in self.kept[p]:
                self.loads[index] += 1

    def set_goals(self):
        shares = replica_shares(self.spread, self.weights)
        self.goals, self.bands = whole_goals(self.spread, shares, len(self.walks), self.loads)

    def fill(self):
        """Every partition gets a legal set: of what it had the most that may stay, then members
        below their goal in ring order, then, for want of such, any in ring order."""
        for p, walk in enumerate(self.walks):
            counters = self.counters[p] = self.spread.start()
            missing = self.spread.replicas
            # Those that have too much go first where not all may stay.
            for index in sorted(self.kept[p], key=lambda m: (self.loads[m] - self.goals[m], m)):
                if missing and self.spread.add(counters, index):
                    missing -= 1
                else:
                    self.loads[index] -= 1
            for bounded in (True, False):
                for index in walk if missing else ():
                    if bounded and self.loads[index] >= self.goals[index]:
                        continue
                    if not counters[index] and self.spread.add(counters, index):
                        self.loads[index] += 1
                        missing -= 1
                        if not missing:
                            break
            assert not missing

    def settle_replicas(self):
        held = [{} for _ in self.members]
        for p in self.by_point:
            for index in self.walks[p]:
                if self.counters[p][index]:
                    held[index][p] = None
        self.replicas = Shelves(
            self.goals, self.bands, held, self.kept, self.replica_takers, self.hand_replica)
        met = self.replicas.level()
        assert met

    def replica_takers(self, p, giver, among):
        if self.pinned and self.first[p] == giver:
            return
        counters = self.counters[p]
        for taker in among:
            if not counters[taker] and self.spread.swappable(counters, giver, taker):
                yield taker

    def hand_replica(self, p, giver, taker):
        self.spread.swap(self.counters[p], giver, taker)

    def set_first_goals(self):
        """Nobody is first more often than it is a replica; else by weight."""
        partitions = len(self.walks) if self.spread.replicas else 0
        loads = [len(held) for held in self.replicas.held]
        self.replicas.settle_at(loads)
        shares = capped_shares(partitions, self.weights, loads)
        starts = [0] * len(loads)
        for index in self.first:
            if index is not None:
                starts[index] += 1
        self.first_goals = divide(partitions, starts, shares, [nearest(share) for share in shares])
        self.first_bands = [within_one(share) for share in shares]

    def settle_firsts(self):
        held = [{} for _ in self.members]
        for p in self.by_point:
            index = self.first[p]
            if index is None or not self.counters[p][index]:
                index = self.first[p] = self.next_first(p, held)
            if index is not None:
                held[index][p] = None
        homes = [()] * len(self.walks)  # no data moves with a first place
        self.firsts = Shelves(
            self.first_goals, self.first_bands, held, homes, self.first_takers, self.hand_first)
        while not self.firsts.level():
            self.let_in()

    def next_first(self, p, held):
        """The first replica in ring order that may have another first place; else the first."""
        replicas = self.replicas_of(p)
        below = [m for m in replicas if len(held[m]) < self.first_goals[m]]
        return next(iter(below or replicas), None)

    def first_takers(self, p, giver, among):
        return [m for m in self.replicas_of(p) if m in among]

    def hand_first(self, p, giver, taker):
        self.first[p] = taker

    def let_in(self):
        """Give a member that lacks a first place one in a partition that it does not hold yet, and
        make good for it elsewhere."""
        giver, taker = self.firsts.worst_pair()
        p = next(p for p in self.firsts.held[giver] if not self.counters[p][taker])
        counters, dropped = self.spread.start(), None
        for index in (taker, *self.replicas_of(p)):
            if not self.spread.add(counters, index):
                dropped = index
        self.counters[p] = counters
        del self.replicas.held[dropped][p]
        self.replicas.held[taker][p] = None
        self.firsts.move(p, giver, taker)
        self.pinned = True
        met = self.replicas.level()
        assert met
        self.pinned = False

    def replicas_of(self, p):
        counters = self.counters[p]
        return [m for m in self.walks[p] if counters[m]]

    def preference_lists(self):
        return [
            tuple(sorted(self.replicas_of(p), key=lambda m: m != self.first[p]))
            for p in range(len(self.walks))
        ]
