"""resp-kv beside redis-server: throughput, CPU per operation, latency.

Both servers run at the same time and are loaded in turns, `rounds` times, so that whatever else the
machine does hits both alike; what is printed are medians over the rounds. A test's CPU time counts
until the server is idle again: flush and compaction that a write leaves behind are part of it.

    throughput  resp-kv / redis, more is better
    CPU         microseconds of the server process per operation, resp-kv / redis, less is better

ROUNDS and N (requests at P=1; deeper pipelines get five times as many) may come from the
environment: `make bench ROUNDS=7 N=500000`.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time

from benchmarks.server.load import PERCENTILES, fill, run
from benchmarks.server.servers import Server, free_port, redis, resp_kv

DEEPER = 5                    # times as many requests when pipelined

# name -> (redis-benchmark's test, pipeline, clients, bytes of a value)
TESTS = {
    "SET P=1": ("set", 1, 50, 100),
    "GET P=1": ("get", 1, 50, 100),
    "SET P=16": ("set", 16, 50, 100),
    "GET P=16": ("get", 16, 50, 100),
}
MORE_TESTS = {
    "INCR P=1": ("incr", 1, 50, 100),
    "INCR P=16": ("incr", 16, 50, 100),
    "MSET(10) P=1": ("mset", 1, 50, 100),
    "SET P=16 -d 3": ("set", 16, 50, 3),
    "GET P=16 -d 3": ("get", 16, 50, 3),
    "SET P=16 -d 1000": ("set", 16, 50, 1000),
    "GET P=16 -d 1000": ("get", 16, 50, 1000),
    "SET P=1 -c 500": ("set", 1, 500, 100),
    "GET P=1 -c 500": ("get", 1, 500, 100),
}


class Sample:
    """One server in one test in one round."""

    def __init__(self, result, cpu_seconds):
        self.rate = result.requests / result.seconds
        self.cpu_usec = cpu_seconds * 1e6 / result.requests
        self.latency_ms = result.latency_ms
        self.generator_share = result.generator_cpu_seconds / result.seconds


def main(arguments=None):
    options = parse(arguments)
    tests = dict(TESTS, **MORE_TESTS) if options.more else TESTS
    if options.only:
        tests = {name: test for name, test in tests.items() if options.only.lower() in name.lower()}
    command = redis("--auto-aof-rewrite-percentage", options.rewrite_percentage)
    with (Server("resp-kv", resp_kv(*options.directives), free_port()) as ours,
          Server("redis", command, free_port()) as theirs):
        about = describe(options, ours, theirs)
        print("\n".join(f"{name:12} {text}" for name, text in about.items()), flush=True)
        for server in (ours, theirs):
            fill(server, options.keys, 100)
            server.settle()
        samples = {name: {ours.name: [], theirs.name: []} for name in tests}
        for turn in range(options.rounds):
            for name, test in tests.items():
                for server in (ours, theirs) if turn % 2 == 0 else (theirs, ours):
                    samples[name][server.name].append(measure(server, test, options))
            print(f"round {turn + 1} of {options.rounds}", file=sys.stderr, flush=True)
    report(samples, ours.name, theirs.name)
    if options.json:
        append_line(options.json, about, samples)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="benchmarks.server", description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("ROUNDS", 5)))
    parser.add_argument("--requests", type=int, default=int(os.environ.get("N", 200_000)),
                        help="at P=1; five times as many at P=16")
    parser.add_argument("--keys", type=int, default=1_000_000)
    parser.add_argument("--more", action="store_true", help="INCR, MSET, other sizes, 500 clients")
    parser.add_argument("--only", help="tests whose name contains this")
    parser.add_argument("--rewrite-percentage", default="0", metavar="P",
                        help="redis's auto-aof-rewrite-percentage (its default is 100): 0 keeps "
                             "its rewrites out of the measurement, in its favour")
    parser.add_argument("--json", metavar="FILE", help="append one line with everything measured")
    parser.add_argument("directives", nargs="*", help="for resp-kv, after --: -- --directive value")
    return parser.parse_args(arguments)


def measure(server, test, options):
    kind, pipeline, clients, value_bytes = test
    requests = options.requests * (DEEPER if pipeline > 1 else 1)
    before = server.cpu_seconds()
    result = run(server.port, kind, requests, pipeline=pipeline, clients=clients,
                 value_bytes=value_bytes, keys=options.keys)
    server.settle()
    return Sample(result, server.cpu_seconds() - before)


def report(samples, ours, theirs):
    print(f"\n{'medians':18}{'throughput':>12}{'CPU':>8}{'':4}{'thousand/s':>16}{'CPU us/op':>16}"
          f"{'p50 ms':>14}{'p99 ms':>14}{'p99.9 ms':>14}{'load CPU':>12}")
    print(f"{'':18}{'ratio':>12}{'ratio':>8}{'':4}" + f"{'resp-kv  redis':>16}" * 2
          + f"{'resp-kv redis':>14}" * 3 + f"{'':12}")
    for name, by_server in samples.items():
        mine, other = by_server[ours], by_server[theirs]
        print(f"{name:18}{ratio(mine, other, 'rate'):12.2f}{ratio(mine, other, 'cpu_usec'):8.2f}"
              f"{'':4}{median(mine, 'rate') / 1e3:8.1f}{median(other, 'rate') / 1e3:8.1f}"
              f"{median(mine, 'cpu_usec'):8.2f}{median(other, 'cpu_usec'):8.2f}"
              + "".join(f"{latency(mine, share):7.2f}{latency(other, share):7.2f}"
                        for share in PERCENTILES)
              + f"{median(mine, 'generator_share'):6.0%}{median(other, 'generator_share'):6.0%}")
    print("\nload CPU: the load generator's share of one core; near 100 % it, not the server, sets "
          "the throughput\n(the CPU ratio still holds).")


def median(samples, field):
    return statistics.median(getattr(sample, field) for sample in samples)


def ratio(mine, other, field):
    """Median of the rounds' own ratios: neighbours in time are compared."""
    return statistics.median(getattr(a, field) / getattr(b, field)
                             for a, b in zip(mine, other, strict=True))


def latency(samples, share):
    return statistics.median(sample.latency_ms[share] for sample in samples)


def describe(options, ours, theirs):
    return {
        "time": time.strftime("%Y-%m-%d %H:%M:%S"),
        "machine": f"{cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}, "
                   f"Python {platform.python_version()}",
        "resp-kv": f"{ours.info('server').get('resp_kv_version', '?')} "
                   f"{' '.join(options.directives) or 'defaults (appendfsync everysec)'}",
        "redis": f"{theirs.info('server')['redis_version']} appendonly yes, appendfsync everysec, "
                 f"save \"\", auto-aof-rewrite-percentage {options.rewrite_percentage}",
        "commit": revision(),
        "load": f"redis-benchmark, {options.keys} random keys, {options.requests} requests at P=1, "
                f"{DEEPER} times as many when pipelined, {options.rounds} rounds",
    }


def cpu_model():
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.partition(":")[2].strip() for line in file if "model name" in line)
    except (OSError, StopIteration):
        return platform.machine()


def revision():
    try:
        done = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True,
                              text=True, check=True)
        return done.stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def append_line(path, about, samples):
    line = dict(about, tests={
        name: {server: [vars(sample) for sample in found] for server, found in by_server.items()}
        for name, by_server in samples.items()})
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
