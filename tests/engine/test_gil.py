"""Whoever waits for the disk holds no GIL meanwhile: the event loop goes on beside flushes, merges, walks.

A function that may run without the GIL does not let go of it by itself, so each way to a table's blocks is
gone here. The faulty disk counts who comes with it.
"""

import random

import pytest

from engine import Batch, Engine, Options
from engine.disk_faulty import FaultyDisk
from engine.errors import NeedsDisk

TABLES = [("read", ".sst"), ("write", ".sst")]
KEYS = [b"key%05d" % i for i in range(3000)]


@pytest.fixture
def disk():
    return FaultyDisk()


@pytest.fixture
def engine(tmp_path, disk):
    """Tables of two levels, nothing of them cached, what is in memory beside them."""
    options = Options(memtable_bytes=256 << 10, block_cache_bytes=64 << 10, block_bytes=512,
                      level0_tables_trigger=2, table_bytes_max=64 << 10, dictionary_bytes=512)
    made = Engine.open(tmp_path / "data", options, disk=disk)
    for turn in range(3):
        batch = Batch()
        for key in random.Random(turn).sample(KEYS, len(KEYS)):
            batch.put(key, b"value %d of %s, somewhat longer " % (turn, key))
        made.write(batch)
        made.seal()
        made.run_steps(kind=None if turn < 2 else "flush")
    batch = Batch()
    batch.put(b"key00000", b"in memory")
    made.write(batch)
    made.cache.shrink_to(0)
    disk.held.clear()
    yield made
    made.close()


def test_a_flush_and_a_compaction(engine, disk):
    engine.seal()
    assert engine.run_steps() > 0
    assert engine.stats()["compactions"] > 0
    assert not any(key in disk.held for key in TABLES), disk.held


@pytest.mark.parametrize("walk", [
    lambda engine: engine.scan(),
    lambda engine: engine.scan(reverse=True),
    lambda engine: engine.snapshot().scan(),
    lambda engine: engine.snapshot().scan(reverse=True),
    lambda engine: range(engine.snapshot().count()),
], ids=["scan", "reverse", "snapshot", "snapshot-reverse", "count"])
def test_a_walk(engine, disk, walk):
    disk.counts.clear()
    assert len(list(walk(engine))) == len(KEYS)
    assert disk.counts["read"] > 3
    assert not any(key in disk.held for key in TABLES), disk.held


def test_loads(engine, disk):
    disk.never_cached = True
    found = None
    while found is None:
        try:
            found = engine.get(KEYS[-1], wait=False)
        except NeedsDisk:
            loads = engine.take_loads()
            loads.run()
            engine.install(loads)
    assert found.value.startswith(b"value 2")
    assert not any(key in disk.held for key in TABLES), disk.held
