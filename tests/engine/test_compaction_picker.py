from dataclasses import replace
from types import SimpleNamespace

from engine.compaction_picker import choose, covers_table
from engine.options import Options
from engine.range_deletes import RangeDeleteRecord
from engine.table_format import TableProperties
from engine.version import Version

OPTIONS = Options(level0_tables_trigger=3, level_bytes_base=1 << 12, level_multiplier=4)


def table(number, least=b"a", greatest=b"z", file_bytes=100, **rest):
    known = {"entries": 10, "least_hlc": 1, "greatest_hlc": 100, **rest}
    properties = TableProperties(
        number=number, least_key=least, greatest_key=greatest, file_bytes=file_bytes, **known
    )
    return SimpleNamespace(number=number, properties=properties)


def version_of(*levels, ranges=()):
    return Version([*levels, *[()] * (4 - len(levels))], ranges)


def described(choice):
    return choice and (choice.level, choice.target, sorted(choice.numbers), choice.reason)


def test_nothing_to_do():
    assert choose(version_of(), OPTIONS) is None
    assert choose(version_of([table(2), table(1)]), OPTIONS) is None


def test_level_0_goes_down_as_a_whole_with_what_it_overlaps():
    version = version_of(
        [table(9, b"d", b"f"), table(8, b"e", b"k"), table(7, b"g", b"h")],
        [table(1, b"a", b"c"), table(2, b"c", b"d"), table(3, b"j", b"m"), table(4, b"n", b"o")],
    )
    assert described(choose(version, OPTIONS)) == (0, 1, [2, 3, 7, 8, 9], "tables")


def test_of_a_level_that_is_too_large_the_cheapest_table_goes_down():
    version = version_of(
        [],
        [table(1, b"a", b"c", 2000), table(2, b"d", b"f", 2000), table(3, b"g", b"i", 2000)],
        [table(4, b"a", b"b", 3000), table(5, b"e", b"e", 1000), table(6, b"g", b"h", 2000)],
    )
    assert described(choose(version, OPTIONS)) == (1, 2, [2, 5], "size")


def test_the_most_crowded_level_first():
    level0 = [table(9), table(8), table(7)]
    version = version_of(level0, [table(1, file_bytes=3 << 12)], [table(2, file_bytes=9 << 14)])
    assert choose(version, OPTIONS).level == 2
    version = version_of(level0 * 4, [table(1, file_bytes=3 << 12)])
    assert choose(version, OPTIONS).level == 0


def test_the_last_level_stays():
    version = Version([[], [], [table(1, file_bytes=1 << 40)]])
    assert choose(version, OPTIONS) is None


def test_a_table_with_nothing_below_moves():
    version = version_of([], [table(1, b"a", b"c", 5000)], [table(2, b"d", b"e")])
    choice = choose(version, OPTIONS)
    assert choice.is_move
    assert described(choice) == (1, 2, [1], "size")


LARGE = OPTIONS.table_bytes_max // 8


def test_a_table_of_level_0_that_overlaps_nothing_moves_the_oldest_first():
    level0 = [table(9, b"g", b"h", LARGE), table(8, b"e", b"f", LARGE), table(7, b"c", b"d", LARGE)]
    version = version_of(level0, [table(1, b"a", b"b"), table(2, b"i", b"j")])
    first = choose(version, OPTIONS)
    assert first.is_move
    assert described(first) == (0, 1, [7], "alone")
    assert choose(version, OPTIONS, under_way=[first]) is None       # two are left: fewer than three
    assert described(choose(version_of([table(10, b"k", b"l", LARGE), *level0]), OPTIONS,
                            under_way=[first])) == (0, 1, [8], "alone")


def test_a_small_table_of_level_0_or_one_that_overlaps_goes_down_with_the_others():
    small = [table(9, b"g", b"h", LARGE - 1), table(8, b"e", b"f", 9), table(7, b"c", b"d", 9)]
    assert described(choose(version_of(small), OPTIONS)) == (0, 1, [7, 8, 9], "tables")
    level0 = [table(9, b"c", b"f", LARGE), table(8, b"e", b"g", LARGE), table(7, b"i", b"j", LARGE)]
    below = [table(1, b"j", b"k")]
    assert described(choose(version_of(level0, below), OPTIONS)) == (0, 1, [1, 7, 8, 9], "tables")
    assert described(choose(version_of(level0), OPTIONS)) == (0, 1, [7], "alone")


def test_no_table_moves_into_a_range_that_another_compaction_writes_to():
    level0 = [table(9, b"g", b"h", LARGE), table(8, b"e", b"f", LARGE), table(7, b"p", b"q", LARGE)]
    level1 = [table(1, b"a", b"b"), table(2, b"r", b"s")]
    writing = choose(version_of([table(3, b"a", b"s"), table(4, b"b", b"r"), table(5)], level1), OPTIONS)
    assert writing.target == 1
    assert choose(version_of(level0, level1), OPTIONS, under_way=[writing]) is None


def test_what_is_under_way_is_left_alone():
    one, two = table(1, b"a", b"c", 5000), table(2, b"d", b"f", 5000)
    below = table(3, b"a", b"b")
    version = version_of([], [one, two], [below])
    first = choose(version, OPTIONS)
    assert described(first) == (1, 2, [2], "size")
    second = choose(version, OPTIONS, under_way=[first])
    assert described(second) == (1, 2, [1, 3], "size")
    assert choose(version, OPTIONS, under_way=[first, second]) is None


