"""Scans: what they take from the cache, and when they end."""

import random

import pytest

from engine import Batch, Engine, Options
from engine.disk_faulty import FaultyDisk
from engine.errors import EngineClosed

COUNT = 5000


def key_of(number):
    return b"user:%09d" % number


def filled(path, disk=None, **options):
    options.setdefault("block_cache_bytes", 4 << 20)
    engine = Engine.open(path, Options(**options), disk=disk)
    for first in range(0, COUNT, 500):
        batch = Batch()
        for number in range(first, first + 500):
            batch.put(key_of(number * 7919 % COUNT), b"%d" % number)
        engine.write(batch)
        engine.flush()
    return engine


@pytest.fixture(params=[256 << 10, 0], ids=["readahead", "block by block"])
def engine(tmp_path, request):
    with filled(tmp_path / "db", scan_readahead_bytes=request.param,
                block_cache_bytes=64 << 10) as opened:
        yield opened


def keys(records):
    return [record.key for record in records]


@pytest.mark.parametrize("seed", range(5))
def test_a_scan_is_the_same_whatever_the_cache_holds(engine, seed):
    draw = random.Random(seed)
    expected = [key_of(number) for number in range(COUNT)]
    for reads in (0, 3, 300):
        for _ in range(reads):
            engine.get(key_of(draw.randrange(COUNT)))
        low, high = sorted((draw.randrange(COUNT), draw.randrange(COUNT)))
        assert keys(engine.scan()) == expected
        assert keys(engine.scan(key_of(low), key_of(high))) == expected[low:high]
        assert keys(engine.scan(key_of(low), reverse=True)) == expected[low:][::-1]


def test_a_scan_goes_on_when_the_cache_gives_its_blocks_to_others(engine):
    for number in range(0, COUNT, 50):
        engine.get(key_of(number))
    records, found = engine.scan(), []
    for number, record in enumerate(records):
        found.append(record.key)
        engine.get(key_of(number * 997 % COUNT))
    assert found == [key_of(number) for number in range(COUNT)]


def test_a_scan_counts_neither_as_hit_nor_as_miss(engine):
    engine.get(key_of(1))
    before = engine.stats()
    list(engine.scan())
    after = engine.stats()
    assert [after[name] for name in ("cache_hits", "cache_misses")] == [
        before[name] for name in ("cache_hits", "cache_misses")]


def test_a_scan_fills_the_cache_and_pushes_nothing_out(engine):
    used = [engine.stats()["cache_bytes"]]
    for _ in range(2):
        list(engine.scan())
        used.append(engine.stats()["cache_bytes"])
    assert used[0] < (64 << 10) * 0.9 < used[1] <= 64 << 10
    assert used[2] == used[1]
    with engine.snapshot() as view:
        assert keys(view.scan()) == keys(engine.scan())


def test_the_second_scan_of_what_fits_reads_nothing(tmp_path):
    disk = FaultyDisk()
    with filled(tmp_path / "db", disk) as engine:
        assert len(keys(engine.scan())) == COUNT
        reads = disk.counts["read"]
        assert len(keys(engine.scan())) == COUNT
        assert disk.counts["read"] == reads


def test_a_scan_sees_its_moment_from_the_call_on(engine):
    records = engine.scan(b"user:00000499")
    batch = Batch()
    batch.delete_range(b"", b"")
    batch.put(b"user:999", b"later")
    engine.write(batch)
    assert keys(records) == [key_of(number) for number in range(4990, COUNT)]
    assert keys(engine.scan()) == [b"user:999"]


def test_a_scan_of_a_closed_snapshot_is_refused(engine):
    view = engine.snapshot()
    records = view.scan()
    next(records)
    view.close()
    with pytest.raises(EngineClosed):
        next(records)
    with pytest.raises(EngineClosed):
        view.scan()


def test_a_closed_scan_is_at_its_end(engine):
    records = engine.scan()
    next(records)
    records.close()
    records.close()
    assert list(records) == []
