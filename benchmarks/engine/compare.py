"""resp-kv's engine beside RocksDB and LevelDB: speed, CPU time, disk space and memory.

    pip install rocksdict plyvel
    python benchmarks/engine/compare.py [--rounds 5] [--sizes within,beyond] [--values 100,1000]
                                        [--rows scan,readrandom] [--scale 1] [--json FILE]

Each store runs in a process of its own, so that CPU time and memory are its own; the stores take turns
within a round, so that a slow minute of the machine hits all of them; a table shows medians. "within"
holds half a cache of data, "beyond" eight caches. A ratio is resp-kv against the better of the
others, above 1 where resp-kv is better. --scale 0.25 makes buffer, cache and data that much smaller.

What the rows do is told in measuring/rows.py, how the stores are set up in measuring/stores.py.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.engine.measuring import rows
from benchmarks.engine.measuring.stores import available
from benchmarks.engine.measuring.workload import KEY_BYTES

MIB = 1 << 20
CACHES_OF_DATA = {"within": 0.5, "beyond": 8}
OURS = "resp-kv"


def main():
    chosen = arguments()
    if chosen.child:
        return rows.run(chosen.child, json.loads(chosen.plan), say)
    names = [name for name in available() if not chosen.stores or name in chosen.stores.split(",")]
    results = {}                                  # (size, value bytes) -> row -> store -> [figures]
    for round_number in range(chosen.rounds):
        for plan in plans(chosen, round_number):
            table = results.setdefault((plan["size"], plan["value_bytes"]), {})
            for turn in range(len(names)):
                name = names[(turn + round_number) % len(names)]
                for row, figures in run_child(name, plan):
                    table.setdefault(row, {}).setdefault(name, []).append(figures)
            print(f"round {round_number + 1}: {plan['size']}, {plan['value_bytes']} bytes: done",
                  file=sys.stderr)
    for (size, value_bytes), table in results.items():
        show(size, value_bytes, table, names)
    if chosen.json:
        with chosen.json.open("a") as file:
            file.write(json.dumps(as_line(chosen, results)) + "\n")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--sizes", default="within,beyond")
    parser.add_argument("--values", default="100,1000")
    parser.add_argument("--rows", default=",".join(rows.ROWS))
    parser.add_argument("--stores", help="only these, by name")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--reads", type=int, default=300_000)
    parser.add_argument("--level", type=int, default=1, help="of Zstandard")
    parser.add_argument("--directory", default=".", help="where the stores lie meanwhile")
    parser.add_argument("--json", type=Path, help="append one line of results to this file")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--plan", help=argparse.SUPPRESS)
    return parser.parse_args()


def plans(chosen, round_number):
    for size in chosen.sizes.split(","):
        for value_bytes in map(int, chosen.values.split(",")):
            cache_bytes = int(64 * MIB * chosen.scale)
            yield {
                "size": size,
                "value_bytes": value_bytes,
                "keys": int(cache_bytes * CACHES_OF_DATA[size]) // (KEY_BYTES + value_bytes),
                "reads": chosen.reads,
                "buffer_bytes": int(64 * MIB * chosen.scale),
                "cache_bytes": cache_bytes,
                "level": chosen.level,
                "seed": 1000 + round_number,
                "directory": os.path.abspath(chosen.directory),
                "rows": chosen.rows.split(","),
            }


def run_child(name, plan):
    """Yields (row, figures) as one store measures them."""
    done = subprocess.run(
        [sys.executable, __file__, "--child", name, "--plan", json.dumps(plan)],
        stdout=subprocess.PIPE, text=True, check=True,
    )
    for line in done.stdout.splitlines():
        yield json.loads(line)


def say(row, figures):
    print(json.dumps([row, figures]), flush=True)


def median(found, field):
    values = [figures[field] for figures in found if field in figures]
    return statistics.median(values) if values else None


def show(size, value_bytes, table, names):
    """A Markdown table: ratios first, then resp-kv, then each of the others."""
    others = [name for name in names if name != OURS]
    print(f"\n{size} the cache, values of {value_bytes} bytes: thousand operations a second / CPU "
          "microseconds an operation / MB on disk / peak MB in memory\n")
    print("| row | speed ratio | CPU ratio | disk ratio |", *(f" {name} |" for name in names),
          "reads |", sep="")
    print("| --- | --- | --- | --- |", " --- |" * (len(names) + 1), sep="")
    for row in rows.ROWS:
        if row not in table:
            continue
        found = table[row]
        speed = {name: median(found[name], "kops") for name in names if name in found}
        cpu = {name: median(found[name], "cpu_us") for name in names if name in found}
        disk = {name: median(found[name], "disk_bytes") for name in names if name in found}
        ratios = ["", "", ""]
        if others and OURS in found:
            ratios[0] = f"{speed[OURS] / max(speed[n] for n in others):.2f}"
            ratios[1] = f"{min(cpu[n] for n in others) / cpu[OURS]:.2f}"
            if disk[OURS]:
                ratios[2] = f"{min(disk[n] for n in others) / disk[OURS]:.2f}"
        cells = [
            f"{speed[n]:.0f} / {cpu[n]:.2f}" + (f" / {disk[n] / 1e6:.0f}" if disk[n] else " / -")
            + f" / {median(found[n], 'peak_bytes') / 1e6:.0f}"
            for n in names
        ]
        reads = median(found.get(OURS, []), "reads_per_operation")
        print(f"| {row} | {' | '.join(ratios)} | {' | '.join(cells)} |",
              "" if reads is None else f"{reads:.4f}", "|")


def as_line(chosen, results):
    return {
        "benchmark": "engine/compare",
        "time": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "rounds": chosen.rounds, "scale": chosen.scale, "level": chosen.level,
        "results": {
            f"{size} {value_bytes}": {
                row: {
                    name: {field: median(figures, field) for field in figures[0]}
                    for name, figures in found.items()
                }
                for row, found in table.items()
            }
            for (size, value_bytes), table in results.items()
        },
    }


if __name__ == "__main__":
    main()
