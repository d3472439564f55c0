"""Real clusters of three and of five nodes (N=3, QUORUM) that lose a node under load.

A table with a line for each fault (faults.py), measured twice: latency at a fixed rate below saturation,
throughput with as many commands as are answered (load.py). What is wanted stands in report.py. Load and
nodes share the machine, so figures are of one machine only; ratios compare moments of the same run.

    python -m benchmarks.failure                            all of it, in at most 12 minutes
    python -m benchmarks.failure --case kill,cut --nodes 3 --rate 1000 --json runs.jsonl
"""

import argparse
import contextlib
import json
import os
import platform
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.failure import measure, report
from benchmarks.failure.faults import FAULTS
from benchmarks.failure.handover import handover
from benchmarks.failure.load import History
from benchmarks.failure.outage import outage
from benchmarks.failure.picture import picture
from benchmarks.failure.repair import repair
from benchmarks.server.compare import cpu_model, revision
from tests.e2e.cluster import Cluster
from tests.e2e.network import Network, why_not

SPARK_S = 0.25


def main(arguments=None):
    options = parse(arguments)
    cases = options.case.split(",") if options.case else [fault.name for fault in FAULTS] + list(OTHERS)
    about = describe(options)
    print("\n".join(f"{name:8} {text}" for name, text in about.items()), flush=True)
    found = {"faults": [], "cases": []}
    for nodes in options.nodes:
        chosen = [fault for fault in FAULTS if fault.name in cases]
        if chosen:
            found["faults"] += strike_all(options, nodes, chosen)
    for case in OTHERS:
        if case in cases:
            found["cases"].append(OTHERS[case](options, case))
    missed = summary(found)
    if options.json:
        with open(options.json, "a", encoding="utf-8") as file:
            file.write(json.dumps(dict(about, **found)) + "\n")
    sys.exit(1 if missed and options.strict else 0)


def parse(arguments):
    parser = argparse.ArgumentParser(prog="benchmarks.failure", description=__doc__.split("\n")[0])
    parser.add_argument("--case", metavar="A,B", help="of kill, pause, cut, disk, hints, refill, repair")
    parser.add_argument("--nodes", type=lambda text: [int(word) for word in text.split(",")], default=[3, 5])
    parser.add_argument("--rate", type=float, default=1000, help="commands a second, for latency")
    parser.add_argument("--keys", type=int, default=1_000_000, help="of the case repair")
    parser.add_argument("--rounds", type=int, default=2, help="of the cases hints and refill")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pictures", metavar="FOLDER", help="write an SVG for each fault there")
    parser.add_argument("--json", metavar="FILE", help="append one line with everything measured")
    parser.add_argument("--strict", action="store_true", help="exit status 1 when a goal is missed")
    return parser.parse_args(arguments)


def describe(options):
    return {
        "time": time.strftime("%Y-%m-%d %H:%M:%S"),
        "machine": f"{cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}, "
                   f"Python {platform.python_version()}",
        "commit": revision(),
        "load": f"SET and GET in equal parts, 100 bytes, 24 connections; latency at {options.rate:.0f} a "
                "second (open), throughput closed; client time-out 1 s",
        "busy": f"load average {os.getloadavg()[0]:.1f} before the start",
    }


def strike_all(options, nodes, faults):
    """The rows of one size of cluster."""
    reason = why_not()
    rows, past, chance = [], History(), random.Random(options.seed)
    with cluster_of(nodes, reason) as cluster:
        print("\n" + report.heading(), flush=True)
        for number, fault in enumerate(faults):
            if fault.needs_network and reason:
                print(f"{nodes:6}{fault.name:>7}  skipped: {reason}", flush=True)
                continue
            victim = chance.randrange(nodes)
            row, slow, fast = outage(cluster, fault, victim, options.seed + 10 * number, past, options.rate)
            past = fast[0].history
            rows.append(row)
            print(report.line(row), flush=True)
            print(f"{'':13}{spark(fast)}", flush=True)
            if options.pictures:
                os.makedirs(options.pictures, exist_ok=True)
                Path(options.pictures, f"{fault.name}-{nodes}.svg").write_text(
                    picture(f"{fault.name}, one of {nodes} nodes", slow, fast, victim))
    return rows


def spark(run):
    result, fault_s, end_s = run
    bins = measure.throughput(result, end_s, SPARK_S)
    return report.sparkline(bins, round(fault_s / SPARK_S))


@contextlib.contextmanager
def cluster_of(nodes, no_network):
    """A cluster that runs; with addresses of its own where that is permitted."""
    folder = Path(tempfile.mkdtemp(prefix="bench-failure-"))
    try:
        with contextlib.ExitStack() as running:
            network = None if no_network else running.enter_context(Network(nodes))
            yield running.enter_context(Cluster(folder, nodes=nodes, network=network))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measure_handover(options, case):
    with cluster_of(3, why_not()) as cluster:
        row = handover(cluster, case, options.rounds, options.seed)
    print("\n" + report.handover_lines(row), flush=True)
    return row


def measure_repair(options, case):
    with cluster_of(3, why_not()) as cluster:
        row = repair(cluster, options.keys)
    print("\n" + report.repair_line(row), flush=True)
    return row


OTHERS = {"hints": measure_handover, "refill": measure_handover, "repair": measure_repair}


def summary(found):
    missed = [f"{row['fault']}, {row['nodes']} nodes: {text}" for row in found["faults"]
              for text in report.missed(row)]
    missed += [f"{row['case']}: {text}" for row in found["cases"] for text in report.missed_case(row)]
    print("\nas wanted" if not missed else "\nnot as wanted:")
    for text in missed:
        print(f"  {text}")
    return missed
