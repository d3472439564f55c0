"""Three resp-kv nodes (N=3) beside a Redis primary with two replicas: throughput, latency, CPU.

Both run at the same time and are loaded in turns, `rounds` times, so that whatever else the machine
does hits both alike; what is printed are medians over the rounds, ratios those of neighbours in time.

    CPU         microseconds of all server processes together per operation, until all are idle
                again: copies that a level did not wait for, flush and compaction are part of it
                what they do without load counts too and is printed first: the slower the
                machine, the more of it falls on each operation
    levels      ONE, QUORUM, ALL: the nodes' write-consistency and read-consistency

ROUNDS and N (operations at P=1; deeper pipelines get five times as many) may come from the
environment: `make bench-cluster ROUNDS=7 N=100000`. The generators are described in cases.py.
"""

import argparse
import json
import os
import platform
import sys
import time
from itertools import chain

from benchmarks.cluster.cases import CLIENTS, VALUE_BYTES, groups
from benchmarks.cluster.load import Load, fill
from benchmarks.cluster.report import report
from benchmarks.cluster.stores import both
from benchmarks.server.compare import cpu_model, revision
from benchmarks.server.load import key

DEEPER = 5                    # times as many operations when pipelined


class Sample:
    """One case in one round."""

    def __init__(self, result, cpu_seconds):
        self.rate = result.operations / result.seconds
        self.cpu_usec_by_process = [seconds * 1e6 / result.operations for seconds in cpu_seconds]
        self.cpu_usec = sum(self.cpu_usec_by_process)
        self.latency_ms = result.latency_ms
        self.generator_share = result.generator_cpu_seconds / result.seconds
        self.errors, self.misses = result.errors, result.misses


def main(arguments=None):
    options = parse(arguments)
    chosen = {title: cases for title, cases in groups().items()
              if not options.only or options.only.lower() in title.lower()}
    if not chosen:
        sys.exit(f"no group's title contains {options.only!r}; there are: {', '.join(groups())}")
    with Load(options.keys) as load, both(options.port, options.directives) as (ours, theirs):
        about = describe(options, ours, theirs)
        print("\n".join(f"{name:10} {text}" for name, text in about.items()), flush=True)
        prepare(options, ours, theirs)
        about["idle"] = ", ".join(f"{store.name} {store.idle_share():.1%} of a core"
                                  for store in (ours, theirs))
        print(f"{'idle':10} {about['idle']}", flush=True)
        stores = {ours.name: ours, theirs.name: theirs}
        samples = {title: {case: [] for case in cases} for title, cases in chosen.items()}
        for turn in range(options.rounds):
            for title, cases in chosen.items():
                for case in cases if turn % 2 == 0 else reversed(cases):
                    samples[title][case].append(
                        measure(case, stores[case.store], load, options.requests))
                print(f"round {turn + 1} of {options.rounds}: {title}", file=sys.stderr, flush=True)
            ours.check()
            theirs.check()
    report(samples)
    if options.json:
        append_line(options.json, about, samples)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="benchmarks.cluster", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", 5)))
    parser.add_argument("--requests", type=int, default=int(os.environ.get("N", 50_000)),
                        help="at P=1; five times as many at P=16")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--port", type=int, default=7401,
                        help="the first of six; the bus of the nodes is 10000 above")
    parser.add_argument("--only", help="groups whose title contains this, such as 'SET P=16'")
    parser.add_argument("--json", metavar="FILE", help="append one line with everything measured")
    parser.add_argument("directives", nargs="*", help="for resp-kv, after --: -- --directive value")
    return parser.parse_args(arguments)


def prepare(options, ours, theirs):
    """All keys that will be read are there, on all copies."""
    share = options.keys // len(ours.servers)
    tagged = (b"key:%b:%012d" % (tag, number) for tag in ours.tags() for number in range(share))
    plain = [key(number) for number in range(options.keys)]
    for store, names in ((ours, chain(plain, tagged)), (theirs, plain)):
        seconds = fill(store, names)
        store.settle()
        print(f"{store.name} filled in {seconds:.0f} s", file=sys.stderr, flush=True)


def measure(case, store, load, requests):
    if case.level:
        store.set_levels(case.level)
    before = store.cpu_seconds()
    result = load.run(case, store, requests * (DEEPER if case.pipeline > 1 else 1))
    store.settle()
    return Sample(result, [after - start for after, start in zip(store.cpu_seconds(), before)])


def describe(options, ours, theirs):
    return {
        "time": time.strftime("%Y-%m-%d %H:%M:%S"),
        "machine": f"{cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}, "
                   f"Python {platform.python_version()}",
        "resp-kv": f"{ours.servers[0].info('server').get('resp_kv_version', '?')}, "
                   f"{len(ours.servers)} nodes, replication-factor {len(ours.servers)} "
                   f"{' '.join(options.directives) or 'else defaults (appendfsync everysec)'}",
        "redis": f"{theirs.servers[0].info('server')['redis_version']}, a primary and "
                 f"{len(theirs.servers) - 1} replicas, appendonly yes, appendfsync everysec, "
                 "save \"\", no rewrite",
        "commit": revision(),
        "load": f"{CLIENTS} clients, {VALUE_BYTES} bytes, {options.keys} random keys, "
                f"{options.requests} operations at P=1, {DEEPER} times as many when pipelined, "
                f"{options.rounds} rounds",
        "busy": f"load average {os.getloadavg()[0]:.1f} before the start",
    }


def append_line(path, about, samples):
    line = dict(about, groups={
        title: {case.name: [vars(sample) for sample in found] for case, found in by_case.items()}
        for title, by_case in samples.items()})
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
