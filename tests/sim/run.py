"""python -m tests.sim: replay one seed, or run many.

    python -m tests.sim --seed 17              what happened around the violation, if there is one
    python -m tests.sim --seed 17 --trace      everything; --word causal3 for lines with that word
    python -m tests.sim --seed 17 --without 2  without the third fault of the schedule
    python -m tests.sim --scenario away --seed 3   one of the named scenarios (named.py)
    python -m tests.sim --seeds 10000          many, two processes; prints the seeds that fail
"""

import argparse
import sys
import time
from functools import partial
from multiprocessing import Pool

from tests.sim.checkers import Violation
from tests.sim.named import SCENARIOS
from tests.sim.scenario import draw_options, fast_clock
from tests.sim.world import World

AROUND_MS = 400


def options_of(seed, arguments):
    if arguments.fast_clock:
        return fast_clock(seed)
    options = (SCENARIOS[arguments.scenario](seed) if arguments.scenario
               else draw_options(seed, nodes=arguments.nodes))
    options.canary = arguments.canary
    without = arguments.without or ()
    options.schedule = [f for i, f in enumerate(options.schedule) if i not in without]
    return options


def command_of(options):
    """The one command that replays a run."""
    return (f".venv/bin/python -m tests.sim --seed {options.seed}"
            + (f" --scenario {options.scenario}" if options.scenario else "")
            + (" --fast-clock" if options.fast_clock >= 0 else "")
            + (f" --canary {options.canary}" if options.canary else ""))


def failure_of(options):
    """None, or the sentence about what is wrong and how to see it again."""
    try:
        World(options).run()
    except Violation as violation:
        return f"{violation}\n  {options}\n  replay: {command_of(options)}"
    except Exception as error:
        return f"{type(error).__name__}: {error}\n  {options}\n  replay: {command_of(options)}"
    return None


def digest_of(options):
    return World(options).run().trace.digest()


def failure_of_seed(scenario, seed):
    return failure_of(SCENARIOS[scenario](seed) if scenario else draw_options(seed))


def run_many(first, count, scenario="", processes=2):
    """Yields the failures of many seeds."""
    with Pool(processes) as pool:
        for failure in pool.imap_unordered(partial(failure_of_seed, scenario),
                                           range(first, first + count), 8):
            if failure is not None:
                yield failure


def replay(options, arguments):
    world = World(options, keep_trace=True)
    print(options)
    for number, fault in enumerate(options.schedule):
        print(f"  fault {number}: {fault}")
    violation = None
    try:
        world.run()
    except Violation as error:
        violation = error
    if arguments.trace:
        print(*world.trace.text(word=arguments.word), sep="\n")
    elif violation is not None:
        word = arguments.word or violation.key.name
        since_us = min([o.start_us for o in violation.operations] or [violation.at_us])
        print(*world.trace.text(since_us - AROUND_MS * 1000, violation.at_us, word), sep="\n")
    print(f"{world.trace.count} events, {world.loop.now_ms} ms, trace {world.trace.digest()}")
    if violation is not None:
        print(f"VIOLATION at {violation.at_us / 1000} ms: {violation.what}, key {violation.key.name}")
        for operation in violation.operations:
            print(f"  {operation.start_us / 1000:.3f}-{(operation.end_us or 0) / 1000:.3f} {operation}")
        return 1
    print("nothing is wrong")
    return 0


def main():
    parser = argparse.ArgumentParser(prog="python -m tests.sim", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, help="so many, from --seed on")
    parser.add_argument("--nodes", type=int)
    parser.add_argument("--without", type=int, nargs="*", help="numbers of faults to leave out")
    parser.add_argument("--canary", default="")
    parser.add_argument("--scenario", choices=SCENARIOS, default="")
    parser.add_argument("--fast-clock", action="store_true")
    parser.add_argument("--trace", action="store_true")
    parser.add_argument("--word")
    arguments = parser.parse_args()
    if arguments.seeds is None:
        return replay(options_of(arguments.seed, arguments), arguments)
    began, failures = time.monotonic(), 0
    for failure in run_many(arguments.seed, arguments.seeds, arguments.scenario):
        failures += 1
        print(failure, flush=True)
    took = time.monotonic() - began
    print(f"{arguments.seeds} seeds, {failures} failed, {arguments.seeds / took:.1f} seeds/s")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
