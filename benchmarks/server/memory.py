"""Larger than memory: how much memory two million pairs take, and what a restart costs.

    load      pairs of 16 + 1,000 bytes with memtable-bytes and block-cache-bytes at 64 MB
    read      all of them back, in another order, every byte compared; a wrong one ends the run
    restart   after a clean stop; then all of them again
    log       restarts after kill -9 with so many megabytes of log that were not yet flushed

Prints the greatest resident set of each part, seconds, and bytes on disk. Wanted: below 400 MB, and
a restart time that grows with the unflushed log and not with the data.
"""

import argparse
import json
import random
import threading
import time

from benchmarks.server.load import fill, read_back
from benchmarks.server.servers import Server, free_port, resp_kv

MEGABYTE = 1 << 20
LOGS_MB = (0, 16, 64, 128, 256)
SAMPLE_S = 0.05


class Watch:
    """Samples a server's resident set in a thread while the `with` block runs."""

    def __init__(self, server):
        self.server, self.greatest, self.ended = server, 0, threading.Event()
        self.thread = threading.Thread(target=self.sample, daemon=True)

    def sample(self):
        while not self.ended.wait(SAMPLE_S):
            try:
                self.greatest = max(self.greatest, self.server.rss_bytes())
            except (FileNotFoundError, ProcessLookupError, IndexError):
                return

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *failure):
        self.ended.set()
        self.thread.join()


def main(arguments=None):
    options = parse(arguments)
    found = larger_than_memory(options)
    found["restarts"] = restarts(options)
    if options.json:
        with open(options.json, "a", encoding="utf-8") as file:
            file.write(json.dumps(dict(found, time=time.strftime("%Y-%m-%d %H:%M:%S"))) + "\n")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pairs", type=int, default=2_000_000)
    parser.add_argument("--value-bytes", type=int, default=1000)
    parser.add_argument("--memory", default="64mb", help="memtable-bytes and block-cache-bytes")
    parser.add_argument("--json", metavar="FILE", help="append one line")
    return parser.parse_args(arguments)


def larger_than_memory(options):
    command = resp_kv("--memtable-bytes", options.memory, "--block-cache-bytes", options.memory)
    order = list(range(options.pairs))
    random.Random(1).shuffle(order)
    found = {}
    first = Server("resp-kv", command, free_port())
    try:
        data = options.pairs * (16 + options.value_bytes)
        print(f"{options.pairs} pairs of 16 + {options.value_bytes} bytes: {data / 1e9:.2f} GB; "
              f"memtable and cache {options.memory} each\n")
        print(f"{'':28}{'seconds':>9}{'pairs/s':>10}{'max RSS MB':>12}{'disk MB':>9}")
        with Watch(first) as watch:
            seconds = fill(first, options.pairs, options.value_bytes)
        found["load"] = row("load", seconds, options.pairs, watch, first)
        with Watch(first) as watch:
            settled = first.settle()
        found["settle"] = row("flush and compaction", settled, None, watch, first)
        found["read"] = read(first, "read all", order, options)
        first.temporary = False
        first.stop()
        second = Server("resp-kv", command, free_port(), first.directory)
        second.temporary = True
        with second:
            print(f"{'restart after a clean stop':28}{second.start_seconds:9.2f}")
            found["restart_seconds"] = second.start_seconds
            found["read_again"] = read(second, "read all again", order, options)
    finally:
        first.stop()
    return found


def read(server, name, order, options):
    with Watch(server) as watch:
        seconds = read_back(server, options.pairs, options.value_bytes, order=order)
    return row(name, seconds, options.pairs, watch, server)


def row(name, seconds, pairs, watch, server):
    rate = f"{pairs / seconds:.0f}" if pairs else ""
    disk = server.disk_bytes()
    print(f"{name:28}{seconds:9.1f}{rate:>10}{watch.greatest / MEGABYTE:12.0f}"
          f"{disk / MEGABYTE:9.0f}", flush=True)
    return {"seconds": seconds, "max_rss_bytes": watch.greatest, "disk_bytes": disk}


def restarts(options):
    """Start time against the log left to replay: data below is flushed, then the log grows."""
    print(f"\n{'unflushed log MB':>18}{'restart s':>11}")
    rows = []
    for megabytes in LOGS_MB:
        pairs = megabytes * MEGABYTE // (16 + options.value_bytes + 24)
        command = resp_kv("--memtable-bytes", "2gb", "--log-bytes-max", "2gb")
        server = Server("resp-kv", command, free_port())
        server.temporary = False
        fill(server, pairs, options.value_bytes)
        server.stop(kill=True)
        again = Server("resp-kv", command, free_port(), server.directory)
        again.temporary = True
        with again:
            rows.append((megabytes, again.start_seconds))
            print(f"{megabytes:18}{again.start_seconds:11.2f}", flush=True)
    return rows


if __name__ == "__main__":
    main()
