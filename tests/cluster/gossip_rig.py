"""Memberships on a virtual clock and a network that loses, delays, cuts and pauses. One seed, one history."""

from heapq import heappop, heappush
from random import Random
from types import SimpleNamespace

from cluster.detector import DOWN
from cluster.document import Member, found
from cluster.founding import Settings
from cluster.membership import Events, Membership, Options


def member_of(number, **fields):
    given = dict(node_id=f"{number * 7919 + 1:040x}", ip=f"10.0.0.{number}", port=7000, bus_port=17000,
                 hostname="", server=f"host{number}", dc="dc1", rack="rack1", weight=1.0)
    return Member(**{**given, **fields})


def place_in_turn(members, partitions, replication, distinct_servers=True):
    """As many members as wanted, one partition after the other."""
    copies = min(replication if isinstance(replication, int) else sum(replication.values()), len(members))
    replicas = [[(partition + copy) % len(members) for copy in range(copies)]
                for partition in range(partitions)]
    return SimpleNamespace(replicas=replicas)


class Timer:
    cancelled = False

    def cancel(self):
        self.cancelled = True


class Env:
    """One node's outside world."""

    def __init__(self, network, address, random):
        self.network, self.address, self.random = network, address, random
        self.clock = SimpleNamespace(last=0, now_ms=int(network.wall_ms + network.now))

    @property
    def monotonic_ms(self):
        return self.network.now

    def call_later(self, delay_ms, callback):
        timer = Timer()
        self.network.at(delay_ms, self.fire, timer, callback, self.network.nodes.get(self.address))
        return timer

    def fire(self, timer, callback, node):
        network = self.network
        if timer.cancelled or network.nodes.get(self.address) is not node:
            return
        wait = network.paused_until.get(self.address, 0) - network.now
        if wait > 0:
            network.at(wait, self.fire, timer, callback, node)
        else:
            callback()

    def send_gossip(self, address, payload):
        return self.network.send(self.address, address, payload)


class Log(Events):
    def __init__(self, network):
        self.network, self.changes, self.documents = network, [], []
        self.adopted, self.addresses, self.refusals = [], [], []

    def on_document(self, document):
        self.documents.append(document)

    def on_change(self, member, before, now):
        self.changes.append((self.network.now, member, before, now))

    def on_address(self, member, place):
        self.addresses.append((member, place))

    def on_adopt(self, node_id, generation):
        self.adopted.append((node_id, generation))

    def on_refusal(self, sentence):
        self.refusals.append(sentence)


class Network:
    def __init__(self, seed=1, loss=0.0, delay_ms=(1, 20), refuses=True):
        self.random = Random(seed)
        self.now, self.events, self.count = 0.0, [], 0
        self.wall_ms = 1_700_000_000_000
        self.loss, self.delay_ms, self.refuses = loss, delay_ms, refuses
        self.nodes = {}          # address -> Membership
        self.paused_until = {}
        self.cut = lambda source, target: False
        self.messages = 0

    # Clock

    def at(self, delay_ms, action, *arguments):
        self.count += 1
        heappush(self.events, (self.now + delay_ms, self.count, action, arguments))

    def run(self, ms):
        end = self.now + ms
        while self.events and self.events[0][0] <= end:
            self.now, _, action, arguments = heappop(self.events)
            action(*arguments)
        self.now = end

    def run_until(self, condition, ms_max, step_ms=50):
        """The milliseconds until the condition held, or None."""
        begin = self.now
        while self.now - begin < ms_max:
            if condition():
                return self.now - begin
            self.run(step_ms)
        return None

    # Messages

    def send(self, source, target, payload):
        self.messages += 1
        self.deliver_later(source, target, payload, self.nodes[source])
        return True

    def deliver_later(self, source, target, payload, sender):
        if self.random.random() >= self.loss:
            self.at(self.random.uniform(*self.delay_ms), self.deliver, source, target, payload, sender,
                    sender.me.node_id)

    def deliver(self, source, target, payload, sender, from_id):
        if self.cut(source, target):
            return
        node = self.nodes.get(target)
        if node is None:
            if self.refuses and sender.document is not None:
                for member in range(len(sender.alive)):
                    if sender.address_of(member) == target:
                        sender.note_refused(member)
            return
        wait = self.paused_until.get(target, 0) - self.now
        if wait > 0:
            self.at(wait, self.deliver, source, target, payload, sender, from_id)
            return
        reply = node.receive(from_id, payload)
        if reply is not None and self.nodes.get(source) is sender:
            self.deliver_later(target, source, reply, node)

    # Nodes

    def add(self, member, seeds=(), document=None, generation=1, settings=Settings(), options=Options()):  # noqa: B008
        address = (member.ip, member.bus_port)
        env = Env(self, address, Random(self.random.getrandbits(64)))
        node = Membership(env, member, generation, seeds, settings, place_in_turn, document, options,
                          Log(self))
        self.nodes[address] = node
        node.start()
        return node

    def kill(self, node):
        """kill -9."""
        address = node.env.address
        del self.nodes[address]
        return address

    def pause(self, node, ms):
        self.paused_until[node.env.address] = self.now + ms


def cluster(count, settle_ms=5000, options=Options(), **network_options):  # noqa: B008
    """A founded cluster that has run for a while: (network, nodes in the order of members)."""
    network = Network(**network_options)
    members = [member_of(number) for number in range(count)]
    document = found(members, 16, 3, place_in_turn)
    for member in document.members:
        network.add(member, document=document, options=options)
    network.run(settle_ms)
    return network, list(network.nodes.values())


def downs(nodes):
    """(observer, member) of every declaration that holds now."""
    return [(node.index, member) for node in nodes for member, state in enumerate(node.detector.states)
            if state == DOWN]
