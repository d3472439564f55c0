"""CPU time of the write path and of reads from the memtable, and its memory per entry.

    python benchmarks/engine/memtable.py [--rounds 3] [--json FILE]

Keys are 20 bytes, values 100. Every number is CPU time of this process (user and kernel), the least of
the rounds, in ns per operation; the loop's own cost is in it ("loop" shows it). "put 16" commits after
every 16 puts, as a pipelining client makes the server do; "put 1000" shows what is left without the
write(2). "new" keys take fresh memory, which includes the kernel's zeroing of it.
"""

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

import pyximport

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
pyximport.install(build_dir=str(ROOT / "build" / "benchmarks"), language_level=3)

from benchmarks.engine import memtable_loops as loops  # noqa: E402
from engine import Engine, Options  # noqa: E402

SIZES = (1_000, 100_000, 1_000_000)
MIB = 1 << 20


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--json", type=Path, help="append one line of results to this file")
    chosen = arguments.parse_args()
    columns = {}
    for size in SIZES:
        rounds = [measure(size) for _ in range(chosen.rounds)]
        columns[size] = {name: min(each[name] for each in rounds) for name in rounds[0]}
    print(f"{'ns of CPU per operation':28}" + "".join(f"{size:>12,} keys" for size in SIZES))
    for name in columns[SIZES[0]]:
        print(f"{name:28}" + "".join(f"{columns[size][name]:17.0f}" for size in SIZES))
    if chosen.json:
        with chosen.json.open("a") as file:
            file.write(json.dumps({"benchmark": "engine/memtable", "ns": columns}) + "\n")


def measure(size):
    options = Options(memtable_bytes=2048 * MIB, log_bytes_max=4096 * MIB)
    result = {"loop": loops.nothing(size)}
    for per_commit in (16, 1000):
        with (
            tempfile.TemporaryDirectory(prefix="resp-kv-bench-") as folder,
            Engine.open(folder, options) as engine,
        ):
            result[f"put {per_commit}, new keys"] = loops.put(engine, size, 100, per_commit, 1)
            result[f"put {per_commit}, overwriting"] = loops.put(
                engine, size, 100, per_commit, size + 1
            )
            result["lookup, present"] = loops.lookup(engine, size, False)
            result["lookup, missing"] = loops.lookup(engine, size, True)
            result["bytes beyond key and value"] = engine.stats()["memtable_bytes"] / size - 120
            start = time.process_time()
            with engine.snapshot() as view:
                assert view.count() == size
            result["sort and count a snapshot"] = (time.process_time() - start) * 1e9 / size
            start = time.process_time()
            engine.flush()
            result["flush to a table"] = (time.process_time() - start) * 1e9 / size
    return result


if __name__ == "__main__":
    main()
