"""Blocks, tables and merges against a sorted dict and a dumb twin of the merge."""

import tempfile

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.block_reader import find_key, read_block, seek_keys
from engine.block_writer import BlockWriter
from engine.cache import BlockCache
from engine.check import check_table
from engine.compaction import Compaction
from engine.compaction_picker import Choice
from engine.disk import Disk
from engine.merge import MergeCursor
from engine.options import Options
from engine.range_deletes import RangeDeleteRecord, RangeDeletes
from engine.table import Table
from engine.version import Version
from tests.engine.table_rig import make_table

U64 = st.integers(0, 2**64 - 1)
SHORT = st.binary(max_size=3) | st.binary(max_size=40) | st.text("ab", max_size=12).map(str.encode)
ENTRY = st.tuples(
    st.sampled_from([1, 2]), st.binary(max_size=60) | st.binary(min_size=300, max_size=600), U64,
    st.integers(0, 3) | U64, st.just(0) | U64, st.just(0) | U64,
)
CONTENT = st.dictionaries(SHORT, ENTRY, min_size=1, max_size=80)
# Few keys and few dots, so that versions meet and tie.
NARROW = st.dictionaries(
    st.text("ab", max_size=4).map(str.encode),
    st.tuples(st.sampled_from([1, 2]), st.binary(max_size=3), st.integers(0, 6),
              st.integers(0, 1), st.sampled_from([0, 5, 50]), st.integers(0, 2)),
    min_size=1, max_size=20,
)
RANGE = st.builds(
    RangeDeleteRecord, st.text("ab", max_size=2).map(str.encode),
    st.text("ab", max_size=2).map(str.encode), st.integers(0, 7), st.integers(0, 1),
    st.integers(-1, 1), st.sampled_from(b"ab"),
)


def entries_of(content):
    return [(key, *content[key]) for key in sorted(content)]


@given(CONTENT, st.lists(SHORT, max_size=10))
@settings(max_examples=300, deadline=None)
def test_a_block_is_a_sorted_dict(content, others):
    writer = BlockWriter()
    entries = entries_of(content)
    for key, kind, value, hlc, actor, deadline_ms, annotation in entries:
        writer.append(key, kind, value, hlc=hlc, actor=actor, deadline_ms=deadline_ms,
                      annotation=annotation)
    raw = writer.finish()
    assert read_block(raw) == entries
    for key in [*content, *others]:
        assert find_key(raw, key) == ((key, *content[key]) if key in content else None)
        assert seek_keys(raw, key) == [k for k in sorted(content) if k >= key]


@given(CONTENT, st.lists(SHORT, max_size=10), st.integers(0, 3), st.integers(64, 400))
@settings(max_examples=120, deadline=None)
def test_a_table_is_a_sorted_dict(content, others, level, block_bytes):
    options = Options(block_bytes=block_bytes, blocks_per_segment=1 + level,
                      compression_level=level, bloom_bits_per_key=3 * level)
    with tempfile.TemporaryDirectory() as directory:
        entries = entries_of(content)
        table = make_table(directory, 1, entries, options)
        assert check_table(table.path, Disk()) == table.properties
        assert list(table.cursor(None, block_bytes * 2).entries()) == entries
        for key in [*content, *others]:
            assert table.get(key) == content.get(key)
            assert list(table.cursor().entries(key)) == [e for e in entries if e[0] >= key]


ALIKE = st.dictionaries(
    st.integers(0, 10**6).map(b"key%07d".__mod__),
    st.tuples(st.just(1), st.integers(0, 10**6).map(b'{"name": "user %d", "balance": 1234}'.__mod__), U64,
              st.integers(0, 3), st.just(0), st.just(0)),
    min_size=1, max_size=300,
)


