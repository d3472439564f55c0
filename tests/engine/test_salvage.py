"""Each kind of file is damaged; what was not in the damaged place comes back, the rest is listed."""

import random

import pytest

from engine import Batch, Engine
from engine.check import TableReader, check_directory
from engine.disk import Disk
from engine.disk_faulty import FaultyDisk
from engine.errors import DirectoryInUse, EngineError
from engine.log_reader import LogReader
from engine.salvage import salvage_directory

COUNT = 1500


def value(i):
    return b"value %d " % i * 5


@pytest.fixture
def source(open_engine, tmp_path):
    """Two tables, then a log with a hundred frames; a range delete in the manifest, one in the log."""
    engine = open_engine()
    for i in range(COUNT):
        batch = Batch()
        batch.put(b"key%05d" % i, value(i), deadline_ms=i % 3)
        if i == 10:
            batch.put(b"old1", b"x")
            batch.put(b"old2", b"x")
            batch.delete_range(b"old1", b"old2")
        engine.write(batch)
        if i in (700, 1399):
            engine.flush()
    batch = Batch()
    batch.delete_range(b"old2", b"old3")
    engine.write(batch)
    engine.close()
    return tmp_path / "data"


def salvage(source, small, disk=None):
    """(the Salvage, {key: (value, deadline)} of the new directory)."""
    before = {path.name: path.read_bytes() for path in source.iterdir()}
    target = source.parent / "salvaged"
    result = salvage_directory(str(source), str(target), small, disk)
    assert {path.name: path.read_bytes() for path in source.iterdir()} == before
    check_directory(str(target))
    with Engine.open(target, small) as engine:
        found = {record.key: (record.value, record.deadline_ms) for record in engine.scan()}
    return result, found


def everything(without=()):
    return {b"key%05d" % i: (value(i), i % 3) for i in range(COUNT) if i not in without}


def flip(path, at):
    content = bytearray(path.read_bytes())
    content[at] ^= 0x20
    path.write_bytes(content)


def blocks_of(path):
    """[(offset, length, numbers of its keys)] of a table, and the places of its metas."""
    table = TableReader(str(path), Disk())
    blocks, metas = [], []
    for _, meta_offset, meta_length in table.segments():
        metas.append((meta_offset, meta_length))
        for _, offset, length in table.blocks(meta_offset, meta_length):
            names = [entry[0] for entry in table.entries(offset, length)]
            blocks.append((offset, length, {int(n[3:]) for n in names if n.startswith(b"key")}))
    return blocks, metas


def test_nothing_is_lost_of_a_whole_directory(source, small):
    result, found = salvage(source, small)
    assert result.lost == [] and result.notes == []
    assert found == everything()


def test_a_damaged_block_costs_its_own_keys(source, small):
    path = min(source.glob("*.sst"))
    blocks, _ = blocks_of(path)
    offset, length, numbers = blocks[5]
    flip(path, offset + 30)
    result, found = salvage(source, small)
    assert found == everything(without=numbers)
    (loss,) = result.lost
    assert (loss.path, loss.offset, loss.length) == (str(path), offset, length)
    assert loss.after == b"key%05d" % (min(numbers) - 1)
    assert loss.last == b"key%05d" % max(numbers)
    assert f"keys from behind '{loss.after.decode()}' to '{loss.last.decode()}'" in str(loss)


def test_a_damaged_index_costs_nothing(source, small):
    path = min(source.glob("*.sst"))
    _, metas = blocks_of(path)
    flip(path, metas[1][0] + 9)
    result, found = salvage(source, small)
    assert found == everything()
    assert [(loss.offset, loss.length, loss.records) for loss in result.lost] == [(*metas[1], 0)]


@pytest.mark.parametrize("from_end", [1, 20, 60, 200])
def test_a_table_without_its_end_is_read_from_the_front(source, small, from_end):
    path = min(source.glob("*.sst"))
    content = path.read_bytes()
    blocks, _ = blocks_of(path)
    path.write_bytes(content[:-from_end])
    result, found = salvage(source, small)
    assert found == everything()
    assert {loss.path for loss in result.lost} == {str(path)}


