import hashlib
import threading

import pytest

from engine.cache import BlockCache
from engine.disk import Disk
from engine.errors import DamagedFile, NeedsDisk, UnknownFormat
from engine.loads import Loads
from engine.options import Options
from engine.table import Table
from engine.table_format import FOOTER_BYTES, encode_footer
from engine.table_writer import TableWriter
from tests.engine.table_rig import (
    TINY,
    delete,
    forget_page_cache,
    make_table,
    many,
    put,
    write_table,
)


def test_every_key_is_found_with_all_that_was_written(tmp_path):
    entries = many(1000, step=2)
    table = make_table(tmp_path, 1, entries)
    assert table.properties.segments > 3
    for entry in entries:
        assert table.get(entry[0]) == entry[1:]
    assert table.count_found([b"key%06d" % i for i in range(2000)]) == 1000
    for missing in (b"", b"a", b"key000000\0", b"key000001", b"key001999", b"z"):
        assert table.get(missing) is None


def test_a_cursor_walks_all_entries_and_seeks(tmp_path):
    entries = many(500, step=2)
    table = make_table(tmp_path, 1, entries)
    for readahead in (0, 700, 1 << 20):
        cursor = table.cursor(None, readahead)
        assert list(cursor.entries()) == entries
        assert list(cursor.entries(b"key000501")) == entries[251:]
        assert list(cursor.entries(b"key000502")) == entries[251:]
        assert list(cursor.entries(b"z")) == []
        assert list(cursor.entries(b"")) == entries


def test_properties(tmp_path):
    written = write_table(tmp_path, 7, [
        put(b"a", b"xy", hlc=9, actor=1, deadline_ms=500, annotation=20),
        delete(b"b", hlc=9, actor=3),
        put(b"c", hlc=4, actor=8, deadline_ms=300),
    ], cleared_sequence=77)
    table = Table.open(Disk(), str(tmp_path), 7, BlockCache(1 << 20))
    assert table.properties == written
    assert (written.entries, written.tombstones, written.expiring) == (3, 1, 2)
    assert written.perishable
    assert (written.least_dot, written.greatest_dot) == ((4, 8), (9, 3))
    assert (written.least_deadline_ms, written.greatest_deadline_ms) == (300, 500)
    assert (written.least_key, written.greatest_key) == (b"a", b"c")
    assert written.raw_bytes == 5
    assert written.greatest_annotation == 20
    assert written.cleared_sequence == 77
    assert written.file_bytes == (tmp_path / "000007.sst").stat().st_size


def test_values_that_do_not_shrink_are_stored_raw(tmp_path):
    noise = b"".join(hashlib.sha256(b"%d" % i).digest() for i in range(32))
    entries = [put(b"k%03d" % i, noise[i:] + noise[:i]) for i in range(200)]
    options = Options(block_bytes=1024)
    assert write_table(tmp_path, 1, entries, options).file_bytes > 200 * 1024
    table = Table.open(Disk(), str(tmp_path), 1, BlockCache(1 << 20))
    assert list(table.cursor().entries()) == entries


def test_without_compression_and_filter(tmp_path):
    entries = many(300)
    options = Options(block_bytes=256, compression_level=0, bloom_bits_per_key=0)
    table = make_table(tmp_path, 1, entries, options)
    assert list(table.cursor().entries()) == entries
    assert table.get(b"key000200") == entries[200][1:]
    assert table.get(b"key000200x") is None


def test_a_value_far_larger_than_a_block(tmp_path):
    entries = [put(b"a", b"1" * 3_000_000), put(b"b", b"2"), put(b"c", b"3" * 2_000_000)]
    table = make_table(tmp_path, 1, entries)
    assert list(table.cursor().entries()) == entries
    assert table.get(b"c") == entries[2][1:]


def test_the_writer_refuses_keys_out_of_order(tmp_path):
    writer = TableWriter(Disk(), str(tmp_path), 1, Options())
    writer.append(b"b")
    for key in (b"b", b"a", b""):
        with pytest.raises(ValueError, match="does not follow"):
            writer.append(key)
    writer.abandon()
    writer.abandon()
    assert list(tmp_path.iterdir()) == []


