"""Membership: one node's part in knowing who is in the cluster, where they are and who is down.

    no document   founding: meet the founders, or be given the document by one that has it
    document      gossip: every period a heartbeat and meetings with
                    `fanout` random members that are not down
                    up to ASKED_MAX that were silent for a while, or that came back from down
                    with probability 1 / (live + 1) one that is down, so that cut halves find each other

All meetings are messages of `cluster.gossip_format`, sent to an address and answered over the same
connection. A tick is a quarter of a period: silence is looked for in each, and a new report does not
wait for the period's end but goes out with the next tick, so that everybody knows within a few of
them. Nothing here waits; a lost message is made up for by the next.

**A disk is lost.** Its node comes back with a new id at a known address. It is told which member it was
and takes up that id, with a generation far above the last known one. It must be above: rows and dots
are ordered by generation, so in an old one its heartbeats would count as stale, and it would give new
writes the names (hlc, actor) of writes that it made before, has forgotten, and others still hold. And
by far, since whoever answers may have missed its last few starts.

The environment is that of `cluster.environment`, with one verb more:

    env.send_gossip(address, payload) -> bool     to (host, bus port); False: certainly not sent

Whoever receives a payload calls `receive` and sends back what that returns, as a payload again. The
handshake must have proved who the sender is.
"""

from typing import NamedTuple

from cluster.claim import claim
from cluster.detector import DOWN, UP, Detector, Limits
from cluster.document import DocumentError, check_member
from cluster.founding import Founding
from cluster.gossip import FIRST_HEARTBEAT_MAX, Table
from cluster.gossip_format import (
    ANSWER,
    DOCUMENT,
    FOUNDING,
    FOUNDING_ANSWER,
    REFUSAL,
    ROUND,
    BadGossip,
    Header,
    decode_document,
    decode_founding,
    decode_header,
    decode_refusal,
    decode_round,
    encode_document,
    encode_founding,
    encode_refusal,
    encode_round,
    kind_of,
)

TICKS_PER_PERIOD = 4
ASKED_MAX = 3             # members that are asked directly in one period, besides the random ones
ASKED_AFTER_PERIODS = 2   # of silence
MEETINGS_MAX = 8          # with founders, in one period
GENERATION_LEAP = 1000    # between the last known generation and that of a node that lost its disk


class Options(NamedTuple):
    period_ms: int = 1000
    fanout: int = 3
    marks_max: int = 64  # heartbeats in one message


class Events:
    """What the shell hears of. All are called in the middle of `receive` or `tick`."""

    def on_document(self, document):
        """There is a new document: write it down. Members are indices into this one from now on."""

    def on_change(self, member, before, now):
        """A member's state (see cluster.detector); `alive` has changed already."""

    def on_address(self, member, place):
        """A known member is somewhere else now."""

    def on_adopt(self, node_id, generation):
        """This node is that member from now on. Write it down before returning, and open the
        connections anew, since the handshake names the id. `on_document` follows."""

    def on_refusal(self, sentence):
        """A node does not want this one, or this one does not want that; for the log."""


class MemberView(NamedTuple):
    """A line of KV.NODES."""

    place: tuple
    state: str
    generation: int
    heartbeat: int
    age_ms: int
    suspected_by: tuple  # node ids
    epoch: int
    max_hlc: int


