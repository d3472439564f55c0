"""Write, read and space amplification of the tree, under uniform and zipf overwrites.

    python benchmarks/engine/amplification.py [--keys 500000] [--overwrites 4] [--json FILE]

The tree is scaled down so that it has its usual depth after seconds: a memtable of 2 MB stands for
one of 128 MB, and every size in Options with it. All keys are written once, then each on average
`overwrites` times; flushes and compactions run as soon as they are wanted, in this thread, so the
result does not hang on the machine's speed. Each line is one setting of the picker.

    log, flush, compaction   bytes written to each, per byte of key and value that the user wrote
    write                    their sum. Tables are compressed, the user's bytes are not
    blocks, disk             blocks touched and blocks read from disk, per get of a present key, with
                             a cache of an eighth of the data; of the touched ones some are metas
                             (bloom filter and index)
    missing                  blocks read from disk per get of a missing key
    space, worst             entries in tables per live key: the mean of all moments, and the worst
"""

import argparse
import json
import statistics
import sys
import tempfile
from itertools import cycle, islice
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from benchmarks.engine.measuring import workload
from engine import Batch, Engine, Options

MIB = 1 << 20
VALUE_BYTES = 100
BATCH = 100
SETTINGS = {
    "default": {},
    "8 tables in level 0": {"level0_tables_trigger": 8, "level0_tables_slowdown": 12,
                            "level0_tables_stop": 16},
    "2 tables in level 0": {"level0_tables_trigger": 2},
    "levels grow by 5": {"level_multiplier": 5},
    "levels grow by 20": {"level_multiplier": 20},
}
COLUMNS = ("log", "flush", "compaction", "write", "blocks", "disk", "missing", "space", "worst")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--keys", type=int, default=500_000)
    parser.add_argument("--overwrites", type=int, default=4)
    parser.add_argument("--reads", type=int, default=50_000)
    parser.add_argument("--directory", default=".", help="where the stores lie meanwhile")
    parser.add_argument("--json", type=Path, help="append one line of results to this file")
    chosen = parser.parse_args()
    results = {}
    print(f"| overwrites | setting | {' | '.join(COLUMNS)} |")
    print("| --- " * (len(COLUMNS) + 2) + "|")
    for order in (workload.uniform, workload.zipf):
        for name, setting in SETTINGS.items():
            with tempfile.TemporaryDirectory(dir=chosen.directory, prefix="bench-") as folder:
                found = measure(folder, chosen, order, setting)
            results[f"{order.__name__}, {name}"] = found
            cells = " | ".join(f"{found[column]:.3f}" for column in COLUMNS)
            print(f"| {order.__name__} | {name} | {cells} |", flush=True)
    if chosen.json:
        with chosen.json.open("a") as file:
            file.write(json.dumps({"benchmark": "engine/amplification", **results}) + "\n")


def options_of(keys, setting):
    """As by default, every size divided by 64: level 1 holds four memtables."""
    return Options(
        memtable_bytes=4 * MIB, log_reserve_bytes=MIB, table_bytes_max=MIB,
        level_bytes_base=8 * MIB,
        block_cache_bytes=max(64 << 10, keys * (workload.KEY_BYTES + VALUE_BYTES) // 8), **setting,
    )


def measure(folder, chosen, order, setting):
    with Engine.open(f"{folder}/store", options_of(chosen.keys, setting)) as engine:
        write(engine, workload.permuted(chosen.keys), chosen.keys)
        before, log_before = engine.stats(), engine.written_position
        count = chosen.keys * chosen.overwrites
        spaces = write(engine, order(chosen.keys, count, 1), chosen.keys)
        after, log_bytes = engine.stats(), engine.written_position - log_before
        user_bytes = count * (workload.KEY_BYTES + VALUE_BYTES)
        parts = {
            "log": log_bytes / user_bytes,
            "flush": (after["flush_bytes"] - before["flush_bytes"]) / user_bytes,
            "compaction": (after["compaction_bytes"] - before["compaction_bytes"]) / user_bytes,
        }
        blocks, disk = read(engine, order(chosen.keys, chosen.reads, 2))
        return {
            **parts, "write": sum(parts.values()), "blocks": blocks, "disk": disk,
            "missing": read(engine, workload.missing(chosen.keys, chosen.reads, 3))[1],
            "space": statistics.mean(spaces), "worst": max(spaces),
        }


def write(engine, keys, live):
    """Puts all `keys`; returns the space amplification after each step."""
    values = cycle(workload.values_of(VALUE_BYTES))
    spaces = []
    while chunk := list(islice(keys, BATCH)):
        batch = Batch()
        for key, value in zip(chunk, values):
            batch.put(key, value)
        engine.write(batch)
        if engine.step_wanted():
            engine.run_steps()
            spaces.append(engine.stats()["entries"] / live)
    return spaces


def read(engine, keys):
    """(blocks touched, blocks read from disk) per get; the first fifth only warms the cache."""
    keys = list(keys)
    warm = len(keys) // 5
    for key in keys[:warm]:
        engine.get(key)
    before = engine.stats()
    for key in keys[warm:]:
        engine.get(key)
    after = engine.stats()
    hits, misses = (
        after[name] - before[name] for name in ("cache_hits", "cache_misses")
    )
    return (hits + misses) / (len(keys) - warm), misses / (len(keys) - warm)


if __name__ == "__main__":
    main()
