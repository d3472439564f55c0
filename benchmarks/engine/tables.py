"""CPU time of tables: building, point reads, missing keys, cold reads, scans and merges.

    python benchmarks/engine/tables.py [--entries 500000] [--json FILE]

Keys are 24 bytes, values 100 bytes of which half can be compressed. Times are CPU time of this
process, so that a busy machine does not spoil them. "build" is what the writer adds to the scan
that feeds it; "cold" reads blocks from the page cache that the block cache does not hold.
"""

import argparse
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.cache import BlockCache
from engine.disk import Disk
from engine.merge import MergeCursor
from engine.options import Options
from engine.table import Table
from engine.table_writer import TableWriter


def key_of(number):
    return b"%024d" % (number * 7919)


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--entries", type=int, default=500_000)
    arguments.add_argument("--json", type=Path, help="append one line of results to this file")
    chosen = arguments.parse_args()
    with tempfile.TemporaryDirectory(dir=".", prefix="bench-tables-") as directory:
        results = measure(directory, chosen.entries)
    for name, (amount, unit) in results.items():
        print(f"{name:32} {amount:10.2f} {unit}")
    if chosen.json:
        line = {name: amount for name, (amount, _) in results.items()}
        with chosen.json.open("a") as file:
            file.write(json.dumps({"benchmark": "engine/tables", **line}) + "\n")


def measure(directory, entries):
    disk, options = Disk(), Options()
    first = build_first(disk, directory, entries, options)
    cache = BlockCache(1 << 30)
    table = Table.open(disk, directory, 1, cache)
    scan = cpu(lambda: merged([table]).count_entries())
    writer = TableWriter(disk, directory, 2, options)
    copied = cpu(lambda: writer.append_all(table.cursor(None, 1 << 20)))
    copied += cpu(writer.finish)
    raw_mb = first.raw_bytes / 1e6
    chosen = random.Random(1)
    present = [key_of(chosen.randrange(entries)) for _ in range(200_000)]
    missing = [key[:-1] + b"x" for key in present]
    cold = cpu(lambda: table.count_found(present[:20_000]))
    cold_blocks = cache.misses
    assert table.count_found(present) == len(present)
    sibling = Table.open(disk, directory, 2, cache)
    return {
        "table file": (first.file_bytes / 1e6, "MB"),
        "build (scan, compress, write)": (raw_mb / copied, "MB/s raw"),
        "build alone": (raw_mb / (copied - scan), "MB/s raw"),
        "build alone, each entry": ((copied - scan) / entries * 1e9, "ns"),
        "cold read, each block": (cold / cold_blocks * 1e9, "ns"),
        "point read from the cache": (each(table.count_found, present), "ns"),
        "point read, neighbours": (each(table.count_found, sorted(present)), "ns"),
        "missing key": (each(table.count_found, missing), "ns"),
        "scan, one table": (entries / scan / 1e6, "M entries/s"),
        "merge of two tables": (
            2 * entries / cpu(lambda: merged([table, sibling]).count_entries()) / 1e6,
            "M entries/s",
        ),
    }


def build_first(disk, directory, entries, options):
    writer = TableWriter(disk, directory, 1, options)
    values = [os.urandom(50) + b"compress" * 6 + b".." for _ in range(1000)]
    for number in range(entries):
        writer.append(key_of(number), values[number % 1000], hlc=number << 16, actor=7)
    return writer.finish()


def merged(tables):
    return MergeCursor([table.cursor(None, 1 << 20) for table in tables])


def each(ask, keys):
    return cpu(lambda: ask(keys)) / len(keys) * 1e9


def cpu(work):
    """Seconds of CPU time, the best of three where that makes sense for a reader."""
    begin = time.process_time()
    work()
    return time.process_time() - begin


if __name__ == "__main__":
    main()
