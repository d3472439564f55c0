from engine.cache import BlockCache
from engine.level_cursor import LevelCursor
from engine.merge import MergeCursor
from engine.range_deletes import RangeDeleteRecord, RangeDeletes
from tests.engine.table_rig import delete, make_table, many, put


def merged(tmp_path, *tables, start=b"", **rest):
    opened = [make_table(tmp_path, number, entries) for number, entries in enumerate(tables, 1)]
    return list(MergeCursor([table.cursor() for table in opened], **rest).entries(start))


def test_nothing(tmp_path):
    assert list(MergeCursor([]).entries()) == []


def test_the_newest_version_of_each_key_wherever_it_lies(tmp_path):
    assert merged(
        tmp_path,
        [put(b"a", b"old", hlc=1), put(b"b", b"new", hlc=9), put(b"c", b"x", hlc=5, actor=1)],
        [put(b"a", b"new", hlc=2), put(b"b", b"old", hlc=8), put(b"c", b"y", hlc=5, actor=2)],
        [put(b"a", b"mid", hlc=1, actor=7), put(b"d", b"only")],
    ) == [
        put(b"a", b"new", hlc=2), put(b"b", b"new", hlc=9), put(b"c", b"y", hlc=5, actor=2),
        put(b"d", b"only"),
    ]


def test_of_equal_dots_the_later_annotation(tmp_path):
    early, late = put(b"k", b"v", annotation=3), put(b"k", b"v", annotation=4, deadline_ms=9)
    assert merged(tmp_path, [early], [late]) == [late]
    (tmp_path / "x").mkdir()
    assert merged(tmp_path / "x", [late], [early]) == [late]


def test_keys_that_begin_alike(tmp_path):
    """The first eight bytes do not tell them apart."""
    a = [put(b"prefix__"), put(b"prefix__\0"), put(b"prefix__ab")]
    b = [put(b"prefix_"), put(b"prefix__a"), put(b"prefix__b")]
    assert merged(tmp_path, a, b) == sorted(a + b)


def test_tombstones_are_shown_unless_they_are_not_wanted(tmp_path):
    tables = [put(b"a", hlc=1), put(b"b", hlc=1)], [delete(b"a", hlc=2)]
    assert merged(tmp_path, *tables) == [delete(b"a", hlc=2), put(b"b", hlc=1)]
    (tmp_path / "x").mkdir()
    assert merged(tmp_path / "x", *tables, skip_tombstones=True) == [put(b"b", hlc=1)]


def test_what_a_range_delete_covers_is_not_shown(tmp_path):
    ranges = RangeDeletes([RangeDeleteRecord(b"b", b"d", 5, 0)])
    assert merged(
        tmp_path,
        [put(b"a", hlc=1), put(b"b", hlc=1), put(b"c", hlc=1), put(b"d", hlc=1)],
        [put(b"b", hlc=4), put(b"c", hlc=6)],
        range_deletes=ranges,
    ) == [put(b"a", hlc=1), put(b"c", hlc=6), put(b"d", hlc=1)]


def test_seeking(tmp_path):
    tables = [make_table(tmp_path, n, many(100, step=n)) for n in (1, 2, 3)]
    cursor = MergeCursor([table.cursor() for table in tables])
    everything = list(cursor.entries())
    for key in (b"", b"key000050", b"key000050x", b"key000299", b"z"):
        assert list(cursor.entries(key)) == [e for e in everything if e[0] >= key]
    assert cursor.count_entries() == len(everything)


def test_a_level_is_one_lane(tmp_path):
    entries = many(300)
    cache = BlockCache(1 << 20)
    tables = [make_table(tmp_path, n + 1, entries[n * 100:n * 100 + 90], cache=cache) for n in range(3)]
    level = LevelCursor(tables)
    left = [e for i, e in enumerate(entries) if i % 100 < 90]
    assert list(MergeCursor([level]).entries()) == left
    for at in (0, 50, 89, 90, 95, 100, 189, 250, 299):
        key = entries[at][0]
        assert list(MergeCursor([level]).entries(key)) == [e for e in left if e[0] >= key]
    assert list(MergeCursor([LevelCursor([])]).entries()) == []
