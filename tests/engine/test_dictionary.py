"""Tables with a dictionary: format 2, read by everybody, kept only where it pays."""

import json
import random

import pytest

from engine import Batch, Engine, Options
from engine.cache import BlockCache
from engine.check import DamagedDirectory, TableReader, check_directory, check_table, dump_file
from engine.disk import Disk
from engine.disk_faulty import FaultyDisk
from engine.errors import DamagedFile, NeedsDisk, UnknownFormat
from engine.loads import Loads
from engine.salvage import salvage_directory
from engine.table import Table
from engine.table_format import FOOTER_BYTES, decode_footer
from engine.table_writer import TableWriter

COUNT = 3000
OPTIONS = Options(block_bytes=512, blocks_per_segment=64, dictionary_bytes=1024,
                  block_cache_bytes=64 << 10, level0_tables_trigger=2)


def value(i):
    draw = random.Random(i)
    return json.dumps({
        "id": draw.randrange(10**6), "name": f"user-{draw.randrange(10**6)}",
        "active": draw.random() < 0.5, "mail": f"m{draw.randrange(10**5)}@example.com",
    }).encode()


def write(tmp_path, values, dictionary_bytes=1024, options=OPTIONS):
    writer = TableWriter(Disk(), str(tmp_path), 1, options, dictionary_bytes=dictionary_bytes)
    for i, one in enumerate(values):
        writer.append(b"key%05d" % i, one, hlc=i + 1)
    return writer.finish()


def version_of(path):
    return decode_footer(path.read_bytes()[-FOOTER_BYTES:], str(path), path.stat().st_size)[-1]


@pytest.fixture
def table(tmp_path):
    properties = write(tmp_path, map(value, range(COUNT)))
    assert properties.segments > 3 and properties.dictionary_length
    return Table.open(Disk(), str(tmp_path), 1, BlockCache(64 << 10))


def test_a_table_with_a_dictionary_is_smaller_and_of_format_2(tmp_path):
    with_one = write(tmp_path, map(value, range(COUNT)))
    assert version_of(tmp_path / "000001.sst") == 2
    (tmp_path / "000001.sst").unlink()
    without = write(tmp_path, map(value, range(COUNT)), dictionary_bytes=0)
    assert version_of(tmp_path / "000001.sst") == 1
    assert without.dictionary_length == 0
    assert with_one.file_bytes < 0.75 * without.file_bytes


@pytest.mark.parametrize("values", [
    [random.Random(i).randbytes(1000) for i in range(200)],       # nothing repeats
    [b"%d" % i for i in range(20)],                               # too little to learn from
    [b"same" * 40] * 3,
], ids=["noise", "few", "three"])
def test_a_dictionary_that_saves_nothing_is_not_kept(tmp_path, values):
    properties = write(tmp_path, values)
    path = tmp_path / "000001.sst"
    assert properties.dictionary_length == 0 and version_of(path) == 1
    content = path.read_bytes()
    path.unlink()
    write(tmp_path, values, dictionary_bytes=0)
    assert path.read_bytes() == content                           # byte for byte


def test_without_compression_there_is_none(tmp_path):
    write(tmp_path, map(value, range(COUNT)), options=Options(compression_level=0))
    assert version_of(tmp_path / "000001.sst") == 1


def test_every_reader_knows_the_dictionary(table):
    expected = [(b"key%05d" % i, 1, value(i), i + 1, 0, 0, 0) for i in range(COUNT)]
    for entry in expected[::7]:
        assert table.get(entry[0]) == entry[1:]
    for readahead in (0, 3000, 1 << 20):
        assert list(table.cursor(None, readahead).entries()) == expected
    assert check_table(table.path).entries == COUNT
    lines = list(dump_file(table.path))
    assert any(line.startswith("dictionary at ") for line in lines)
    assert sum(line.startswith("  PUT ") for line in lines) == COUNT


def test_on_the_loop_with_loads(tmp_path):
    write(tmp_path, map(value, range(COUNT)))
    disk = FaultyDisk()
    disk.never_cached = True
    table = Table.open(disk, str(tmp_path), 1, BlockCache(1 << 20))
    for i in range(0, COUNT, 100):
        for _ in range(3):
            loads = Loads()
            found = table.ask(b"key%05d" % i, loads)
            if found != "needs disk":
                break
            loads.run()
            loads.install(table.cache)
        assert found[1] == value(i)
    found, start = [], b""
    while True:
        loads = Loads()
        try:
            for entry in table.cursor(loads, 2000).entries(start):
                found.append(entry[0])
                start = entry[0] + b"\0"
            break
        except NeedsDisk:
            loads.run()
            loads.install(table.cache)
    assert len(found) == COUNT


def test_more_tables_with_a_dictionary_than_decompressors_are_kept(tmp_path):
    cache, tables = BlockCache(1 << 20), []
    for number in range(1, 41):
        writer = TableWriter(Disk(), str(tmp_path), number, OPTIONS, dictionary_bytes=512)
        for i in range(300):
            writer.append(b"key%05d" % i, b"%d" % number + value(i), hlc=1)
        assert writer.finish().dictionary_length
        tables.append(Table.open(Disk(), str(tmp_path), number, cache))
    for _ in range(2):
        for number, table in enumerate(tables, 1):
            assert table.get(b"key00123")[1] == b"%d" % number + value(123)
        cache.shrink_to(0)


