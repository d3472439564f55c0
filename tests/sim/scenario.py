"""The options of a run, drawn from its seed: how large, how bad, and what goes wrong.

The seed draws a kind of weather first, so that calm runs (where more may be demanded), runs with one
sort of fault and storms all occur.
"""

from dataclasses import dataclass, field

from tests.sim.clock import stream
from tests.sim.faults import KINDS, draw_schedule

PARTITIONS = 4
WEATHER = ("calm", "network", "islands", "islands", "crashes", "crashes", "pauses", "storm", "storm")

KINDS_OF = {
    "calm": (),
    "network": ("split", "divorce", "one way", "isolate", "mute", "slow"),
    "islands": ("divorce", "divorce", "divorce", "isolate"),
    "crashes": ("kill", "power", "power", "outage", "outage"),
    "pauses": ("pause", "clock", "slow"),
    "storm": KINDS,
}


@dataclass
class Options:
    seed: int
    nodes: int = 3
    replicas: int = 3
    clients: int = 4
    operations: int = 25                   # of each client
    key_count: int = 6
    modes: tuple = ("single", "plain", "causal", "causal", "mixed", "counter")     # of keys, see client.py
    fault_count: tuple = (1, 12)
    weather: str = "calm"
    always: bool = False                   # appendfsync always, else everysec
    extreme_clocks: bool = False           # by just so much, in one direction or the other
    offset_ms: float = 240                 # clocks are off by at most so much: twice it is permitted
    drift: float = 1e-4
    clock_step_ms: int = 1                 # clocks go on in steps of so much
    delay_ms: float = 1.0                  # mean
    loss: float = 0.0
    doubles: float = 0.0
    stragglers: float = 0.0
    straggler_ms: float = 500
    ordered: bool = True
    resent: float = 0.9                    # share of frames that wait at a cut
    break_ms: tuple = (300, 1500)          # until a dead connection is noticed
    fault_ms: float = 500                  # median duration of a fault
    roaming: float = 0.3                   # how often a client changes its node
    think_ms: float = 120
    load_ms: float = 10                    # a cold read takes up to so long
    cold_disks: bool = False
    slow_syncs: float = 0.02               # share of syncs that take up to 200 ms
    seal_chance: float = 0.002             # of each turn
    hints: bool = True                     # kept for whoever missed a write
    write_ms: int = 1000                   # for so long a write may be under way: no client waits longer
    hint_window_ms: int = 3 * 3_600_000
    sloppy: bool = False                   # hints count for W, and reads ask those who keep them
    gossip: bool = False                   # says who is alive; otherwise the network knows
    repair: bool = True                    # anti-entropy
    repair_interval_ms: int = 2000
    repair_rate: int = 0                   # bytes a second
    final: str = "reads"                   # what makes replicas equal at the end: reads or repair
    expiring: float = 0.3                  # share of SETs with a deadline
    deleting: float = 0.2                  # share of DELs among plain writes
    annotating: float = 0.0                # share of EXPIREs and PERSISTs among all
    hurry_ms: int = 0                      # until then clients hardly think
    last_ms: int = 1 << 40                 # nothing new is begun after it
    sticky: bool = False                   # clients stay where they are when they are refused
    heal_ms: int = 6000
    fast_clock: int = -1                   # a node whose clock is ten seconds ahead
    schedule: list = field(default_factory=list)
    canary: str = ""
    scenario: str = ""                     # see named.py
    places: list = ()                      # replicas of each partition; drawn if there are none
    down: tuple = ()                       # nodes that are down in the steady time

    steady: tuple = (0, 0)                 # ms from, to: all know who is down, quorums of any kind overlap

    def is_steady(self, operation):
        from_ms, to_ms = self.steady
        return from_ms * 1000 <= operation.start_us and (operation.end_us or 1 << 62) <= to_ms * 1000

    def __str__(self):
        name = f" of {self.scenario}" if self.scenario else ""
        return (f"seed {self.seed}{name}: {self.nodes} nodes, {self.replicas} replicas, {self.weather}, "
                f"{'sloppy' if self.sloppy else 'strict'}, {'hints' if self.hints else 'no hints'}, "
                f"final {self.final}, appendfsync {'always' if self.always else 'everysec'}, "
                f"loss {self.loss:.3f}, doubles {self.doubles:.3f}, stragglers {self.stragglers:.3f}, "
                f"{'ordered' if self.ordered else 'disordered'}, {len(self.schedule)} faults")


