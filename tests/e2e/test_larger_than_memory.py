"""More data than memory: bounded resident size, everything readable, also after a restart.

A small version runs with all tests; the full one (two million pairs of 16 + 1,000 bytes) is
`pytest tests/e2e/test_larger_than_memory.py -m long`.
"""

import random
import re
import time

import hiredis
import pytest

from tests.e2e.torture import receive
from tests.resp_kv.rig import encode

MIB = 2**20
NOISE = random.Random(0).randbytes(8 * MIB)


class Load:
    """`count` pairs of 16-byte keys and values of `size` bytes that compress to about a half."""

    def __init__(self, node, count, size, batch=500):
        self.node, self.count, self.size, self.batch = node, count, size, batch
        self.most_bytes = 0

    def key(self, i):
        return b"key:%012d" % i

    def value(self, i):
        """Names its number all through one half; the other half is a piece of the noise."""
        at = i * 7919 % (len(NOISE) - self.size)
        half = self.size // 2
        return (b"%d," % i * half)[:half] + NOISE[at:at + self.size - half]

    def write(self):
        for numbers, replies in self.pipelines(
                range(self.count), lambda i: encode("SET", self.key(i), self.value(i))):
            assert replies == [b"OK"] * len(numbers)

    def read(self, order):
        for numbers, replies in self.pipelines(order, lambda i: encode("GET", self.key(i))):
            for i, reply in zip(numbers, replies):
                assert reply == self.value(i), self.key(i)

    def pipelines(self, order, request):
        sock, reader = self.node.socket(), hiredis.Reader()
        for first in range(0, len(order), self.batch):
            numbers = order[first:first + self.batch]
            sock.sendall(b"".join(map(request, numbers)))
            yield numbers, [receive(sock, reader) for _ in numbers]
            if first % (20 * self.batch) == 0:
                self.most_bytes = max(self.most_bytes, self.node.rss_bytes)
        self.most_bytes = max(self.most_bytes, self.node.rss_bytes)


def run(node, count, size, limit_bytes, sample):
    """Write, read, kill, start, read again; {what: measured}."""
    load = Load(node, count, size)
    measured = {}
    began = time.monotonic()
    load.write()
    measured["load s"] = time.monotonic() - began
    order = random.Random(1).sample(range(count), sample)
    began = time.monotonic()
    load.read(order)
    measured["read s"] = time.monotonic() - began
    assert node.client().dbsize() == count
    node.kill()
    before = len(node.log)
    node.start()
    measured["open s"] = float(re.search(r"opened in ([\d.]+) s", node.log[before:])[1])
    load.read(order[::-1])
    assert node.client().dbsize() == count
    measured["most MiB"] = load.most_bytes / MIB
    print(measured, flush=True)
    assert load.most_bytes < limit_bytes, measured
    return measured


@pytest.mark.timeout(900)
def test_ten_times_the_memory(make_node):
    """200,000 pairs, 200 MB, with 8 MB for the memtable and 8 MB for the cache.

    What compactions and the allocator of eight threads hold besides differs from run to run."""
    node = make_node("--memtable-bytes", "8mb", "--block-cache-bytes", "8mb",
                     "--log-bytes-max", "16mb")
    empty_bytes = node.rss_bytes
    run(node, 200_000, 1000, empty_bytes + 120 * MIB, sample=50_000)
    info = node.client().info("engine")
    assert info["table_bytes"] > 80 * MIB


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_two_million_pairs_of_1000_bytes(make_node):
    """2 GB with 64 MB and 64 MB: under 400 MB resident, everything read twice."""
    node = make_node("--memtable-bytes", "64mb", "--block-cache-bytes", "64mb")
    measured = run(node, 2_000_000, 1000, 400 * MIB, sample=2_000_000)
    assert measured["open s"] < 60


@pytest.mark.timeout(900)
def test_a_restart_reads_the_unflushed_log_and_not_the_data(make_node):
    """Ten times the data and no more log: the start replays as little as before."""
    node = make_node("--memtable-bytes", "4mb", "--log-bytes-max", "8mb")
    logs = []
    for count in (5000, 50_000):
        Load(node, count, 400).write()
        node.kill()
        logs.append(sum(log.stat().st_size for log in node.data.glob("*.log")))
        node.start()
        assert node.client().dbsize() == count
    assert logs[1] < 26 * MIB, logs
