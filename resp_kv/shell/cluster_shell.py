"""A node's part in a cluster as a process: the document on disk, membership, connections, plans.

    start      the document that is kept beside the data, if there is one; else founding (cluster-seeds)
    document   -> plans of all partitions -> Coordinator -> the node's commands go to replicas
    change     the failure detector or a connection says who can be reached -> Coordinator.set_alive

A member counts as reachable when the detector does not say otherwise *and* this node has a
connection to it whose handshake is done.
"""

import logging
import os
import random

from cluster import levels
from cluster.anti_entropy import Options as RepairOptions
from cluster.anti_entropy import Repairer
from cluster.coordinator import Coordinator
from cluster.detector import DOWN
from cluster.document import Member, from_json
from cluster.founding import Settings
from cluster.gossip_format import BadGossip
from cluster.hints import Hints
from cluster.journal import Journal
from cluster.membership import Events, Membership
from cluster.plan import Plan
from cluster.replica import Replica
from cluster.timekeeper import Timekeeper
from cluster.watermarks import note_lost_disk
from cluster.wire import BadFrame
from resp_kv.cluster_view import LiveView
from resp_kv.replicator import Replicator
from resp_kv.shell.environment import ShellEnvironment
from resp_kv.shell.link import Link
from resp_kv.shell.peers import Peers
from resp_kv.shell.walker import Walker

log = logging.getLogger("resp_kv.cluster")

DOCUMENT_FILE = "cluster.json"
TICK_S = 0.01
IDLE_TICK_S = 0.05             # while there are no requests
HINTS_MS, PEERS_MS = 1000, 100         # between two looks at hints and connections