@given(ALIKE, CONTENT, st.sampled_from([256, 300, 2000]), st.integers(1, 64))
@settings(max_examples=60, deadline=None)
def test_a_table_with_a_dictionary_is_a_sorted_dict(alike, others, dictionary_bytes, blocks):
    options = Options(block_bytes=256, blocks_per_segment=blocks)
    content = alike | others
    with tempfile.TemporaryDirectory() as directory:
        entries = entries_of(content)
        table = make_table(directory, 1, entries, options, dictionary_bytes=dictionary_bytes)
        assert check_table(table.path, Disk()) == table.properties
        assert list(table.cursor(None, 1000).entries()) == entries
        for key in content:
            assert table.get(key) == content[key]


def newest_of_each(contents, ranges):
    """The dumb twin: (key, kind, value, hlc, actor, deadline_ms, annotation) in key order."""
    found = {}
    for content in contents:
        for key, entry in content.items():
            if key not in found or order(entry) > order(found[key]):
                found[key] = entry
    return [(key, *found[key]) for key in sorted(found) if not hidden(key, found[key], ranges)]


def order(entry):
    _, _, hlc, actor, _, annotation = entry
    return hlc, actor, annotation


def hidden(key, entry, ranges):
    return any(
        r.start <= key and (not r.end or key < r.end) and (entry[2], entry[3]) < r.dot
        and (r.offset < 0 or key[r.offset:r.offset + 1] == bytes([r.byte]))
        for r in ranges
    )


def tied(contents):
    """One write has one content: of two entries with the same order, keep the first."""
    seen = {}
    return [
        {key: seen.setdefault((key, order(entry)), entry) for key, entry in content.items()}
        for content in contents
    ]


@given(st.lists(NARROW, max_size=6), st.lists(RANGE, max_size=2))
@settings(max_examples=150, deadline=None)
def test_a_merge_is_its_dumb_twin(contents, ranges):
    contents = tied(contents)
    with tempfile.TemporaryDirectory() as directory:
        tables = [make_table(directory, n, entries_of(c)) for n, c in enumerate(contents, 1)]
        cursor = MergeCursor([t.cursor() for t in tables], RangeDeletes(ranges))
        expected = newest_of_each(contents, ranges)
        assert list(cursor.entries()) == expected
        assert list(cursor.entries(b"ab")) == [e for e in expected if e[0] >= b"ab"]


@given(st.lists(NARROW, min_size=1, max_size=5), st.lists(RANGE, max_size=1),
       st.sets(st.integers(0, 4)), st.integers(0, 8), st.sampled_from([0, 5, 50]))
@settings(max_examples=150, deadline=None)
def test_a_compaction_changes_no_answer(contents, ranges, chosen, drop_below_hlc, now_ms):
    """Whichever tables are merged, live records stay, and nothing dead comes back."""
    contents = tied(contents)
    options = Options(block_bytes=64, table_bytes_max=4096)
    with tempfile.TemporaryDirectory() as directory:
        tables = [make_table(directory, n, entries_of(c)) for n, c in enumerate(contents, 1)]
        inputs = tuple(t for i, t in enumerate(tables) if i in chosen) or tuple(tables)
        numbers = iter(range(100, 200))
        compaction = Compaction(
            Choice(0, 1, inputs, "test"), Version([tables, []]), disk=Disk(), directory=directory,
            options=options, take_number=lambda: next(numbers), range_deletes=RangeDeletes(ranges),
            now_ms=now_ms, drop_below_hlc=drop_below_hlc,
        )
        assert compaction.run()
        left = [{e[0]: e[1:] for e in t.cursor().entries()}
                for t in tables if t not in inputs]
        for properties in compaction.outputs:
            check_table(f"{directory}/{properties.number:06d}.sst", Disk())
            left.append(read_again(directory, properties.number))
    assert live(newest_of_each(left, ranges), now_ms) == live(
        newest_of_each(contents, ranges), now_ms
    )


def read_again(directory, number):
    table = Table.open(Disk(), directory, number, BlockCache(1 << 20))
    return {entry[0]: entry[1:] for entry in table.cursor().entries()}


def live(entries, now_ms):
    return [e for e in entries if e[1] == 1 and not 0 < e[5] <= now_ms]
