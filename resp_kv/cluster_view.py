"""The cluster as this node's commands show it: members, their slots, who is alive.

CLUSTER NODES, SLOTS and SHARDS tell clients of every node as the master of the slots that it is
preferred coordinator of, and of no replicas. All nodes must tell the same, so this goes by what the
cluster has agreed on (a member that is *down*), not by what one node sees at the moment.
"""

from typing import NamedTuple

from cluster.partitions import slots_of

SLOTS = 16384
UP, SUSPECT, UNREACHABLE, DOWN = "up", "suspect", "unreachable", "down"


class NodeLine(NamedTuple):
    """A member as clients are told of it."""

    id: str
    ip: str
    port: int
    bus_port: int
    hostname: str
    dc: str
    rack: str
    weight: float
    state: str
    is_myself: bool
    ranges: tuple
    is_connected: bool = True          # requests can be sent there now


class ClusterView:
    """A node that is on its own, or still waits for the others."""

    ready = False

    @property
    def settled(self):
        return False

    @property
    def incomplete(self):
        """How many of the partitions that clients find here lack data that was lost."""
        return 0

    @property
    def epoch(self):
        return 0

    @property
    def members(self):
        return ()

    @property
    def status(self):
        return ""

    def lines(self):
        return []


class LiveView(ClusterView):
    """All but `writer` are the cluster layer's."""

    ready = True

    def __init__(self, document, membership, coordinator, timekeeper, writer):
        self.document, self.membership, self.coordinator = document, membership, coordinator
        self.timekeeper, self.writer = timekeeper, writer
        self.refresh()

    @property
    def epoch(self):
        return self.document.epoch

    @property
    def members(self):
        return self.document.members

    @property
    def status(self):
        return self.membership.status()

    def refresh(self):
        """Somebody went down or came back: slots have other masters."""
        states = [line.state for line in self.membership.members_table()]
        partitions = self.document.partitions
        self.masters = [master(replicas, states) for replicas in self.document.placement]
        self.ranges = [[] for _ in self.members]
        for partition, member in enumerate(self.masters):
            if member is None:
                continue
            first, last = slots_of(partition, partitions)
            mine = self.ranges[member]
            if mine and mine[-1][1] == first - 1:
                mine[-1] = (mine[-1][0], last)
            else:
                mine.append((first, last))
        self.writer.shown = tuple(self.ranges[self.membership.index])

    def lines(self):
        lines = []
        for index, (member, row) in enumerate(
                zip(self.members, self.membership.members_table(), strict=True)):
            place = row.place
            lines.append(NodeLine(
                member.node_id, place.ip, place.port, place.bus_port, place.hostname, place.dc,
                place.rack, place.weight, row.state, index == self.membership.index,
                tuple(self.ranges[index]), self.coordinator.is_alive(index)))
        return lines

    @property
    def settled(self):
        """Whether every other member can be reached, or is known to be down: not yet so for a moment
        after the start."""
        coordinator = self.coordinator
        return all(coordinator.is_alive(member) or coordinator.is_gone(member)
                   for member in range(len(self.members)) if member != coordinator.me)

    @property
    def incomplete(self):
        replica, me = self.coordinator.replica, self.membership.index
        if not replica.refilling_count:
            return 0
        return sum(master == me and replica.is_refilling(partition)
                   for partition, master in enumerate(self.masters))

    def partition_of(self, slot):
        return slot * self.document.partitions // SLOTS

    def master_of(self, slot):
        """The member that clients are told of for a slot, None: no replica is up."""
        return self.masters[self.partition_of(slot)]


def master(replicas, states):
    """The first replica that the cluster does not hold for down."""
    for member in replicas:
        if states[member] != DOWN:
            return member
    return None
