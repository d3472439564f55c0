"""How cost grows with data: the same figures at 1, 4 and 16 million keys in one tree.

    python benchmarks/engine/growth.py [--millions 1,4,16] [--log-mb 512] [--json FILE]

Values of 100 bytes, a write buffer and a cache of 64 MB: as the data grows, these stay. Times are
CPU microseconds an operation, background threads included; wall time in thousand operations a
second stands behind the stroke. Each size runs in a process of its own.

    fill         puts of new keys, scattered, 100 a commit      overwrite   puts of any key
    get, miss    point reads of any key, and of missing ones    scan        all records in order
    reads        blocks read from disk per get / per miss
    write        bytes written to log and tables per byte of the user's, over fill and overwrite
    disk         bytes in tables per byte of the user's live data
    open         seconds until a closed store answers, and what it then holds in memory beyond an
                 empty one, per million keys

Then a log of --log-mb is written without a flush and the store opened again: seconds per GB of log,
and the memory that a key takes in the memtable beyond its key and value.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.engine.measuring import rows, workload
from benchmarks.engine.measuring.meter import memory_bytes
from benchmarks.engine.measuring.stores import open_store
from engine import Batch, Engine, Options

MIB = 1 << 20
VALUE_BYTES = 100
PAIR_BYTES = workload.KEY_BYTES + VALUE_BYTES


def main():
    chosen = arguments()
    if chosen.child:
        print(json.dumps(CHILDREN[chosen.child](json.loads(chosen.plan))))
        return
    results = {}
    print("| million keys | fill | overwrite | get | miss | scan | reads | write | disk | open |")
    print("| --- " * 10 + "|")
    empty = run_child("reopen", {"path": None})
    for millions in chosen.millions.split(","):
        with tempfile.TemporaryDirectory(dir=chosen.directory, prefix="bench-") as folder:
            plan = plan_of(chosen, folder, int(float(millions) * 1e6))
            found = run_child("grow", plan)
            found["reopen"] = run_child("reopen", plan)
        found["reopen"]["bytes_per_million"] = (
            (found["reopen"]["memory_bytes"] - empty["memory_bytes"]) / float(millions)
        )
        results[millions] = found
        print(as_row(millions, found), flush=True)
    with tempfile.TemporaryDirectory(dir=chosen.directory, prefix="bench-") as folder:
        plan = {"path": f"{folder}/store", "log_bytes": chosen.log_mb * MIB}
        recovery = {**run_child("log", plan), **run_child("recover", plan)}
    results["recovery"] = recovery
    gigabytes = recovery["log_bytes"] / 1e9
    print(f"\nrecovery of {gigabytes:.2f} GB of log: {recovery['seconds'] / gigabytes:.1f} s, "
          f"{recovery['cpu_s'] / gigabytes:.1f} s of CPU, per GB; memtable: "
          f"{recovery['memtable_bytes'] / recovery['keys'] - PAIR_BYTES:.0f} bytes a key beyond "
          "key and value")
    if chosen.json:
        with chosen.json.open("a") as file:
            file.write(json.dumps({"benchmark": "engine/growth", **results}) + "\n")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--millions", default="1,4,16")
    parser.add_argument("--reads", type=int, default=200_000)
    parser.add_argument("--log-mb", type=int, default=512)
    parser.add_argument("--directory", default=".", help="where the stores lie meanwhile")
    parser.add_argument("--json", type=Path, help="append one line of results to this file")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--plan", help=argparse.SUPPRESS)
    return parser.parse_args()


def plan_of(chosen, folder, keys):
    return {
        "path": os.path.abspath(f"{folder}/store"), "keys": keys, "reads": chosen.reads,
        "value_bytes": VALUE_BYTES, "seed": 1000,
    }


def run_child(name, plan):
    done = subprocess.run(
        [sys.executable, __file__, "--child", name, "--plan", json.dumps(plan)],
        stdout=subprocess.PIPE, text=True, check=True,
    )
    return json.loads(done.stdout)


def as_row(millions, found):
    pairs = [f"{found[name]['cpu_us']:.2f} / {found[name]['kops']:.0f}"
             for name in ("fill", "overwrite", "get", "miss", "scan")]
    reads = "{:.3f} / {:.4f}".format(*(found[name]["reads_per_operation"] for name in ("get", "miss")))
    reopen = found["reopen"]
    return (
        f"| {millions} | {' | '.join(pairs)} | {reads} | {found['write']:.2f} | {found['disk']:.2f} | "
        f"{reopen['seconds']:.2f} s, {reopen['bytes_per_million'] / MIB:.2f} MB |"
    )


# What the processes do.

def grow(plan):
    keys = plan["keys"]
    overwrites = min(keys, 4_000_000)
    store = open_store("resp-kv", plan["path"], 64 * MIB, 64 * MIB, 1)
    found = {
        "fill": rows.fill(store, plan["path"], workload.permuted(keys), plan, 100),
        "overwrite": rows.fill(
            store, plan["path"], workload.uniform(keys, overwrites, 1), plan, 100),
        "get": rows.read(store, workload.uniform, plan),
        "miss": rows.read(store, workload.missing, plan),
        "scan": rows.scan(store, plan),
    }
    numbers = store.engine.stats()
    found["write"] = (
        numbers["flush_bytes"] + numbers["compaction_bytes"] + store.engine.written_position
    ) / ((keys + overwrites) * PAIR_BYTES)
    found["disk"] = numbers["table_bytes"] / (keys * PAIR_BYTES)
    store.close()
    return found


def reopen(plan):
    """Opens a store, or an empty one, and asks for a key."""
    with tempfile.TemporaryDirectory() as folder:
        begin = time.perf_counter()
        with Engine.open(plan["path"] or f"{folder}/empty") as engine:
            engine.get(workload.key_of(1))
            return {"seconds": time.perf_counter() - begin, "memory_bytes": memory_bytes()}


def roomy():
    return Options(memtable_bytes=64 << 30, log_bytes_max=64 << 30)


def log(plan):
    """Writes a log that nothing flushes."""
    values, number = cycle(workload.values_of(VALUE_BYTES)), 0
    with Engine.open(plan["path"], roomy()) as engine:
        while engine.written_position < plan["log_bytes"]:
            batch = Batch()
            for value in islice(values, 100):
                batch.put(workload.key_of(number * 7919 % 100_000_007), value)
                number += 1
            engine.write(batch)
        return {"log_bytes": engine.written_position, "keys": number}


def recover(plan):
    begin, cpu = time.perf_counter(), time.process_time()
    with Engine.open(plan["path"], roomy()) as engine:
        return {
            "seconds": time.perf_counter() - begin, "cpu_s": time.process_time() - cpu,
            "memtable_bytes": engine.stats()["memtable_bytes"],
        }


CHILDREN = {"grow": grow, "reopen": reopen, "log": log, "recover": recover}


if __name__ == "__main__":
    main()