def test_an_empty_table_is_no_table(tmp_path):
    assert TableWriter(Disk(), str(tmp_path), 1, Options()).finish() is None
    assert list(tmp_path.iterdir()) == []


def test_a_cursor_outlives_its_table(tmp_path):
    entries = many(500)
    table = make_table(tmp_path, 1, entries)
    cursor = table.cursor(None, 0)
    table.close()
    (tmp_path / "000001.sst").unlink()
    assert list(cursor.entries()) == entries
    with pytest.raises(ValueError, match="closed"):
        table.cursor()


def test_offline_cursors_in_threads(tmp_path):
    entries = many(3000)
    table = make_table(tmp_path, 1, entries)
    results = []

    def walk():
        results.append(list(table.cursor(None, 2000).entries()) == entries)

    threads = [threading.Thread(target=walk) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 4


def test_golden_file(tmp_path):
    """The format is a promise. A change of these bytes needs a new FORMAT_VERSION."""
    write_table(tmp_path, 1, [put(b"ab", b"X", hlc=1000, actor=3), delete(b"ac", hlc=1001, actor=3)],
                Options(compression_level=0))
    content = (tmp_path / "000001.sst").read_bytes()
    block = (
        "e803000000000000" "15000000" "02000000" "01000000" "0000000000000000"
        "0002010100" "0300000000000000" "6162" "0101002202" "63" "58"
    )
    meta = "01000000" "06000000" + content[67:131].hex() + (
        "01000000" "02000000" "3b000000" "0000000000000000" "6163"
    )
    assert content[:50].hex() == block
    assert content[50:55].hex() == "32000000" "00"
    assert content[59:153].hex() == meta
    assert content[-12:][4:] == b"respkvT\n"
    assert content[-16:-12].hex() == "01000000"
    assert hashlib.sha256(content).hexdigest()[:16] == "a2edd5ae2622ef90"


def damaged(path, at, byte=None):
    content = bytearray(path.read_bytes())
    content[at] = content[at] ^ 0xFF if byte is None else byte
    path.write_bytes(content)


def open_again(tmp_path):
    return Table.open(Disk(), str(tmp_path), 1, BlockCache(1 << 20))


def test_damage_in_a_block_is_named_and_stays_where_it_is(tmp_path):
    entries = many(500)
    write_table(tmp_path, 1, entries)
    path = tmp_path / "000001.sst"
    damaged(path, 10)
    table = open_again(tmp_path)
    with pytest.raises(DamagedFile) as caught:
        table.get(entries[0][0])
    assert (caught.value.path, caught.value.offset) == (str(path), 0)
    with pytest.raises(DamagedFile):
        table.get(entries[0][0])
    assert table.get(entries[400][0]) == entries[400][1:]
    with pytest.raises(DamagedFile):
        list(table.cursor().entries())
    assert list(table.cursor().entries(entries[300][0])) == entries[300:]


@pytest.mark.parametrize("from_end", [1, 10, 20, 40, FOOTER_BYTES + 2, FOOTER_BYTES + 40, 300])
def test_damage_at_the_end_stops_the_open(tmp_path, from_end):
    write_table(tmp_path, 1, many(500))
    path = tmp_path / "000001.sst"
    damaged(path, path.stat().st_size - from_end)
    with pytest.raises(DamagedFile):
        open_again(tmp_path)


@pytest.mark.parametrize("length", [0, 1, FOOTER_BYTES - 1, FOOTER_BYTES, 1000])
def test_a_file_that_was_cut_is_damage(tmp_path, length):
    write_table(tmp_path, 1, many(500))
    path = tmp_path / "000001.sst"
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(DamagedFile):
        open_again(tmp_path)


def test_a_newer_format_is_not_guessed_at(tmp_path):
    write_table(tmp_path, 1, many(10))
    path = tmp_path / "000001.sst"
    path.write_bytes(path.read_bytes()[:-FOOTER_BYTES] + encode_footer(0, 1, 0, 1, version=3))
    with pytest.raises(UnknownFormat):
        open_again(tmp_path)


def test_blocks_that_changed_places_are_noticed(tmp_path):
    """Both checksums are right, but for other offsets."""
    options = Options(block_bytes=256, compression_level=0, bloom_bits_per_key=0)
    entries = [put(b"k%03d" % i, b"v%03d" % i * 15) for i in range(100)]
    write_table(tmp_path, 1, entries, options)
    path = tmp_path / "000001.sst"
    content = path.read_bytes()
    size = next(n for n in range(200, 600) if content[n + 4:n + 12] == content[4:12])
    path.write_bytes(content[size:2 * size] + content[:size] + content[2 * size:])
    table = open_again(tmp_path)
    with pytest.raises(DamagedFile, match="checksum"):
        table.get(b"k000")


# On the loop: from the cache, else from the page cache, else not at all.

def ask_cold(table, key):
    """Loads with what a cold lookup of the key wants."""
    for _ in range(50):
        forget_page_cache(table.path)
        loads = Loads()
        if table.ask(key, loads) == "needs disk":
            return loads
        table.cache.shrink_to(0)
    pytest.skip("this file system keeps its files in memory")


def cold(tmp_path, entries, cache_bytes=1 << 20):
    table = make_table(tmp_path, 1, entries, cache=BlockCache(cache_bytes))
    return table, ask_cold(table, entries[0][0])


def settle(table, loads):
    loads.run()
    loads.install(table.cache)


def test_a_cold_key_is_asked_for_until_it_is_there(tmp_path):
    entries = many(500)
    table, loads = cold(tmp_path, entries)
    assert len(loads) == 1                                 # the segment's meta
    assert table.ask(entries[1][0], loads) == "needs disk"
    assert len(loads) == 1                                 # wanted once
    rounds = 0
    while True:
        settle(table, loads)
        loads = Loads()
        answer = table.ask(entries[0][0], loads)
        if answer != "needs disk":
            break
        rounds += 1
        assert rounds < 3
    assert answer == entries[0][1:]
    assert len(loads) == 0


def test_a_failed_load_is_told_once_to_each_ask(tmp_path):
    entries = many(500)
    table = make_table(tmp_path, 1, entries)
    damaged(tmp_path / "000001.sst", 10)
    for _ in range(2):
        settle(table, ask_cold(table, entries[10][0]))      # the meta is in the cache now
        forget_page_cache(table.path)
        loads = Loads()
        try:
            assert table.ask(entries[0][0], loads) == "needs disk"
        except DamagedFile:
            pytest.skip("this file system keeps its files in memory")
        settle(table, loads)
        assert [offset for _, offset, _ in loads.damages()] == [0]
        with pytest.raises(DamagedFile, match="checksum"):
            table.ask(entries[0][0], Loads())
        table.cache.shrink_to(0)


def test_neighbouring_loads_are_read_together(tmp_path):
    entries = many(500)
    table, loads = cold(tmp_path, entries)
    settle(table, loads)                                   # the meta
    forget_page_cache(table.path)
    loads = Loads()
    with pytest.raises(NeedsDisk):
        list(table.cursor(loads, 1 << 20).entries())
    assert len(loads) == TINY.blocks_per_segment
    settle(table, loads)
    assert loads.damages() == []


def test_a_cursor_on_the_loop_gets_through_in_the_end(tmp_path):
    entries = many(500)
    table, _ = cold(tmp_path, entries)
    found, start = [], b""
    while True:
        loads = Loads()
        try:
            for entry in table.cursor(loads, 2000).entries(start):
                found.append(entry)
                start = entry[0] + b"\0"
            break
        except NeedsDisk:
            assert len(loads)
            settle(table, loads)
    assert found == entries


def test_loads_outlive_the_table(tmp_path):
    entries = many(500)
    table, loads = cold(tmp_path, entries)
    table.close()
    (tmp_path / "000001.sst").unlink()
    settle(table, loads)
    assert loads.damages() == []
