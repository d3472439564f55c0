"""What goes wrong, and when: drawn from the seed before the run begins.

A schedule is a list of Faults in the order of time, so that one may be left out to see whether a
violation needs it (`--without 3`). Each fault ends by itself; `World.heal` ends all of them.
"""

from typing import NamedTuple

KINDS = ("split", "divorce", "one way", "isolate", "mute", "kill", "power", "pause", "slow", "clock",
         "outage")


class Fault(NamedTuple):
    at_ms: int
    kind: str
    nodes: tuple
    duration_ms: int

    def __str__(self):
        where = ",".join(map(str, self.nodes))
        return f"{self.kind} {where} at {self.at_ms} for {self.duration_ms} ms"


def draw_schedule(random, nodes, kinds, count, from_ms, to_ms, fault_ms):
    return sorted(draw_fault(random, nodes, random.choice(kinds), random.randint(from_ms, to_ms),
                             fault_ms)
                  for _ in range(count))


def draw_fault(random, nodes, kind, at_ms, fault_ms):
    order = random.sample(range(nodes), nodes)
    count = {"split": random.randint(1, nodes // 2), "divorce": 2, "one way": 2, "slow": 2, "outage": nodes}
    duration_ms = int(min(3500, fault_ms * random.lognormvariate(0, 0.9)))
    return Fault(at_ms, kind, tuple(order[:count.get(kind, 1)]), duration_ms)


class Faults:
    """Carries a schedule out."""

    def __init__(self, world, schedule):
        self.world, self.random = world, world.stream("faults")
        self.healed = False
        for fault in schedule:
            world.loop.call_later(fault.at_ms, self.begin, fault)

    def begin(self, fault):
        if self.healed:
            return
        self.world.trace.note("faults", str(fault))
        getattr(self, "do_" + fault.kind.replace(" ", "_"))(fault)

    def later(self, fault, callback, *args):
        self.world.loop.call_later(fault.duration_ms, self.unless_healed, callback, args)

    def unless_healed(self, callback, args):
        if not self.healed:
            callback(*args)

    def cut(self, fault, pairs):
        self.world.network.block(pairs, 1)
        self.later(fault, self.world.network.block, pairs, -1)

    def do_split(self, fault):
        others = [n for n in range(self.world.options.nodes) if n not in fault.nodes]
        self.cut(fault, [pair for a in fault.nodes for b in others for pair in ((a, b), (b, a))])

    do_isolate = do_split

    def do_mute(self, fault):
        """It hears everything, nobody hears it."""
        one = fault.nodes[0]
        self.cut(fault, [(one, b) for b in range(self.world.options.nodes) if b != one])

    def do_one_way(self, fault):
        self.cut(fault, [fault.nodes])

    def do_divorce(self, fault):
        """The first two replicas of a key do not hear each other, while all others hear both: it has
        two coordinators."""
        key = self.random.choice(self.world.keys)
        one, other = [machine.number for machine in key.replicas[:2]]
        self.cut(fault, [(one, other), (other, one)])

    def do_slow(self, fault):
        one, other = fault.nodes
        slow = self.world.network.slow
        slow[one][other] = slow[other][one] = self.random.uniform(5, 60)
        self.later(fault, self.quick, one, other)

    def quick(self, one, other):
        slow = self.world.network.slow
        slow[one][other] = slow[other][one] = 1.0

    def do_kill(self, fault, powerless=False):
        for number in fault.nodes:
            machine = self.world.machines[number]
            machine.crash(powerless)
            self.later(fault, machine.start)

    def do_power(self, fault):
        self.do_kill(fault, True)

    do_outage = do_power                   # all at once

    def do_wipe(self, fault):
        machine = self.world.machines[fault.nodes[0]]
        machine.wipe()
        self.later(fault, machine.start)

    def do_die(self, fault):
        """For good, as far as this run goes: at the end an empty machine takes its place."""
        machine = self.world.machines[fault.nodes[0]]
        machine.wipe()
        machine.dead = True

    def do_pause(self, fault):
        self.world.machines[fault.nodes[0]].pause(fault.duration_ms)

    def do_clock(self, fault):
        """Somebody sets the clock, within what is permitted."""
        limit = self.world.options.offset_ms
        self.world.machines[fault.nodes[0]].offset_ms = self.random.uniform(-limit, limit)

    def heal(self):
        self.healed = True
        self.world.trace.note("faults", "heal")
        self.world.network.heal()
        for machine in self.world.machines:
            if machine.paused:
                machine.resume(machine.generation)
            machine.dead = False
            machine.start()
