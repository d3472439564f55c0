"""How the replicas of one partition may spread over data centres, racks and servers.

Members form a tree, and every group in it gets a least and a most number of replicas of the *same*
partition. Three replicas, two data centres, no counts asked for:

    all  3..3 -+- dc a  1..2 -+- rack r1  0..1 -+- server h1  0..1 --- member
               |              |                 +- server h2  0..1 -+- member
               |              +- rack r2  0..1 ...                  +- member (same host)
               +- dc b  1..2 ...

- The counts of the data centres are those that were asked for, or as even as can be.
- The counts of the racks within a data centre are as even as can be: distinct racks as long as
  there are enough, then twos, and so on.
- A server has one replica at most, and so has each of its members.

"As even as can be" is water poured into vessels that are as deep as the servers in them: u is the
lowest level at which all k replicas find room, and a child gets min(u - 1, depth) to min(u, depth).
A group whose count varies (1..2 above) pours the larger number; the bounds of the children then fit
the smaller one as well. That is why bounds are enough and no rule needs to look at siblings.

The groups are nested and each is bounded below and above, so the legal sets of k replicas are the
bases of a matroid (laminar). Two things follow that the claim builds upon: members taken greedily,
as long as `add` lets them in, always end in a legal set; and legal sets turn into one another by
swaps of one member for another.

Groups are numbered: members 0..n-1 first, then servers, racks, data centres, and `root` last.
"""

from itertools import count


class Spread:
    """The groups of `members` and their bounds; raises ValueError for what contradicts itself.

    replicas   how many a partition gets: as asked for, or as many as there are servers for
    least[g], most[g]   bounds of a group
    children[g]         the groups within a group
    paths[m]            the groups of a member, from itself to the root, always five"""

    def __init__(self, members, replication, distinct_servers=True):
        self.paths, self.children, keys = grouped(members, distinct_servers)
        self.root = len(self.children) - 1
        depth = self.depths()
        wanted = replication if isinstance(replication, dict) else None
        total = sum(min(wanted.get(keys[dc], 0), depth[dc]) for dc in self.children[self.root]) \
            if wanted is not None else min(replication, depth[self.root])
        self.replicas = total
        self.least, self.most = [0] * len(depth), [0] * len(depth)
        self.least[self.root] = self.most[self.root] = total
        for group in range(self.root, len(members) - 1, -1):
            inner = self.children[group]
            if group == self.root and wanted is not None:
                bounds = [(min(wanted.get(keys[dc], 0), depth[dc]),) * 2 for dc in inner]
            else:
                bounds = evenly(self.most[group], [depth[child] for child in inner])
            for child, (least, most) in zip(inner, bounds):
                self.least[child], self.most[child] = least, most
        self.empty = [sum(self.least[child] for child in inner) for inner in self.children]

    def depths(self):
        """Of each group how many replicas it has room for: its servers."""
        depth = [1] * len(self.children)
        for group, inner in enumerate(self.children):
            if inner:  # the members of one server share its single place
                room = sum(depth[child] for child in inner)
                depth[group] = 1 if not self.children[inner[0]] else room
        return depth

    def start(self):
        """Counters of a partition without replicas. A counter is what its group needs at least:
        the replicas it has, and those it must still get."""
        return self.empty.copy()

    def add(self, counters, member):
        """Let a member in, unless no legal set contains it and those before; True if it is in.
        Once `replicas` of them are in, the counters are the true counts of all groups."""
        changed = 0
        for group in self.paths[member]:
            if counters[group] >= self.most[group]:
                return False
            changed += 1
            if counters[group] < self.least[group]:
                break  # the groups around it have reckoned with this one
        for group in self.paths[member][:changed]:
            counters[group] += 1
        return True

    def swappable(self, counters, giver, taker):
        """May `taker` replace `giver` in a full set?"""
        least, most = self.least, self.most
        for inside, outside in zip(self.paths[giver], self.paths[taker]):
            if inside == outside:
                return True
            if counters[outside] >= most[outside] or counters[inside] <= least[inside]:
                return False
        raise AssertionError("paths meet at the root")

    def swap(self, counters, giver, taker):
        """Replace `giver` by `taker`."""
        for inside, outside in zip(self.paths[giver], self.paths[taker]):
            if inside == outside:
                return
            counters[inside] -= 1
            counters[outside] += 1


def evenly(replicas, depths):
    """(least, most) for each of some vessels into which so many replicas are poured."""
    level = 0
    while sum(min(level, depth) for depth in depths) < replicas:
        level += 1
    return [(min(max(level - 1, 0), depth), min(level, depth)) for depth in depths]


def grouped(members, distinct_servers):
    """(paths, children, keys of the groups) of the tree, groups numbered level by level."""
    for member in members:
        if not 0 < member.weight < float("inf"):
            raise ValueError(f"the weight of {member.name} is {member.weight}; it must be above 0")
    check_servers(members, distinct_servers)
    keys = [member.name for member in members]
    children = [[] for _ in members]
    paths = [[index] for index in range(len(members))]
    fresh = count(len(members))
    for level in range(4):
        numbers = {}
        for path, member in zip(paths, members):
            server = member.server if distinct_servers else member.name
            key = (member.dc, member.rack, server)[:3 - level]
            if key not in numbers:
                numbers[key] = next(fresh)
                keys.append(key[-1] if key else "")
                children.append([])
            group = numbers[key]
            if path[-1] not in children[group]:
                children[group].append(path[-1])
            path.append(group)
    return [tuple(path) for path in paths], children, keys


def check_servers(members, distinct_servers):
    """A server stands in one rack: else no bound of a rack could keep it from being taken twice."""
    where = {}
    for member in members if distinct_servers else ():
        place = (member.dc, member.rack)
        if where.setdefault(member.server, place) != place:
            raise ValueError(
                f"server {member.server} is said to be in two racks: "
                f"{'/'.join(where[member.server])} and {'/'.join(place)}")
