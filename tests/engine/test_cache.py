import pytest

from engine.cache import BlockCache
from tests.engine.table_rig import make_table, many


@pytest.mark.parametrize("budget", [4 << 10, 20 << 10, 100 << 10])
def test_the_budget_is_kept(tmp_path, budget):
    entries = many(2000)
    cache = BlockCache(budget)
    table = make_table(tmp_path, 1, entries, cache=cache)
    for entry in entries * 2:
        assert table.get(entry[0]) == entry[1:]
        assert cache.used_bytes <= budget
    stats = cache.stats()
    assert stats["evictions"] > 0
    assert stats["retired_bytes"] > 0
    assert stats["hits"] > stats["misses"] > 0


def test_a_scan_does_not_push_out_what_is_in_use(tmp_path):
    entries = many(4000)
    cache = BlockCache(64 << 10)
    table = make_table(tmp_path, 1, entries, cache=cache)
    hot = [entry[0] for entry in entries[:20]]
    for _ in range(5):
        table.count_found(hot)
    for entry in entries[1000:]:
        table.count_found(hot[:1])
        table.get(entry[0])
    before = cache.misses
    table.count_found(hot[:1])
    assert cache.misses == before


def test_what_fits_stays(tmp_path):
    entries = many(2000)
    cache = BlockCache(1 << 20)
    table = make_table(tmp_path, 1, entries, cache=cache)
    keys = [entry[0] for entry in entries]
    table.count_found(keys)
    before = cache.misses
    table.count_found(keys)
    assert cache.misses == before
    assert cache.evictions == 0
    assert cache.blocks == table.properties.blocks + table.properties.segments


def test_it_grows_with_many_tables(tmp_path):
    cache = BlockCache(1 << 30)
    tables = [make_table(tmp_path, n, many(600, hlc=n), cache=cache) for n in range(1, 30)]
    for table in tables:
        assert table.count_found([b"key%06d" % i for i in range(600)]) == 600
    assert cache.blocks > 1024
    for n, table in enumerate(tables, 1):
        assert table.get(b"key000100")[2] == n + 100 % 7
