"""A network between machines that loses, delays, doubles, reorders and cuts.

A Link is the connection that one node opened to another: requests go forth on it, answers come back.
What TCP promises is kept only in a mild form, so that the protocol rests on as little as possible:

    loss, doubles, disorder   of single frames, at the rates of the run (a doubled EXECUTE excepted:
                              no command that reads and writes is repeated by a connection)
    a cut, in one direction   frames wait at it (TCP sends again) until it heals or the link breaks,
                              or are lost with some probability
    a broken link             is noticed after a while, by the side that opened it: `set_alive(False)`;
                              at once where the process was killed. Opened again when that is possible
    a pause                   breaks nothing; what arrives waits in the socket
"""

WATCH_MS = 80
HELD_MAX = 10_000


class Link:
    """`epoch` counts how often it was opened; `peer` is the generation at the other end."""

    __slots__ = ("source", "target", "open", "epoch", "peer", "held", "broken_at_ms", "doubted",
                 "last_us")

    def __init__(self, source, target):
        self.source, self.target = source, target
        self.open = self.doubted = False
        self.epoch = self.peer = 0
        self.held, self.broken_at_ms, self.last_us = [], None, [0, 0]


class Network:
    def __init__(self, world):
        self.world, self.options, self.loop = world, world.options, world.loop
        self.random = world.stream("network")
        self.count = count = world.options.nodes
        self.links = [[Link(a, b) for b in range(count)] for a in range(count)]
        self.cut = [[0] * count for _ in range(count)]        # how many faults cut this direction
        self.slow = [[1.0] * count for _ in range(count)]
        self.lossy = True
        for number in range(count):
            self.loop.call_later(self.random.uniform(1, WATCH_MS), self.watch, number)

    def link(self, source, target):
        """What a node sends over: (Link, epoch), or None if there is no connection."""
        link = self.links[source][target]
        return (link, link.epoch) if link.open else None

    def send(self, token, frame):
        link, epoch = token
        self.transmit(link, epoch, False, frame)

    def answer(self, token, frame):
        link, epoch = token
        self.transmit(link, epoch, True, frame)

    def transmit(self, link, epoch, back, frame):
        if not link.open or link.epoch != epoch:
            return
        one, other = (link.target, link.source) if back else (link.source, link.target)
        if self.cut[one][other]:
            if len(link.held) < HELD_MAX and self.random.random() < self.options.resent:
                link.held.append((epoch, back, frame))
            return
        if self.lossy and self.random.random() < self.options.loss:
            self.world.trace.note("network", f"loses {one} -> {other}", frame)
            return
        self.depart(link, epoch, back, one, other, frame)
        if self.lossy and frame[8:9] not in b"XY" and self.random.random() < self.options.doubles:
            self.depart(link, epoch, back, one, other, frame)

    def depart(self, link, epoch, back, one, other, frame):
        delay_ms = self.options.delay_ms * self.random.expovariate(1.0) + 0.05
        if self.lossy and self.random.random() < self.options.stragglers:
            delay_ms += self.random.uniform(10, self.options.straggler_ms)
        delay_ms *= self.slow[one][other]
        if self.options.ordered:
            due_us = max(link.last_us[back] + 1, self.loop.now_us + int(delay_ms * 1000))
            link.last_us[back] = due_us
            delay_ms = (due_us - self.loop.now_us) / 1000
        self.loop.call_later(delay_ms, self.arrive, link, epoch, back, frame)

    def arrive(self, link, epoch, back, frame):
        if not link.open or link.epoch != epoch:
            return
        one, other = (link.target, link.source) if back else (link.source, link.target)
        node = self.world.machines[other].node
        if node is None or (not back and node.generation != link.peer):
            return
        self.world.trace.note(f"node {other}", f"from {one}", frame)
        node.deliver(node.frame_arrives, one, (link, epoch), frame)

    def gossip(self, node, target, payload):
        """A message of the membership, on a connection of its own."""
        one, number = node.number, self.random.random()
        if not self.cut[one][target] and not (self.lossy and number < self.options.loss):
            delay_ms = self.options.delay_ms * self.random.expovariate(1.0) + 0.05
            self.loop.call_later(delay_ms * self.slow[one][target], self.gossip_arrives, node, target,
                                 payload)

    def gossip_arrives(self, sender, target, payload):
        machine = self.world.machines[target]
        if machine.node is not None:
            self.world.trace.note(f"node {target}", f"gossip from {sender.number}", payload)
            machine.node.deliver(machine.node.gossip_arrives, sender.number, payload)
        elif not machine.powerless and not sender.stopped:
            sender.deliver(sender.gossip_is_refused, target)

    # -- connections ---------------------------------------------------------------------------

    def started(self, number):
        for link in self.links[number]:
            link.open = link.doubted = False

    def stopped(self, number):
        """Its own connections are gone; those to it are noticed by `watch`."""
        for link in self.links[number]:
            link.open = False

    def watch(self, number):
        """What a node's operating system and failure detector notice, some ten times a second."""
        if self.world.machines[number].running:
            for other in range(self.count):
                if other != number:
                    self.look(self.links[number][other])
        self.loop.call_later(self.random.uniform(0.7, 1.3) * WATCH_MS, self.watch, number)

    def look(self, link):
        peer = self.world.machines[link.target]
        reached = not self.cut[link.source][link.target] and not self.cut[link.target][link.source]
        now_ms = self.loop.now_ms
        if not link.open:
            if reached and peer.node is not None and not peer.paused:
                self.open(link, peer)
            return
        if reached and (peer.generation != link.peer or (
                peer.node is None and not peer.powerless)):
            self.close(link)               # a reset came back
        elif reached and peer.running:
            link.broken_at_ms = None
            if link.doubted:
                link.doubted = False
                self.tell(link, True)
        elif link.broken_at_ms is None:
            link.broken_at_ms = now_ms + self.random.uniform(*self.options.break_ms)
        elif now_ms >= link.broken_at_ms:
            if peer.paused and reached:    # the connection stands, the detector has its doubts
                if not link.doubted and not self.options.gossip:
                    link.doubted = True
                    self.tell(link, False)
            else:
                self.close(link)

    def open(self, link, peer):
        link.open, link.peer, link.broken_at_ms, link.doubted = True, peer.generation, None, False
        link.epoch += 1
        link.held, link.last_us = [], [0, 0]
        self.tell(link, True)

    def close(self, link):
        link.open, link.held = False, []
        self.tell(link, False)

    def tell(self, link, alive):
        node = self.world.machines[link.source].node
        self.world.trace.note(f"node {link.source}", f"{'reaches' if alive else 'loses'} {link.target}")
        node.deliver(node.member_is, link.target, alive)

    # -- faults --------------------------------------------------------------------------------

    def block(self, pairs, change):
        """Cut (+1) or mend (-1) these directions."""
        for one, other in pairs:
            self.cut[one][other] += change
        for row in self.links:
            for link in row:
                self.release(link)

    def release(self, link):
        waiting, link.held = link.held, []
        for epoch, back, frame in waiting:
            one, other = (link.target, link.source) if back else (link.source, link.target)
            if self.cut[one][other]:
                link.held.append((epoch, back, frame))
            else:
                self.depart(link, epoch, back, one, other, frame)

    def heal(self):
        self.lossy = False
        count = self.count
        self.block([(a, b) for a in range(count) for b in range(count)], 0)
        self.cut = [[0] * count for _ in range(count)]
        self.slow = [[1.0] * count for _ in range(count)]
        self.block([], 0)