# Engines.

def fill(engine, count=COUNT):
    for first in range(0, count, 500):
        batch = Batch()
        for i in range(first, first + 500):
            batch.put(b"key%05d" % (i * 7 % count), value(i * 7 % count))
        engine.write(batch)
        engine.flush()


@pytest.fixture
def directory(tmp_path):
    with Engine.open(tmp_path / "data", OPTIONS) as engine:
        fill(engine)
        tables = engine.version.levels[0]
        assert all(table.properties.dictionary_length == 0 for table in tables)
        engine.run_steps()
        assert [len(level) for level in engine.version.levels][:2] == [0, 1]
        assert engine.version.levels[1][0].properties.dictionary_length
    return tmp_path / "data"


def everything(without=()):
    return {b"key%05d" % i: value(i) for i in range(COUNT) if i not in without}


def content(engine):
    return {record.key: record.value for record in engine.scan()}


def test_an_engine_with_dictionaries(directory):
    check_directory(str(directory))
    with Engine.open(directory, OPTIONS) as engine:
        engine.verify()
        assert content(engine) == everything()
        backwards = [record.key for record in engine.scan(reverse=True)]
        assert backwards == sorted(everything(), reverse=True)
        assert engine.get(b"key00042").value == value(42)
        engine.checkpoint(str(directory.parent / "copy"))
    with Engine.open(directory.parent / "copy", OPTIONS) as engine:
        assert content(engine) == everything()


def test_tables_of_both_formats_live_together(directory):
    for options in (Options(level0_tables_trigger=2), OPTIONS):
        with Engine.open(directory, options) as engine:
            for _ in range(2):
                fill(engine)
            engine.run_steps()
            assert content(engine) == everything()
            formats = {bool(t.properties.dictionary_length) for t in engine.version.tables()}
            assert formats == {options.dictionary_bytes > 0}
    check_directory(str(directory))


def test_a_table_of_format_2_is_refused_by_name_where_only_1_is_known(directory, monkeypatch):
    monkeypatch.setattr("engine.table_format.FORMAT_VERSION", 1)
    with pytest.raises(UnknownFormat, match=r"\.sst has format 2 .* up to 1"):
        Engine.open(directory, OPTIONS)


def dictionary_place(path):
    return TableReader(str(path), Disk()).dictionary_place


def test_a_damaged_dictionary_is_named(directory, tmp_path):
    path = min(directory.glob("*.sst"))
    offset, length = dictionary_place(path)
    whole = path.read_bytes()
    for at in (offset, offset + length // 2, offset + length - 1):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:])
        with pytest.raises(DamagedFile) as caught:
            Engine.open(directory, OPTIONS)
        assert (caught.value.path, caught.value.offset) == (str(path), offset)
        with pytest.raises(DamagedDirectory, match=f"damaged at byte {offset}"):
            check_directory(str(directory))
    # Nothing but raw blocks and what is in the log can be had then; what is lost is said.
    result = salvage_directory(str(directory), str(tmp_path / "salvaged"), OPTIONS)
    assert any("needs a dictionary" in str(loss) for loss in result.lost)
    assert sum(loss.length for loss in result.lost) > 0.7 * offset


@pytest.mark.parametrize("from_end", [10, 60])
def test_salvage_finds_the_dictionary_of_a_table_without_its_end(directory, tmp_path, from_end):
    path = min(directory.glob("*.sst"))
    whole = path.read_bytes()
    at = len(whole) - from_end
    path.write_bytes(whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1:])
    result = salvage_directory(str(directory), str(tmp_path / "salvaged"), OPTIONS)
    assert result.lost
    with Engine.open(tmp_path / "salvaged", OPTIONS) as engine:
        assert content(engine) == everything()


def test_salvage_of_one_damaged_block(directory, tmp_path):
    path = min(directory.glob("*.sst"))
    table = TableReader(str(path), Disk())
    _, meta_offset, meta_length = next(table.segments())
    _, offset, length = list(table.blocks(meta_offset, meta_length))[3]
    lost = {int(entry[0][3:]) for entry in table.entries(offset, length)}
    whole = path.read_bytes()
    path.write_bytes(whole[:offset + 9] + bytes([whole[offset + 9] ^ 4]) + whole[offset + 10:])
    result = salvage_directory(str(directory), str(tmp_path / "salvaged"), OPTIONS)
    assert [(loss.offset, loss.length) for loss in result.lost] == [(offset, length)]
    with Engine.open(tmp_path / "salvaged", OPTIONS) as engine:
        assert content(engine) == everything(without=lost)


def test_every_flipped_byte_is_noticed(tmp_path):
    write(tmp_path, map(value, range(150)), dictionary_bytes=256)
    path = tmp_path / "000001.sst"
    assert version_of(path) == 2
    whole = path.read_bytes()
    for at in range(0, len(whole), 3):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1:])
        with pytest.raises((DamagedFile, UnknownFormat)):
            check_table(str(path))