class Membership:
    """`me` is this node's cluster.document.Member; `seeds` are (host, bus port) pairs, `settings` a
    cluster.founding.Settings and `place` the placement function, all three for founding only. A node
    that was a member before gives its `document`."""

    def __init__(self, env, me, generation, seeds, settings, place=claim, document=None, options=None,
                 events=None):
        self.env, self.options, self.events = env, options or Options(), events or Events()
        options = self.options
        self.me, self.generation = check_member(me._replace(weight=float(me.weight))), generation
        self.tick_ms = options.period_ms / TICKS_PER_PERIOD
        self.founding = Founding(self.me, generation, seeds, settings, place)
        self.document = self.table = self.detector = None
        self.index = -1         # this node's, in the document
        self.alive = bytearray()
        self.refusal = ""       # the last sentence with which this node was refused
        self.next_period = 0
        self.urgent = False     # there are reports that should not wait for the period's end
        self.timer = None
        self.newer_self = 0     # generation of another process with this node's id, if one was met
        self.bytes_sent = self.bytes_received = 0
        self.receivers = {
            ROUND: self.receive_round, ANSWER: self.receive_round, FOUNDING: self.receive_founding,
            FOUNDING_ANSWER: self.receive_founding, DOCUMENT: self.receive_document,
            REFUSAL: self.receive_refusal}
        if document is not None:
            if me.node_id not in document.indices:
                raise DocumentError(f"this node ({me.node_id}) is no member of cluster "
                                    f"{document.cluster_id}, whose topology document it has")
            self.take_up(document)

    # The shell calls

    def start(self):
        """Begin to tick, at a moment of its own."""
        self.next_period = self.env.monotonic_ms
        self.timer = self.env.call_later(self.env.random.random() * self.tick_ms, self.on_timer)

    def stop(self):
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def tick(self, now):
        """To be called each `tick_ms`, with the monotonic time."""
        if self.document is None:
            self.found_if_agreed()
        else:
            self.look_around(now)
        if now >= self.next_period:
            # After a pause there is nothing to catch up with.
            self.next_period = max(self.next_period + self.options.period_ms, now + self.tick_ms)
            self.begin_period(now)
        elif self.urgent:
            self.meet(self.random_live())

    def receive(self, from_id, payload):
        """A payload from the node that the handshake named. Returns the one to send back, or None.
        Raises BadGossip, having changed nothing: close the connection then."""
        now = self.env.monotonic_ms
        self.bytes_received += len(payload)
        reply = self.receivers[kind_of(payload)](from_id, payload, now)
        self.bytes_sent += len(reply or b"")
        return reply

    def note_refused(self, member):
        """Connecting to the member was refused: nothing is routed there from now on."""
        if member != self.index:
            self.detector.refused(member, self.env.monotonic_ms)

    def note_contact(self, member):
        """Something else than gossip came from the member."""
        self.detector.contact(member, self.env.monotonic_ms)

    def announce(self, place):
        """This node's address, or what it tells of itself, is another one."""
        self.me = check_member(place._replace(weight=float(place.weight)))

    def place_of(self, member):
        """The newest address of a member, with all that it says of itself."""
        return self.table.rows[member].place

    def members_table(self):
        """A MemberView of each member; empty before there is a document."""
        now = self.env.monotonic_ms
        return [self.view_of(member, now) for member in range(len(self.alive))]

    def status(self):
        """What keeps this node from being a member, in a sentence; nothing if it is one."""
        if self.document is not None:
            return ""
        waiting = self.founding.waiting_for()
        return self.refusal or self.founding.complaint() or (
            f"waiting for {waiting}" if waiting else "waiting until the founders agree")

    # A period

    def on_timer(self):
        self.timer = self.env.call_later(self.tick_ms, self.on_timer)
        self.tick(self.env.monotonic_ms)

    def begin_period(self, now):
        if self.document is None:
            self.meet_founders()
            return
        self.table.beat(self.env.clock.last)
        peers = self.random_live()
        asked = self.to_ask(now, peers)
        self.meet(peers + asked + self.perhaps_one_down())

    def meet(self, members):
        self.urgent = False
        for member in members:
            self.detector.asked(member, self.env.monotonic_ms)
            self.send(self.address_of(member), self.table.opening(ROUND, self.header(), self.env.random))

    def random_live(self):
        states = self.detector.states
        live = [member for member in range(len(states)) if states[member] != DOWN and member != self.index]
        return self.env.random.sample(live, min(self.options.fanout, len(live)))

    def to_ask(self, now, besides):
        """Some of those of whom too little was heard: the ones that came back from down, then those
        that nobody asked yet. In random order, so that members of one mind ask different ones."""
        detector = self.detector
        limit = now - ASKED_AFTER_PERIODS * self.options.period_ms
        wanted = [(not detector.back[member], detector.asked_at[member] is not None,
                   self.env.random.random(), member)
                  for member in range(len(self.alive))
                  if (detector.back[member]
                      or (detector.heard_at[member] < limit and detector.states[member] != DOWN))
                  and member != self.index and member not in besides]
        return [entry[-1] for entry in sorted(wanted)[:ASKED_MAX]]

    def perhaps_one_down(self):
        down = [member for member, state in enumerate(self.detector.states)
                if state == DOWN and not self.detector.back[member]]
        live = len(self.alive) - len(down)
        if down and self.env.random.random() * live < 1:
            return [self.env.random.choice(down)]
        return []

    def look_around(self, now):
        self.detector.check(now, self.tick_ms)
        if self.table.publish(self.me, self.detector.suspects()):
            self.urgent = True

    def send(self, address, payload):
        if self.env.send_gossip(address, payload):
            self.bytes_sent += len(payload)

    # Founding

    def meet_founders(self):
        addresses = self.founding.to_meet()
        chosen = self.env.random.sample(addresses, min(MEETINGS_MAX, len(addresses)))
        for address in chosen:
            self.send(address, self.own_word(FOUNDING))

    def own_word(self, kind):
        return encode_founding(kind, self.founding.word())

    def found_if_agreed(self):
        try:
            document = self.founding.document()
        except DocumentError as error:
            if self.refusal != str(error):
                self.refusal = str(error)
                self.events.on_refusal(self.refusal)
            return
        if document is not None:
            self.change_document(document)

    def receive_founding(self, from_id, payload, now):
        newcomer = decode_founding(payload)
        if newcomer.place.node_id != from_id:
            raise BadGossip(f"{from_id} speaks for {newcomer.place.node_id}")
        if self.document is not None:
            return self.receive_homeless(newcomer.place)
        self.founding.hear(newcomer)
        return self.own_word(FOUNDING_ANSWER) if payload[:1] == FOUNDING else None

    def receive_homeless(self, place):
        """A node without a document: a founder that was late, a member whose disk was lost, or a
        stranger."""
        member = self.document.indices.get(place.node_id)
        if member is None:
            member = self.member_at(place)
            if member is None:
                return self.refuse_stranger(place.node_id)
            if self.detector.states[member] == UP:
                return encode_refusal(
                    f"{place.ip}:{place.bus_port} is the address of member {self.table.node_ids[member]}, "
                    "which was alive a moment ago; if you are that node without its disk, you will be let "
                    "in as soon as it counts as silent")
        return encode_document(member, self.table.rows[member].generation, self.document.json)

    def member_at(self, place):
        for member in range(len(self.alive)):
            if self.address_of(member) == (place.ip, place.bus_port):
                return member
        return None

    def receive_document(self, from_id, payload, now):
        member, generation, document = decode_document(payload)
        if self.document is None:
            self.join(document, member, generation)
        elif document.cluster_id != self.document.cluster_id:
            self.events.on_refusal(f"{from_id} sent the topology of cluster {document.cluster_id}; this "
                                   f"node is a member of {self.document.cluster_id}")
        elif document.version > self.document.version and self.me.node_id in document.indices:
            self.change_document(document)
        return None

    def join(self, document, member, generation):
        """Become a member of a cluster that others have founded."""
        node_id = document.members[member].node_id
        if node_id != self.me.node_id or generation >= self.generation:
            self.me = self.me._replace(node_id=node_id)
            self.generation = max(generation, self.generation) + GENERATION_LEAP
            self.events.on_adopt(node_id, self.generation)
        self.change_document(document)

    def change_document(self, document):
        self.take_up(document)
        self.events.on_document(document)

    def take_up(self, document):
        """Be a member according to this document from now on."""
        now = self.env.monotonic_ms
        index = document.indices[self.me.node_id]
        first = int(self.env.clock.now_ms // self.options.period_ms) % FIRST_HEARTBEAT_MAX
        table = Table(document, index, self.me, self.generation, self.options.marks_max, first)
        inherited = table.inherit(self.table) if self.table else []
        limits = Limits.of_period(self.options.period_ms)
        detector = Detector(table.rows, index, limits, now, self.events.on_change)
        if self.detector:
            detector.inherit(self.detector, inherited)
        self.document, self.table, self.detector, self.index = document, table, detector, index
        self.alive, self.refusal = detector.alive, ""
        self.tell_moved()

    # Gossip

    def receive_round(self, from_id, payload, now):
        header = decode_header(payload)
        if self.document is None:
            return self.own_word(FOUNDING)
        sender = self.document.indices.get(from_id)
        if header.tag != self.tag():
            return encode_refusal(f"this node is a member of cluster {self.document.cluster_id}, you are "
                                  f"of another one ({header.tag.hex()}...)")
        if sender is None:
            return self.refuse_stranger(from_id)
        if (header.epoch, header.digest) != self.document.version:
            return self.settle_version(header, sender, now)
        if header.sender != sender:
            raise BadGossip(f"{from_id} is member {sender} and speaks as member {header.sender}")
        marks, contents = decode_round(payload, self.table.node_ids)
        self.take_in(marks, contents, now)
        self.table.rows[sender].max_hlc = max(self.table.rows[sender].max_hlc, header.max_hlc)
        self.detector.contact(sender, now)
        return self.table.answer(ANSWER, self.header(), marks) if payload[:1] == ROUND else None

    def take_in(self, marks, contents, now):
        if now - self.detector.checked_at > 2 * self.options.period_ms:
            # This node stood still. It must notice before it believes what has piled up meanwhile.
            self.look_around(now)
        lively, changed = self.table.merge(marks, contents)
        for member in lively:
            self.detector.heard(member, now)
        for member in changed:
            if self.detector.reported(member, self.table.rows[member].suspects):
                self.urgent = True
        self.tell_moved()
        if self.table.newer_self > self.newer_self:
            self.newer_self = self.table.newer_self
            self.events.on_refusal(f"another process is member {self.me.node_id} too, with generation "
                                   f"{self.table.newer_self}; this one has {self.generation}")

    def tell_moved(self):
        moved, self.table.moved = self.table.moved, []
        for member in moved:
            self.events.on_address(member, self.table.rows[member].place)

    def settle_version(self, header, sender, now):
        """The other's members are not this node's members: only documents may be exchanged."""
        self.detector.contact(sender, now)
        if self.document.version > (header.epoch, header.digest):
            return encode_document(sender, self.table.rows[sender].generation, self.document.json)
        return encode_round(ROUND, self.header(), [], [])  # shows the older version: asks for the other

    def header(self):
        return Header(self.tag(), self.document.epoch, self.document.digest, self.index, self.env.clock.last)

    def tag(self):
        return bytes.fromhex(self.document.cluster_id[:16])

    def address_of(self, member):
        place = self.table.rows[member].place
        return place.ip, place.bus_port

    # Refusals

    def refuse_stranger(self, node_id):
        return encode_refusal(f"node {node_id} is no member of cluster {self.document.cluster_id} (epoch "
                              f"{self.document.epoch}), and no member had its address")

    def receive_refusal(self, from_id, payload, now):
        self.refusal = decode_refusal(payload)
        self.events.on_refusal(f"{from_id} refuses this node: {self.refusal}")
        return None

    # KV.NODES

    def view_of(self, member, now):
        row, detector = self.table.rows[member], self.detector
        mine = member == self.index
        return MemberView(
            place=row.place, state=detector.states[member], generation=row.generation,
            heartbeat=row.heartbeat, age_ms=0 if mine else int(now - detector.heard_at[member]),
            suspected_by=tuple(self.table.node_ids[who] for who in detector.reporters(member)),
            epoch=row.epoch, max_hlc=self.env.clock.last if mine else row.max_hlc)