class ClusterShell(Events):
    """`server` is the Server; `writer` the Writer of its keyspaces."""

    def __init__(self, server, store, writer):
        self.server, self.config, self.writer = server, server.config, writer
        self.node, self.driver, self.loop = server.node, server.driver, server.loop
        self.identity = server.identity
        self.environment = ShellEnvironment(server.clock, store, random.Random(), self.loop)
        self.environment.driver = self.driver
        self.environment.walker = Walker(self.driver, self.loop)
        self.replica = Replica(store, server.clock, self.config.get("vector-clock-max-entries"))
        self.peers = Peers(self, self.driver, self.loop, self.config.get("cluster-secret"))
        self.environment.peers = self.driver.peers = self.peers
        self.driver.environment = self.environment
        self.membership = self.coordinator = self.replicator = self.view = self.repairer = None
        self.timekeeper = None
        self.path = os.path.join(server.directory, DOCUMENT_FILE)
        self.hints_ms = self.peers_ms = self.seen_id = 0
        server.background.garbage = self.garbage

    # -- start and stop -----------------------------------------------------------------------

    def open(self):
        """Become a member again, or begin to found. Raises OSError, DocumentError."""
        config = self.config
        self.membership = Membership(
            self.environment, self.own_member(), self.identity.generation, self.seeds(),
            Settings(config.get("cluster-partitions"), config.get("replication-factor"), True),
            document=self.stored_document(), events=self)
        self.on_document(self.membership.document)
        if self.membership.document is None:
            self.node.traffic.replicated = True
            self.node.replicator = Unformed(self.membership)
            self.membership.found_if_agreed()          # at once, where this node is the only founder
        self.follow_config()

    def listen(self):
        config = self.config
        port = config.get("cluster-port") or config.get("port") + 10000
        for address in config.get("bind") or ():
            host = {"*": "0.0.0.0", "::*": "::"}.get(address.lstrip("-"), address.lstrip("-"))
            try:
                self.peers.listen(host, port, config.get("tcp-backlog"))
            except OSError:
                if not address.startswith("-"):
                    raise
                continue
            log.info("bus: ready for other nodes on %s port %d", host, port)
        self.membership.start()
        self.loop.call_later(TICK_S, self.tick)

    def stop(self):
        self.membership.stop()
        self.peers.stop()
        self.environment.walker.stop()

    def start(self, work):
        self.server.start(work)

    def seeds(self):
        return [(host.strip("[]"), int(port)) for host, _, port in (
            seed.rpartition(":") for seed in self.config.get("cluster-seeds"))]

    def own_member(self):
        """This node as it tells the others of itself."""
        get = self.config.get
        ip, port, bus_port = self.node.announce
        ip = ip or first_address(get("bind"))
        return Member(
            self.identity.node_id, ip, port, bus_port, get("cluster-announce-hostname"),
            get("node-server") or ip, get("node-dc"), get("node-rack"), float(get("node-weight")))

    def stored_document(self):
        try:
            with open(self.path, "rb") as file:
                return from_json(file.read())
        except FileNotFoundError:
            return None

    # -- regular work -------------------------------------------------------------------------

    def tick(self):
        idle = self.coordinator is None or (
            not self.coordinator.pending and self.coordinator.next_id == self.seen_id)
        if not idle:
            self.seen_id = self.coordinator.next_id
        self.loop.call_later(IDLE_TICK_S if idle else TICK_S, self.tick)
        driver = self.driver
        driver.begin_outside()
        if self.coordinator is not None:
            self.coordinator.tick(self.environment.monotonic_ms)
            self.repairer.tick()
        now_ms = self.environment.monotonic_ms
        if now_ms >= self.peers_ms:
            self.peers_ms = now_ms + PEERS_MS
            self.peers.tick()
            for member in range(len(self.environment.links)):
                self.update_alive(member)
        if self.coordinator is not None and now_ms >= self.hints_ms:
            self.hints_ms = now_ms + HINTS_MS
            self.hints.retry()
        driver.finish_outside()

    def garbage(self):
        """(ms, hlc): what a compaction may leave out, see Background. On a cluster a tombstone hides
        what other replicas have, too, until it is proved that all have the tombstone."""
        document = self.membership.document if self.membership is not None else None
        if document is not None and len(document.members) == 1:
            return self.server.background.all_is_seen()
        return (0, 0) if self.repairer is None else self.repairer.garbage()

    def addresses(self):
        """Where connections should be."""
        membership = self.membership
        if membership.document is None:
            return []
        return [membership.address_of(member) for member in range(len(membership.alive))
                if member != membership.index]

    # -- what the membership tells ------------------------------------------------------------

    def on_document(self, document):
        if document is None or self.membership is None:
            return
        write_durably(self.path, document.json)
        index = self.membership.index
        self.environment.links = [None] * len(document.members)
        plans = make_plans(document, index)
        self.timekeeper = self.driver.timekeeper = Timekeeper(
            len(document.members), index, self.config.get("max-clock-drift"))
        self.coordinator = Coordinator(
            self.environment, self.replica, list(document.members), index, self.writer.actor, plans)
        self.driver.coordinator = self.coordinator
        self.repairer = Repairer(self.coordinator, self.repair_options())
        self.coordinator.journal = Journal(self.config.get("conflict-journal-max-len"))
        self.hints = Hints(self.coordinator, window_ms=self.config.get("hint-window") * 1000,
                           bytes_max=self.config.get("hint-bytes-max"))
        self.repairer.hold_back = lambda partition: self.hints.oldest_hlc()
        self.replicator = Replicator(self.node, self.coordinator,
                                     siblings_max=self.config.get("siblings-max"))
        self.view = LiveView(document, self.membership, self.coordinator, self.timekeeper,
                             self.writer)
        self.node.cluster = self.view
        self.apply_levels()
        for link in [*self.peers.outgoing.values(), *self.peers.incoming]:
            self.identify(link)
        self.node.use_replicator(self.replicator, len(document.members) > 1)
        log.info("cluster %s, epoch %d: %d members, this node is number %d", document.cluster_id,
                 document.epoch, len(document.members), index)

    def on_change(self, member, before, now):
        log.warning("member %s: %s, was %s", self.name_of(member), now, before)
        self.update_alive(member)
        self.view.refresh()

    def on_address(self, member, place):
        log.info("member %s is at %s:%d now", place.node_id, place.ip, place.bus_port)
        for link in list(self.peers.outgoing.values()):
            if link.member == member and link.address != (place.ip, place.bus_port):
                self.driver.close_link(link, "the member has another address")

    def on_adopt(self, node_id, generation):
        log.warning("this node is member %s, whose data was lost here; generation %d", node_id,
                    generation)
        self.identity.adopt(node_id, generation)
        self.node.node_id = node_id
        self.writer.actor = self.identity.actor
        self.replica.store.has_room()
        note_lost_disk(self.replica.store, self.server.clock)
        self.server.engine.sync()
        self.peers.close_all("the id of this node is another one")

    def on_refusal(self, sentence):
        self.peers.complain("gossip", sentence)

    # -- connections --------------------------------------------------------------------------

    @property
    def cluster_id(self):
        document = self.membership.document
        return document.cluster_id if document is not None else ""

    @property
    def node_id(self):
        return self.identity.node_id

    @property
    def generation(self):
        return self.identity.generation

    def new_link(self, outgoing, address):
        return Link(self.peers, outgoing, address)

    def identify(self, link):
        """Which member is at the other end."""
        document = self.membership.document
        link.member = -1 if document is None else document.indices.get(link.node_id, -1)
        if link.member >= 0 and link.outgoing and link.ready:
            self.environment.links[link.member] = link
            self.update_alive(link.member)

    def link_ready(self, link):
        self.identify(link)
        if link.member >= 0:
            self.membership.note_contact(link.member)
            self.update_alive(link.member)
            if self.environment.links[link.member] is None:
                self.peers.open_now(self.membership.address_of(link.member))

    def link_lost(self, link, reason):
        if link.member >= 0 and link.outgoing and self.environment.links[link.member] is link:
            log.warning("member %s: no connection (%s)", self.name_of(link.member), reason)
            self.environment.links[link.member] = None
            self.update_alive(link.member)
            self.peers.link_to(link.address)

    def address_refused(self, address):
        membership = self.membership
        for member in range(len(membership.alive)):
            if membership.address_of(member) == address:
                membership.note_refused(member)

    def update_alive(self, member):
        """A connection that takes no more is as good as none, until it takes something again."""
        if self.coordinator is not None and member != self.membership.index:
            link = self.environment.links[member]
            # That a member cannot be reached is no evidence that it is down, while it was never met.
            met = self.membership.table.rows[member].heartbeat > 0
            self.coordinator.set_gone(member, met or self.membership.detector.states[member] == DOWN)
            self.coordinator.set_alive(
                member, link is not None and not link.is_full and self.is_member_to_itself(link)
                and self.peers.has_called(member) and bool(self.membership.alive[member]))

    def is_member_to_itself(self, link):
        """Whether the node there knows that it is a member: it said so in the handshake, or has
        gossiped since the cluster was founded."""
        return link.state.cluster == self.cluster_id or \
            self.membership.table.rows[link.member].heartbeat > 0

    @property
    def now_ms(self):
        return self.server.clock.now_ms

    def heard_clock(self, link, clock_ms):
        """What the clock of the node at the other end shows."""
        document, keeper = self.membership.document, self.timekeeper
        member = -1 if document is None else document.indices.get(link.node_id, -1)
        if member >= 0 and keeper.heard(member, clock_ms, self.environment.monotonic_ms):
            if keeper.correction_ms:
                log.warning("the system clock is %d ms away from that of most nodes; this node goes by "
                            "theirs until it is set right", -keeper.correction_ms)
            else:
                log.warning("the system clock is right again")

    def take_gossip(self, link, payload):
        try:
            return self.membership.receive(link.node_id, payload)
        except BadGossip as error:
            raise BadFrame(str(error)) from None

    def name_of(self, member):
        place = self.membership.place_of(member)
        return f"{place.node_id[:8]} at {place.ip}:{place.port}"

    # -- configuration ------------------------------------------------------------------------

    def follow_config(self):
        for name in ("read-consistency", "write-consistency", "read-request-timeout",
                     "write-request-timeout", "appendfsync", "sloppy-quorum", "siblings-max",
                     "vector-clock-max-entries", "cluster-redirect", "hint-window",
                     "hint-bytes-max", "repair-rate-limit", "repair-interval"):
            self.config.subscribe(name, lambda _: self.apply_levels())

    def apply_levels(self):
        get, coordinator = self.config.get, self.coordinator
        self.replica.clock_entries_max = get("vector-clock-max-entries")
        if coordinator is None:
            return
        coordinator.read_level = levels.code_of(get("read-consistency"), writing=False)
        coordinator.write_level = levels.code_of(get("write-consistency"), writing=True)
        coordinator.read_timeout_ms = get("read-request-timeout")
        coordinator.write_timeout_ms = get("write-request-timeout")
        coordinator.sloppy = get("sloppy-quorum")
        self.hints.window_ms = get("hint-window") * 1000
        self.hints.bytes_max = get("hint-bytes-max")
        coordinator.wait_for_sync = get("appendfsync") == "always"
        self.repairer.options = self.repair_options()
        self.replicator.siblings_max = get("siblings-max")
        self.replicator.redirect = get("cluster-redirect")
        for client in self.node.clients.values():
            if client.line is not None and not client.line.chosen:
                self.node.follow_defaults(client.line)

    def repair_options(self):
        get = self.config.get
        return RepairOptions(get("repair-rate-limit"), get("repair-interval") * 1000)


class Unformed:
    """Stands in for the replicator while the founders have not met."""

    coordinator = None

    def __init__(self, membership):
        self.membership = membership

    def start(self, client, row, args):
        from resp_kv.errors import CommandError
        from resp_kv.replicator import LOCAL

        if row.first_key == 0 and not row.is_write and row.name != "exec":
            return LOCAL
        raise CommandError(f"CLUSTERDOWN the cluster is not formed yet: {self.membership.status()}")


def make_plans(document, index):
    """A Plan of each partition, as this member sees it."""
    members, placed = document.members, document.placed
    return [Plan(partition, replicas, placed.fallbacks(partition),
                 [members[member].dc for member in replicas], index, members[index].dc)
            for partition, replicas in enumerate(document.placement)]


def first_address(addresses):
    """The address that other nodes are told when none is configured."""
    for address in addresses:
        host = address.lstrip("-")
        if host not in ("*", "0.0.0.0", "::", "::*"):
            return host
    return "127.0.0.1"


def write_durably(path, text):
    """Replace a file."""
    temporary = path + ".new"
    with open(temporary, "wb") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
