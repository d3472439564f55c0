"""The rows of the comparison, as one store in one process runs them.

    fillseq 1, fillseq 100       every key once, ascending; one put per commit, or 100
    fillrandom 1, fillrandom 100 every key once, scattered
    overwrite                    as many puts as there are keys, each to any key
    readrandom, readmissing      any key; keys that are not there, between those that are
    scan                         all pairs in order

Writes end with the memtable flushed and all compactions done. CPU time includes this end, so that
nobody looks quick by leaving work for later; operations per second count the puts alone. Reads
begin after it, from tables, with a cache warmed by as many reads again.
"""

import tempfile
from itertools import cycle, islice

from benchmarks.engine.measuring import workload
from benchmarks.engine.measuring.meter import Meter, directory_bytes, memory_bytes, wait_until_quiet
from benchmarks.engine.measuring.stores import open_store

CHUNK = 10_000
SCANNED_MIN = 300_000          # pairs; a short scan is repeated
ROWS = (
    "fillseq 1", "fillseq 100", "fillrandom 1", "fillrandom 100", "overwrite",
    "readrandom", "readmissing", "scan",
)


def run(store_name, plan, report):
    """`plan` is a dict: keys, reads, value_bytes, buffer_bytes, cache_bytes, level, seed, directory,
    rows. Calls report(row, figures)."""
    wanted = plan["rows"]
    for row, keys in (("fillseq 1", workload.ascending), ("fillseq 100", workload.ascending),
                      ("fillrandom 100", workload.permuted)):
        if row in wanted:
            with fresh(store_name, plan) as (store, path):
                report(row, fill(store, path, keys(plan["keys"]), plan, int(row.split()[1])))
    if not {"fillrandom 1", "overwrite", "readrandom", "readmissing", "scan"} & set(wanted):
        return
    with fresh(store_name, plan) as (store, path):
        report("fillrandom 1", fill(store, path, workload.permuted(plan["keys"]), plan, 1))
        if "overwrite" in wanted:
            keys = workload.uniform(plan["keys"], plan["keys"], plan["seed"])
            report("overwrite", fill(store, path, keys, plan, 1))
        for row, keys_of in (("readrandom", workload.uniform), ("readmissing", workload.missing)):
            if row in wanted:
                report(row, read(store, keys_of, plan))
        if "scan" in wanted:
            report("scan", scan(store, plan))


class fresh:
    """A new store in a folder that goes away with it."""

    def __init__(self, store_name, plan):
        self.folder = tempfile.TemporaryDirectory(dir=plan["directory"], prefix="bench-")
        self.store = open_store(
            store_name, f"{self.folder.name}/store", plan["buffer_bytes"], plan["cache_bytes"],
            plan["level"],
        )

    def __enter__(self):
        return self.store, f"{self.folder.name}/store"

    def __exit__(self, *failure):
        self.store.close()
        self.folder.cleanup()


def fill(store, path, keys, plan, batch):
    values = cycle(workload.values_of(plan["value_bytes"]))
    wait_until_quiet()
    meter, done = Meter(), 0
    while True:
        with meter.making():
            chunk = list(islice(keys, CHUNK))
            chunk_values = list(islice(values, len(chunk)))
        if not chunk:
            break
        with meter.working():
            if batch == 1:
                store.put_each(chunk, chunk_values)
            else:
                for first in range(0, len(chunk), batch):
                    part = slice(first, first + batch)
                    store.put_batch(chunk[part], chunk_values[part])
        done += len(chunk)
    foreground_s = meter.cpu_s()
    store.settle()
    return {
        **figures(meter, done),
        "foreground_us": foreground_s / done * 1e6,
        "disk_bytes": directory_bytes(path),
    }


def read(store, keys_of, plan):
    count, reads = plan["keys"], plan["reads"]
    for_warming = keys_of(count, reads, plan["seed"] + 1)
    while chunk := list(islice(for_warming, CHUNK)):
        store.get_each(chunk)
    keys = keys_of(count, reads, plan["seed"])
    before = store.reads()
    meter, found = Meter(), 0
    while True:
        with meter.making():
            chunk = list(islice(keys, CHUNK))
        if not chunk:
            break
        with meter.working():
            found += store.get_each(chunk)
    result = {**figures(meter, reads), "found": found}
    assert found == (reads if keys_of is workload.uniform else 0), found
    if before is not None:
        result["reads_per_operation"] = (store.reads() - before) / reads
    return result


def scan(store, plan):
    store.read_all()
    passes = max(1, SCANNED_MIN // plan["keys"])
    meter = Meter()
    for _ in range(passes):
        with meter.working():
            pairs, size = store.read_all()
        assert (pairs, size) == (plan["keys"], plan["keys"] * plan["value_bytes"]), (pairs, size)
    return figures(meter, pairs * passes)


def figures(meter, operations):
    return {
        "kops": operations / meter.wall_s / 1e3,
        "cpu_us": meter.cpu_s() / operations * 1e6,
        "peak_bytes": memory_bytes("VmHWM"),
    }
