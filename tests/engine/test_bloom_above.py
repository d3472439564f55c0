"""Filters of the upper levels: a missing key asks all tables and should read none."""

from engine import Batch, Engine, Options

COUNT = 20_000


def test_missing_keys_hardly_read_upper_levels(tmp_path):
    options = Options(level0_tables_trigger=100, level0_tables_slowdown=100, level0_tables_stop=101)
    with Engine.open(tmp_path, options) as engine:
        for first in range(8):
            batch = Batch()
            for number in range(first, COUNT, 8):
                batch.put(b"key:%08d" % number, b"value")
            engine.write(batch)
            engine.flush()
        assert engine.stats()["tables"] == 8
        for number in range(COUNT):            # brings all metas into the cache
            engine.get(b"key:%08d" % number)
        before = engine.stats()
        for number in range(COUNT):
            assert engine.get(b"key:%08d-" % number) is None
        after = engine.stats()
    touched = after["cache_hits"] + after["cache_misses"]
    touched -= before["cache_hits"] + before["cache_misses"]
    # One meta a table, and here and there a block: at ten bits a key it would be 8 % of the keys.
    assert touched < COUNT * 8 * 1.005


def test_bits_follow_the_level():
    options = Options(bloom_bits_per_key=10, bloom_bits_per_key_above=16)
    assert (options.bloom_bits(lowest=True), options.bloom_bits(lowest=False)) == (10, 16)
    assert Options(bloom_bits_per_key=20).bloom_bits(lowest=False) == 20
    assert Options(bloom_bits_per_key=0).bloom_bits(lowest=False) == 0
