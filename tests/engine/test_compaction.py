import itertools

import pytest

from engine.cache import BlockCache
from engine.check import check_table
from engine.compaction import Compaction
from engine.compaction_picker import Choice
from engine.disk import Disk
from engine.errors import DamagedFile
from engine.merge import MergeCursor
from engine.range_deletes import RangeDeleteRecord, RangeDeletes
from engine.table import Table
from engine.version import Version
from tests.engine.table_rig import TINY, delete, make_table, many, put


class Tree:
    """Levels of tables in a folder; compacts some and reads what came out."""

    def __init__(self, directory, numbers, *levels):
        self.directory = directory
        self.numbers = numbers
        self.cache = BlockCache(1 << 20)
        self.version = Version([
            [make_table(directory, next(numbers), entries) for entries in level]
            for level in levels
        ])

    def tables(self, *numbers):
        return tuple(t for t in self.version.tables() if t.number in numbers)

    def compaction(self, *numbers, target=1, **rest):
        choice = Choice(0, target, self.tables(*numbers), "test")
        return Compaction(choice, self.version, disk=Disk(), directory=str(self.directory),
                          options=TINY, take_number=lambda: next(self.numbers), **rest)

    def compact(self, *numbers, **rest):
        """The entries of the new tables."""
        compaction = self.compaction(*numbers, **rest)
        assert compaction.run()
        found = []
        for properties in compaction.outputs:
            check_table(f"{self.directory}/{properties.number:06d}.sst")
            table = Table.open(Disk(), str(self.directory), properties.number, self.cache)
            assert table.properties == properties
            found += table.cursor().entries()
        return found


@pytest.fixture
def tree(tmp_path):
    numbers = itertools.count(1)
    return lambda *levels: Tree(tmp_path, numbers, *levels)


def test_merges_into_tables_of_bounded_size(tree):
    one = tree([many(1000, step=2), many(1000, step=3, hlc=20)], [many(500)])
    expected = list(MergeCursor([t.cursor() for t in one.version.tables()]).entries())
    compaction = one.compaction(1, 2, 3)
    assert compaction.run()
    assert len(compaction.outputs) > 5
    assert all(p.file_bytes < 2 * TINY.table_bytes_max for p in compaction.outputs)
    assert one.compact(1, 2, 3) == expected
    assert compaction.entries_written == len(expected)


def test_a_tombstone_stays_until_the_watermark_has_passed_it(tree):
    one = tree([[put(b"a", hlc=1), put(b"b", hlc=1)], [delete(b"a", hlc=10)]])
    kept = [delete(b"a", hlc=10), put(b"b", hlc=1)]
    assert one.compact(1, 2) == kept
    assert one.compact(1, 2, drop_below_hlc=10) == kept
    assert one.compact(1, 2, drop_below_hlc=11) == [put(b"b", hlc=1)]


def test_a_tombstone_stays_while_another_table_may_hold_what_it_hides(tree):
    one = tree([[delete(b"m", hlc=10)]], [], [[put(b"a", hlc=5), put(b"z", hlc=20)]])
    assert one.compact(1, drop_below_hlc=100) == [delete(b"m", hlc=10)]
    one = tree([[delete(b"m", hlc=10)]], [], [[put(b"a", hlc=11), put(b"z", hlc=20)]])
    numbers = [t.number for t in one.version.levels[0]]
    assert one.compact(*numbers, drop_below_hlc=100) == []


def test_of_the_same_dot_in_another_table(tree):
    """The same write, before an EXPIRE annotated it: it would come back without its deadline."""
    expired = put(b"m", b"v", hlc=10, deadline_ms=5, annotation=12)
    one = tree([[expired], [put(b"m", b"v", hlc=10)]])
    assert one.compact(1, drop_below_hlc=100, now_ms=9) == [expired]
    assert one.compact(1, 2, drop_below_hlc=100, now_ms=9) == []


def test_tables_that_do_not_span_the_key_do_not_matter(tree):
    one = tree([[delete(b"m", hlc=10)]], [[put(b"a", hlc=1), put(b"l", hlc=1)], [put(b"n", hlc=1)]])
    assert one.compact(1, drop_below_hlc=100) == []


def test_expired_records_go_like_tombstones(tree):
    one = tree([
        [put(b"a", hlc=1, deadline_ms=500), put(b"b", hlc=1, deadline_ms=501), put(b"c", hlc=1)],
        [put(b"c", hlc=2, deadline_ms=3)],
    ])
    assert len(one.compact(1, 2, now_ms=500)) == 3
    assert one.compact(1, 2, now_ms=500, drop_below_hlc=9) == [put(b"b", hlc=1, deadline_ms=501)]


def test_an_annotation_above_the_watermark_keeps_the_record(tree):
    entry = put(b"a", hlc=1, deadline_ms=500, annotation=50)
    one = tree([[entry]])
    assert one.compact(1, now_ms=900, drop_below_hlc=50) == [entry]
    assert one.compact(1, now_ms=900, drop_below_hlc=51) == []


def test_what_a_range_delete_covers_goes_at_once(tree):
    one = tree([[put(b"a", hlc=1), put(b"b", hlc=1), put(b"c", hlc=7)]])
    item = RangeDeleteRecord(b"b", b"", 5, 0, sequence=33)
    compaction = one.compaction(1, range_deletes=RangeDeletes([item]))
    assert compaction.run()
    assert [(p.entries, p.cleared_sequence) for p in compaction.outputs] == [(2, 33)]


def test_tables_that_are_hidden_as_a_whole_are_not_read(tree):
    item = RangeDeleteRecord(b"", b"", 50, 0)
    one = tree([many(300)])
    compaction = one.compaction(1, range_deletes=RangeDeletes([item]))
    assert compaction.run()
    assert [t.number for t in compaction.unread] == [1]
    assert (compaction.entries_read, compaction.outputs) == (0, [])
    dead = tree([[delete(b"k%d" % i, hlc=3) for i in range(9)]])
    number = dead.version.tables()[0].number
    compaction = dead.compaction(number, drop_below_hlc=4)
    assert compaction.run()
    assert compaction.entries_read == 0


def test_a_dead_table_is_read_when_another_input_holds_older_versions(tree):
    one = tree([[delete(b"k", hlc=9)], [put(b"k", hlc=1)]])
    assert one.compact(1, 2, drop_below_hlc=99) == []
    assert one.compact(1, drop_below_hlc=99) == [delete(b"k", hlc=9)]


def test_in_steps(tree):
    one = tree([many(2000)])
    compaction = one.compaction(1)
    steps = 0
    while compaction.step(10_000):
        steps += 1
    assert 5 < steps < 20
    assert sum(p.entries for p in compaction.outputs) == 2000


def test_abort_leaves_nothing_behind(tree, tmp_path):
    one = tree([many(2000)])
    compaction = one.compaction(1)
    assert compaction.step(40_000)
    compaction.aborted = True
    assert not compaction.run()
    assert len(list(tmp_path.iterdir())) > 1
    compaction.abandon()
    assert [path.name for path in tmp_path.iterdir()] == ["000001.sst"]


def test_damage_in_an_input_stops_it(tree, tmp_path):
    one = tree([many(2000)])
    path = tmp_path / "000001.sst"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    compaction = one.compaction(1)
    with pytest.raises(DamagedFile):
        compaction.run()
    compaction.abandon()
    assert [found.name for found in tmp_path.iterdir()] == ["000001.sst"]