def draw_options(seed, **changes):
    """The options of a seed; `changes` replace what was drawn, the rest stays as it was."""
    random = stream(seed, "options")
    options = Options(seed)
    options.nodes = random.choice((3, 3, 3, 4, 5, 5, 6, 7))
    options.replicas = 5 if options.nodes >= 5 and random.random() < 0.15 else 3
    options.clients = random.randint(3, 6)
    options.operations = random.randint(25, 60)
    options.key_count = random.choice((1, 2, 4, 7))
    options.weather = random.choice(WEATHER)
    options.always = random.random() < 0.5
    options.drift = random.choice((0, 1e-4, 1e-3))
    options.delay_ms = random.choice((0.3, 1, 1, 5))
    options.ordered = random.random() < 0.4
    options.cold_disks = random.random() < 0.3
    options.roaming = random.choice((0.05, 0.3, 1.0))
    options.think_ms = random.choice((20, 100, 150))
    options.break_ms = random.choice(((50, 150), (200, 600), (300, 1500)))
    options.slow_syncs = random.choice((0, 0.02, 0.3))
    options.seal_chance = random.choice((0, 0.002, 0.02))
    if options.weather in ("network", "storm"):
        options.loss = random.choice((0, 0.01, 0.05))
        options.doubles = random.choice((0, 0.02, 0.1))
        options.stragglers = random.choice((0, 0.01, 0.05))
        options.straggler_ms = random.choice((100, 500, 3000))
        options.resent = random.choice((0, 0.5, 1))
    draw_repair(options, random)
    options.annotating = stream(seed, "annotations").choice((0, 0.1, 0.2, 0.5))
    if options.weather == "islands":
        draw_islands(options, random)
    kinds = KINDS_OF[options.weather]
    for name, value in changes.items():
        if value is not None:
            setattr(options, name, value)
    options.replicas = min(options.replicas, options.nodes)
    if kinds and "schedule" not in changes:
        options.schedule = draw_schedule(
            random, options.nodes, kinds, random.randint(*options.fault_count), 300,
            options.heal_ms - 500, options.fault_ms)
    return options


def draw_repair(options, random):
    """Half of the runs go on for so long that tombstones of their beginning are purged before their end."""
    options.repair_interval_ms = random.choice((600, 1500, 4000))
    options.repair_rate = random.choice((0, 0, 200_000))
    options.final = random.choice(("reads", "repair"))
    options.hints = random.random() < 0.8
    options.hint_window_ms = random.choice((3 * 3_600_000, 3 * 3_600_000, 1500))
    options.gossip = random.random() < 0.25
    options.sloppy = options.hints and random.random() < 0.3
    if random.random() < 0.5:
        options.heal_ms, options.think_ms = 14_000, random.choice((150, 300))


def draw_islands(options, random):
    """Nodes that do not hear each other, clocks as far apart as is permitted, and clients that stay where
    they are and want the same keys: two coordinators of a key that go on for long."""
    options.nodes, options.key_count = random.choice((3, 3, 4)), random.choice((1, 2))
    options.extreme_clocks, options.sticky = True, True
    options.modes = ("plain", "plain", "single", "causal")
    options.break_ms, options.fault_ms, options.fault_count = (20, 60), 500, (4, 10)
    options.roaming, options.think_ms, options.operations = 0.05, 15, 120
    options.heal_ms = 2500


def fast_clock(seed):
    """One clock is ten seconds ahead: its writes are refused by the others, nothing is poisoned."""
    return draw_options(seed, fast_clock=stream(seed, "fast clock").randrange(3), loss=0.0,
                        stragglers=0.0, schedule=[], annotating=0.3)
