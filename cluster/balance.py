"""Bring every member to its goal by handing things on.

Members hold things (replicas of partitions, or the first place in one) and each has a goal. One who
has too much hands a thing directly to one who has too little, where the rules let it; or along a
chain of members, each of which passes something on and ends up with as many as before:

    a has one too many, d one too few:    a --p3--> c --p9--> d

Handing on is free where a thing was given out just now, or goes back to where it was before. It
costs a move where the thing leaves its home. Chains are searched cheapest first (Dijkstra), of
equally cheap ones the one with the fewest hops. For the rules used here (legal sets of a partition
are the bases of a matroid, see cluster/spread.py; first places are a bipartite matching) that means
two things: the hops of a chain never get into each other's way, even within one partition; and if
there is no chain, there is no better division (augmenting paths of a matroid intersection).

Left out: full minimum-cost flow. Direct hand-overs are made in one pass, before chains, which is
fast and within a few moves of the optimum.

Source: Edmonds, "Submodular functions, matroids, and certain polyhedra", 1970; Schrijver,
"Combinatorial Optimization", chapter 41.
"""

from heapq import heappop, heappush

from cluster.shares import Band

ENDLESS = float("inf")


class Shelves:
    """Who holds what, and how far from the goal everybody is.

    goals[m]      how many things member m should hold
    bands[m]      Band of what is near enough to the goal, when getting nearer would waste moves
    held[m]       dict whose keys are the things of m, in the order in which it gives them away
    homes[thing]  the members that had it before
    takers(thing, giver, among)   those of the dict `among` who may take it, in a fixed order
    hand(thing, giver, taker)     called for each change"""

    def __init__(self, goals, bands, held, homes, takers, hand):
        self.goals, self.bands, self.held, self.homes = goals, bands, held, homes
        self.takers, self.hand = takers, hand

    def level(self):
        """Hand on until all goals are met, or at least all bands if the rest would be waste.
        True if that is reached; False if no chain is left."""
        members = range(len(self.goals))
        for moves_max in (0, 1):
            rich, short = self.rich(), self.short()
            for giver in rich:
                self.give_directly(giver, short, moves_max)
            for giver in rich:
                while self.excess(giver) > 0:
                    if not self.give(giver, short, self.fair(giver, moves_max)):
                        break
        for giver in self.rich():
            while len(self.held[giver]) > self.bands[giver].most:
                if not self.give(giver, self.short(), ENDLESS):
                    return False
        for giver in self.rich():
            while self.excess(giver) > 0:
                starving = {m: None for m in members if len(self.held[m]) < self.bands[m].least}
                if not starving:
                    return True
                if not self.give(giver, starving, ENDLESS):
                    break
        return all(len(self.held[m]) >= self.bands[m].least for m in members)

    def worst_pair(self):
        """(who has too much, who has too little), at least one of them outside its band."""
        members = range(len(self.goals))
        over = [m for m in members if len(self.held[m]) > self.bands[m].most]
        under = [m for m in members if len(self.held[m]) < self.bands[m].least]
        return next(iter(over or self.rich())), next(iter(under or self.short()))

    def settle_at(self, loads):
        """From now on everybody should hold exactly so much."""
        self.goals = loads
        self.bands = [Band(load, load) for load in loads]

    def rich(self):
        return [m for m in range(len(self.goals)) if self.excess(m) > 0]

    def short(self):
        return {m: None for m in range(len(self.goals)) if self.excess(m) < 0}

    def excess(self, member):
        return len(self.held[member]) - self.goals[member]

    def fair(self, giver, moves_max):
        """How many moves are no waste. Who was given something just now should hand on that, and
        not what it has had all along."""
        if moves_max and all(giver in self.homes[thing] for thing in self.held[giver]):
            return 1
        return 0

    def give_directly(self, giver, short, moves_max):
        """One pass, since a thing that nobody could take will not be wanted later either."""
        free = self.fair(giver, moves_max) == 0
        for thing in list(self.held[giver]):
            if self.excess(giver) <= 0 or not short:
                return
            for taker in self.offer(thing, giver, short, free):
                self.move(thing, giver, taker)
                if self.excess(taker) >= 0:
                    del short[taker]
                break

    def give(self, giver, short, moves_max):
        """Hand on one thing along a chain; False if there is none."""
        chain = self.find_chain(giver, short, moves_max)
        for hop in chain:
            self.move(*hop)
        if chain and self.excess(chain[0][2]) >= 0:
            del short[chain[0][2]]
        return bool(chain)

    def offer(self, thing, giver, among, free):
        """Who of `among` may take a thing; if it is to be free, only those who cost no move."""
        if free and giver in self.homes[thing]:
            among = {m: None for m in self.homes[thing] if m in among}
            if not among:
                return ()
        return self.takers(thing, giver, among)

    def find_chain(self, start, short, moves_max):
        """The best chain of (thing, giver, taker) to one of `short`, last hop first, of at most
        so many moves; [] if there is none."""
        came = {start: None}
        unseen = {m: None for m in range(len(self.goals)) if m != start}
        # (moves, hops, running number, who gives, is that what is free)
        queue = [(0, 0, 0, start, True)]
        pushed = 0
        while queue and unseen:
            moves, hops, _, giver, is_free = heappop(queue)
            if is_free and moves < moves_max:
                pushed += 1
                heappush(queue, (moves + 1, hops, pushed, giver, False))
            for hop in self.hops(giver, short, unseen, is_free):
                came[hop[2]] = hop
                if hop[2] in short:
                    return unwind(hop, came)
                del unseen[hop[2]]
                pushed += 1
                heappush(queue, (moves, hops + 1, pushed, hop[2], True))
        return []

    def hops(self, giver, short, unseen, is_free):
        """Hops to members not seen yet; first of all to one of `short`, which ends the search."""
        things = [thing for thing in self.held[giver] if is_free or giver in self.homes[thing]]
        for among in (short, unseen):
            for thing in things:
                if not among:
                    return
                for taker in list(self.offer(thing, giver, among, is_free)):
                    yield thing, giver, taker

    def move(self, thing, giver, taker):
        del self.held[giver][thing]
        self.held[taker][thing] = None
        self.hand(thing, giver, taker)


def unwind(hop, came):
    """The hops of a chain, from its last one back to the start."""
    chain = []
    while hop is not None:
        chain.append(hop)
        hop = came[hop[1]]
    return chain
