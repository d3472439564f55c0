"""Named scenarios: one failure each, told on purpose instead of drawn, with the rest drawn as ever.

    away      a node is away for longer than hints are kept: killed, without power, frozen or cut off.
              Meanwhile keys are deleted, overwritten, given deadlines and expire. When it is back nothing
              of that returns
    wiped     a disk is lost; its node comes back empty and is refilled from all others
    keeper    who keeps hints for a node that is down goes down itself, and comes back when the others have
              long proved and purged without it; in a third of the runs it never does
    heir      two replicas of three are down, quorums are sloppy, and the third loses its disk before they
              are back: what it took is with the keepers of hints alone, which are killed once meanwhile
    lonely    two replicas of three are down, quorums are sloppy: writes at QUORUM are taken by the one
              that is left with hints beside it, and reads at QUORUM find them
    frozen    two of five nodes freeze: their connections stand, and only gossip tells that they are down
    minority  the same with strict quorums: no write is accepted, no read answers
    twins     two coordinators of a key do not hear each other, their clocks show the same in steps of 50 ms,
              and clients give the same versions deadlines at both: at times in the same moment

`python -m tests.sim --scenario away --seed 3`
"""

from tests.sim.clock import stream
from tests.sim.faults import Fault
from tests.sim.scenario import PARTITIONS, draw_options

SUSPECTED_MS = 4000             # by then gossip has told everybody
DETECTED_MS = 2500              # by then everybody has noticed, and what was under way has timed out


def begin(name, seed, **changes):
    """Calm but for what the scenario does."""
    options = draw_options(
        seed, **{
            "weather": "calm", "gossip": False, "loss": 0.0, "doubles": 0.0, "stragglers": 0.0,
            "schedule": [], "replicas": 3, "extreme_clocks": False, "sticky": False,
            "break_ms": (50, 300), "roaming": 0.3, "expiring": 0.3, "deleting": 0.5,
            "modes": ("plain", "plain", "mixed", "single"), "key_count": 30, "slow_syncs": 0,
            "seal_chance": 0.03, "clients": 5, **changes})
    random = stream(seed, name)
    options.scenario = name
    # Every key is written soon; later some are quiet, so that their last word is proved and purged.
    options.hurry_ms, options.think_ms, options.operations = 1500, random.choice((200, 500, 800)), 300
    return options, random


def away(seed):
    options, random = begin("away", seed, nodes=3 + seed % 2, heal_ms=17_000, last_ms=10_000,
                            hints=True, hint_window_ms=2000, repair_interval_ms=800, annotating=0.3)
    kind = random.choice(("kill", "power", "pause", "isolate"))
    options.schedule = [Fault(3000, kind, (random.randrange(options.nodes),), 9000)]
    options.final = random.choice(("reads", "repair"))
    return options


def wiped(seed):
    options, random = begin("wiped", seed, nodes=3 + seed % 2, heal_ms=13_000, last_ms=8000,
                            repair_interval_ms=800, annotating=0.3)
    options.schedule = [Fault(random.randint(3000, 6000), "wipe", (random.randrange(options.nodes),),
                              random.choice((100, 1000, 3000)))]
    return options


def keeper(seed):
    options, random = begin("keeper", seed, nodes=5, heal_ms=17_000, last_ms=12_000,
                            hints=True, sloppy=True,
                            hint_window_ms=60_000, repair_interval_ms=600, final="reads",
                            modes=("mixed", "mixed", "mixed", "plain"))
    options.places = [random.sample(range(3), 3) for _ in range(PARTITIONS)]
    options.schedule = [
        *[Fault(2000, "kill", (node,), 2500) for node in random.sample(range(3), 2)],
        *[Fault(random.randint(4000, 4600), random.choice(("kill", "power", "die")), (node,), 8000)
          for node in (3, 4)]]
    return options


def heir(seed):
    options, random = begin("heir", seed, nodes=5, heal_ms=12_000, last_ms=4000, write_ms=6000,
                            hints=True, sloppy=True, always=True,
                            hint_window_ms=60_000, final="reads")
    options.places = [random.sample(range(3), 3) for _ in range(PARTITIONS)]
    one, other, third = random.sample(range(3), 3)
    options.schedule = [
        *[Fault(2000, "kill", (node,), 3000) for node in (one, other)],
        *[Fault(random.randint(4000, 4400), "kill", (node,), 300) for node in (3, 4)],
        Fault(4800, "wipe", (third,), 500)]
    return options


def lonely(seed, name="lonely", sloppy=True):
    options, random = begin(name, seed, nodes=3 if seed % 2 else 5, heal_ms=10_000, last_ms=9400,
                            hints=True, sloppy=sloppy, hint_window_ms=60_000)
    down = random.sample(range(options.nodes), 2)
    kind = random.choice(("kill", "power"))
    options.schedule = [Fault(2000, kind, (node,), 7500) for node in down]
    options.steady, options.down = (2000 + DETECTED_MS, 9400), tuple(down)
    return options


def minority(seed):
    return lonely(seed, "minority", sloppy=False)


def frozen(seed):
    options, random = begin("frozen", seed, nodes=5, heal_ms=14_000, last_ms=12_900, hints=True,
                            sloppy=True, hint_window_ms=60_000, gossip=True)
    down = random.sample(range(5), 2)
    options.schedule = [Fault(3000, "pause", (node,), 10_000) for node in down]
    options.steady, options.down = (3000 + SUSPECTED_MS, 12_900), tuple(down)
    return options


def twins(seed):
    options, random = begin("twins", seed, nodes=3, sticky=True, heal_ms=2600, last_ms=2200, offset_ms=0,
                            drift=0.0, clock_step_ms=50, delay_ms=0.3, break_ms=(20, 60), roaming=0.05,
                            modes=("plain", "plain", "mixed"), key_count=2, clients=6, annotating=0.6)
    options.schedule = [Fault(at_ms, "divorce", (), 700) for at_ms in (400, 1200, 1900)]
    options.hurry_ms, options.think_ms = 0, random.choice((5, 15))
    return options


SCENARIOS = {"away": away, "wiped": wiped, "keeper": keeper, "heir": heir, "lonely": lonely,
             "minority": minority, "frozen": frozen, "twins": twins}