def test_two_that_write_into_a_level_stay_apart():
    level0 = [table(9, b"a", b"m"), table(8, b"n", b"p"), table(7, b"q", b"z")]
    down = choose(version_of(level0), OPTIONS)
    assert described(down) == (0, 1, [7, 8, 9], "tables")
    later = [table(12, b"a", b"b"), table(11, b"c", b"d"), table(10, b"e", b"f")]
    assert choose(version_of(later + level0), OPTIONS, under_way=[down]) is None
    apart = [table(number, b"~") for number in (14, 13, 12)]
    for one in apart:
        one.properties.greatest_key = b"~~"
    choice = choose(version_of(apart + level0), OPTIONS, under_way=[down])
    assert described(choice) == (0, 1, [12, 13, 14], "tables")


def test_level_1_gives_way_to_level_0():
    """Or else it would always be busy, and level 0 could never come down."""
    one, two = table(1, b"a", b"c", 5000), table(2, b"d", b"f", 5000)
    version = version_of([], [one, two])
    move = choose(version, OPTIONS)
    level0 = [table(number) for number in range(19, 10, -1)]
    options = replace(OPTIONS, level0_tables_slowdown=11)
    assert choose(version_of(level0, [one, two]), options, under_way=[move]) is None
    deep = [table(3, b"a", b"c", 50000)]
    choice = choose(version_of(level0, [one, two], deep), options, under_way=[move])
    assert described(choice) == (2, 3, [3], "size")


def test_a_crowded_level_0_is_merged_within_itself_while_its_way_is_taken():
    options = Options(level0_tables_trigger=2, level0_tables_slowdown=5, level_bytes_base=1 << 12)
    old = [table(2), table(1)]
    down = choose(version_of(old), options)
    new = [table(number, file_bytes=100 * number) for number in (6, 5, 4, 3)]
    assert choose(version_of(new[2:] + old), options, under_way=[down]) is None
    choice = choose(version_of(new + old), options, under_way=[down])
    assert described(choice) == (0, 0, [3, 4, 5, 6], "crowded")
    large = [table(number, file_bytes=1000 * number) for number in (6, 5, 4, 3, 1)]
    choice = choose(version_of(large + old), options, under_way=[down])
    assert choice is None                    # two of them would be larger than level 1 may be


def test_a_table_under_a_range_delete():
    item = RangeDeleteRecord(b"c", b"m", 200, 0, sequence=5)
    version = version_of([], [table(1, b"a", b"b"), table(2, b"c", b"f"), table(3, b"g", b"m")],
                         ranges=[item])
    assert described(choose(version, OPTIONS)) == (1, 1, [2], "range-deleted")


def test_covering_a_table():
    def covers(item, **rest):
        return covers_table(item, table(1, b"\0\1b", b"\0\1x", **rest).properties)

    assert covers(RangeDeleteRecord(b"", b"", 200, 0))
    assert not covers(RangeDeleteRecord(b"", b"", 100, 0))          # the table has that dot
    assert covers(RangeDeleteRecord(b"", b"", 100, 1))
    assert not covers(RangeDeleteRecord(b"", b"\0\1x", 200, 0))     # its end is not in it
    assert not covers(RangeDeleteRecord(b"\0\1c", b"", 200, 0))
    assert covers(RangeDeleteRecord(b"", b"", 200, 0, 1, 1))
    assert not covers(RangeDeleteRecord(b"", b"", 200, 0, 1, 2))
    assert not covers(RangeDeleteRecord(b"", b"", 200, 0, 2, ord("b")))


def test_a_table_is_cleared_of_a_range_delete_once():
    item = RangeDeleteRecord(b"c", b"", 50, 0, 0, 7, sequence=5)
    version = version_of([], [table(1, b"a", b"b"), table(2, b"c", b"f")], ranges=[item])
    assert described(choose(version, OPTIONS)) == (1, 1, [2], "uncleared")
    for harmless in ({"cleared_sequence": 5}, {"least_hlc": 51}):
        version = version_of([], [table(2, b"c", b"f", **harmless)], ranges=[item])
        assert choose(version, OPTIONS) is None


def test_garbage_is_collected_below_the_watermark_only():
    dead = table(1, tombstones=6)
    assert choose(version_of([], [dead]), OPTIONS, drop_below_hlc=100) is None
    choice = choose(version_of([], [dead]), OPTIONS, drop_below_hlc=101)
    assert described(choice) == (1, 1, [1], "garbage")
    living = table(1, tombstones=5)
    assert choose(version_of([], [living]), OPTIONS, drop_below_hlc=101) is None


def test_expired_records_are_garbage():
    dying = table(1, expiring=9, greatest_deadline_ms=500)
    assert choose(version_of([], [dying]), OPTIONS, 499, 101) is None
    assert described(choose(version_of([], [dying]), OPTIONS, 500, 101)) == (1, 1, [1], "garbage")


def test_tombstones_go_down_to_meet_what_they_hide():
    dead = table(1, tombstones=9, least_hlc=90)
    version = version_of([], [dead], [], [table(2, greatest_hlc=50)])
    assert described(choose(version, OPTIONS, 0, 101)) == (1, 2, [1], "garbage")
    version = version_of([], [], [dead], [table(2, greatest_hlc=50)])
    assert described(choose(version, OPTIONS, 0, 101)) == (2, 3, [1, 2], "garbage")
