"""Who holds what: the outcome of a claim, and the members it is about.

A Placement is plain data and stands in the topology document. Whoever has read it there can ask for
fallbacks without claiming again: they follow from the members' names alone.
"""

from typing import NamedTuple

from cluster.ring import VNODES_DEFAULT, Ring, partition_point


class Member(NamedTuple):
    """A node as placement sees it."""

    name: str
    """Stable for life, unique: the 40-hex node id."""
    server: str
    """The physical host. Processes of one host share its fate, so they share its replicas."""
    dc: str = ""
    rack: str = ""
    weight: float = 1.0
    """How much it should hold in comparison with others; above 0."""


class Placement:
    """The replicas of every partition. Immutable.

    members   tuple of Member, sorted by name; everywhere else a member is its index in here
    replicas  replicas[p] = tuple of members in order of preference, [0] = preferred coordinator"""

    __slots__ = ("members", "replicas", "vnodes", "_ring")

    def __init__(self, members, replicas, vnodes=VNODES_DEFAULT):
        self.members, self.replicas, self.vnodes = tuple(members), tuple(replicas), vnodes
        self._ring = None

    def __eq__(self, other):
        if not isinstance(other, Placement):
            return NotImplemented
        return (self.members, self.replicas, self.vnodes) == (
            other.members, other.replicas, other.vnodes)

    def __hash__(self):
        return hash((self.members, self.replicas, self.vnodes))

    def fallbacks(self, partition):
        """The members that are no replicas of a partition, in the order in which they stand in for
        one (sloppy quorum): clockwise on the ring, those first whose server holds no copy yet."""
        if self._ring is None:
            self._ring = Ring(self.members, self.vnodes)
        replicas = self.replicas[partition]
        seen = {self.members[index].server: None for index in replicas}
        fresh, again = [], []
        for index in self._ring.walk(partition_point(partition)):
            if index in replicas:
                continue
            server = self.members[index].server
            (again if server in seen else fresh).append(index)
            seen[server] = None
        return (*fresh, *again)

    def loads(self):
        """How many replicas each member holds."""
        counts = [0] * len(self.members)
        for replicas in self.replicas:
            for index in replicas:
                counts[index] += 1
        return counts

    def firsts(self):
        """Of how many partitions each member is the preferred coordinator."""
        counts = [0] * len(self.members)
        for replicas in self.replicas:
            if replicas:
                counts[replicas[0]] += 1
        return counts