def test_a_block_of_a_table_without_index(source, small):
    path = min(source.glob("*.sst"))
    offset, length, numbers = blocks_of(path)[0][7]
    flip(path, path.stat().st_size - 1)
    flip(path, offset + 40)
    result, found = salvage(source, small)
    assert found == everything(without=numbers)
    (loss,) = [loss for loss in result.lost if loss.length]
    assert (loss.offset, loss.length) == (offset, length)
    assert loss.after == b"key%05d" % (min(numbers) - 1)
    assert loss.last == b"key%05d" % max(numbers)  # the index behind it says so


def test_a_missing_table_is_named(source, small):
    path = min(source.glob("*.sst"))
    numbers = {n for _, _, some in blocks_of(path)[0] for n in some}
    path.unlink()
    result, found = salvage(source, small)
    assert found == everything(without=numbers)
    assert [loss.path for loss in result.lost] == [str(path)]


def test_a_damaged_frame_costs_its_own_records(source, small):
    path = max(path for path in source.glob("*.log") if path.stat().st_size > 1000)
    frames = list(LogReader(Disk().open(str(path))))
    flip(path, frames[20].offset + 40)
    result, found = salvage(source, small)
    assert found == everything(without={1420})
    (loss,) = result.lost
    assert (loss.path, loss.offset, loss.records) == (str(path), frames[20].offset, 1)
    assert loss.length == frames[21].offset - frames[20].offset


@pytest.mark.parametrize("at", [2, 9, 13, 20])
def test_a_damaged_header_of_a_segment(source, small, at):
    path = max(path for path in source.glob("*.log") if path.stat().st_size > 1000)
    flip(path, at)
    result, found = salvage(source, small)
    if at != 9:  # that one is a format nobody knows
        assert found == everything()
    assert [loss.path for loss in result.lost] == [str(path)]


def test_a_range_delete_of_the_log_is_kept(source, small):
    for path in source.glob("*.sst"):
        flip(path, path.stat().st_size - 1)
    _, found = salvage(source, small)
    assert b"old2" not in found and b"old1" not in found


@pytest.mark.parametrize("victim", ["CURRENT", "MANIFEST"])
@pytest.mark.parametrize("how", ["flip", "remove"])
def test_without_manifest_all_tables_and_segments_count(source, small, victim, how):
    (path,) = source.glob(victim + "*")
    if how == "remove":
        path.unlink()
    else:
        flip(path, 0)
    result, found = salvage(source, small)
    assert found == everything()
    assert len(result.lost) == 1 and "not known which tables count" in str(result)


def test_a_part_that_cannot_be_read_is_a_loss(source, small):
    path = min(source.glob("*.sst"))
    offset, length, numbers = blocks_of(path)[0][5]
    disk = FaultyDisk()
    asked = []

    def fault(operation, name, count):
        if operation == "read" and name == str(path):
            asked.append(count)
            if count == length:
                raise OSError(5, "input/output error", name)

    disk.fault = fault
    result, found = salvage(source, small, disk)
    assert numbers.isdisjoint(int(key[3:]) for key in found)
    assert found.items() <= everything().items()
    assert (offset, length) in [(loss.offset, loss.length) for loss in result.lost]


def test_the_target_must_be_empty_and_the_source_unused(source, small, tmp_path):
    with pytest.raises(EngineError, match="not empty"):
        salvage_directory(str(source), str(source))
    with Engine.open(source, small), pytest.raises(DirectoryInUse):
        salvage_directory(str(source), str(tmp_path / "t"))


@pytest.mark.parametrize("seed", range(8))
def test_hostile_damage_never_invents_anything(source, small, seed):
    draw = random.Random(seed)
    paths = sorted(path for path in source.iterdir() if path.name != "LOCK")
    for path in draw.sample(paths, 2):
        content = bytearray(path.read_bytes())
        for _ in range(draw.randint(1, 30)):
            if content:
                at = draw.randrange(len(content))
                content[at : at + draw.randint(0, 40)] = draw.randbytes(draw.randint(0, 40))
        path.write_bytes(content)
    _, found = salvage(source, small)
    assert all(name in (b"old1", b"old2") or everything()[name] == got
               for name, got in found.items())
