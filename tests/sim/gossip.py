"""The real membership of a node: heartbeats, suspicion and reports over the simulated network.

Without it (Options.gossip) the network tells each node what a detector would have noticed. With it the
network tells only of connections; whether a member that has one is alive is the detector's to say, as in
the shell.
"""

from types import SimpleNamespace

from cluster.detector import DOWN
from cluster.document import Member, found
from cluster.founding import Settings
from cluster.membership import Events, Membership, Options

PERIOD_MS = 200                 # a fifth of the product's, since a run lasts seconds


def document_of(count, places):
    """Members in the order of their numbers. Who holds what is the World's to say, not the claim's."""
    members = [Member(f"{number + 1:040x}", "10.0.0.1", 7001 + number, 17_001 + number, "",
                      f"server-{number}", "here", "rack", 1.0) for number in range(count)]
    return found(members, len(places), len(places[0]), lambda *_, **__: SimpleNamespace(replicas=places))


class Gossip(Events):
    """Of one node: the environment of its Membership, and who hears of changes."""

    def __init__(self, node, document):
        self.node, self.random = node, node.world.stream(
            f"gossip {node.number} generation {node.generation}")
        self.clock = node.clock
        self.linked = [False] * len(document.members)
        self.membership = Membership(
            self, document.members[node.number], node.generation, (), Settings(1, 1, True),
            document=document, options=Options(period_ms=PERIOD_MS), events=self)
        self.membership.start()

    @property
    def monotonic_ms(self):
        return self.node.world.loop.now_ms

    def call_later(self, delay_ms, callback):
        return self.node.call_later(delay_ms, self.node.deliver, callback)

    def send_gossip(self, address, payload):
        self.node.world.network.gossip(self.node, address[1] - 17_001, payload)
        return True

    def arrives(self, sender, payload):
        reply = self.membership.receive(self.membership.document.members[sender].node_id, payload)
        if reply is not None:
            self.node.world.network.gossip(self.node, sender, reply)

    def refused(self, member):
        self.membership.note_refused(member)

    def connection_is(self, member, stands):
        self.linked[member] = stands
        if stands:
            self.membership.note_contact(member)
        self.update(member)

    def on_change(self, member, before, now):
        self.node.world.trace.note(f"node {self.node.number}", f"member {member}: {now}, was {before}")
        self.update(member)

    def update(self, member):
        """As ClusterShell.update_alive."""
        membership, coordinator = self.membership, self.node.coordinator
        met = membership.table.rows[member].heartbeat > 0
        coordinator.set_gone(member, met or membership.detector.states[member] == DOWN)
        coordinator.set_alive(member, self.linked[member] and bool(membership.alive[member]))
