"""The log through the engine's doors: frames, torn tails and damage."""

import os
import shutil

import pytest

from engine import Batch, Engine
from engine.disk import Disk
from engine.errors import DamagedFile, UnknownFormat
from engine.log_reader import LogReader
from engine.log_writer import segment_header


def put(engine, key, value, sync=False):
    batch = Batch()
    batch.put(key, value)
    engine.write(batch, sync=sync)


def keys(engine):
    return [record.key for record in engine.scan()]


def log_of(path):
    """The youngest segment that holds frames."""
    names = sorted(n for n in os.listdir(path) if n.endswith(".log"))
    return [f"{path}/{n}" for n in names if os.path.getsize(f"{path}/{n}") > 32][-1]


def frames_of(path):
    return list(LogReader(Disk().open(path)))


@pytest.fixture
def crashed(open_engine, tmp_path):
    """crashed(count, sync_after): a directory as kill -9 leaves it, and its log's path."""

    def make(count, sync_after=()):
        engine = open_engine(tmp_path / "source")
        for i in range(count):
            put(engine, b"key%03d" % i, b"value%d" % i * 20, sync=i in sync_after)
        target = tmp_path / "data"
        shutil.copytree(tmp_path / "source", target)
        return target, log_of(target)

    return make


def test_one_batch_is_one_frame(open_engine, tmp_path):
    engine = open_engine()
    batch = Batch()
    for i in range(10):
        batch.put(b"%d" % i, b"x")
    engine.write(batch)
    put(engine, b"a", b"b")
    frames = frames_of(log_of(engine.path))
    assert [frame.sequence for frame in frames] == [1, 11]


def test_golden_bytes_of_a_segment(open_engine):
    engine = open_engine()
    batch = Batch()
    batch.put(b"key", b"value", deadline_ms=7)
    batch.delete(b"k2")
    batch.delete_range(b"a", b"b", offset=1, byte=2)
    engine.write(batch)
    content = open(log_of(engine.path), "rb").read()
    assert content[:32] == segment_header(1, 0)
    records = bytes.fromhex(
        "11 03 05 0100000000000000 0000000000000000 0700000000000000" + b"keyvalue".hex()
        + "02 02 00 0200000000000000 0000000000000000" + b"k2".hex()
        + "04 01 01 0300000000000000 0000000000000000 01000000 02" + b"ab".hex()
    )
    assert content[36:40] == len(records).to_bytes(4, "little")
    assert content[40:56] == (1).to_bytes(8, "little") + (0).to_bytes(8, "little")
    assert content[56:] == records


@pytest.mark.parametrize("lost", [1, 10, 23, 24, 25, 100])
def test_a_torn_tail_is_cut_and_reported(crashed, open_engine, lost):
    path, log = crashed(20)
    os.truncate(log, os.path.getsize(log) - lost)
    engine = open_engine(path)
    assert keys(engine) == [b"key%03d" % i for i in range(19)]
    (report,) = engine.reports
    assert log in report and "cut off" in report
    put(engine, b"more", b"x")
    engine.close()
    engine = open_engine(path)
    assert engine.reports == [] and len(keys(engine)) == 20


def test_every_cut_of_the_last_frame_loses_only_that_frame(crashed, tmp_path, small):
    path, log = crashed(3)
    content = open(log, "rb").read()
    last = frames_of(log)[-1].offset
    for length in range(last, len(content)):
        target = tmp_path / f"cut{length}"
        shutil.copytree(path, target)
        os.truncate(target / os.path.basename(log), length)
        with Engine.open(target, small) as engine:
            assert keys(engine) == [b"key000", b"key001"]
            assert len(engine.reports) == (length != last)
        shutil.rmtree(target)


def test_zeros_behind_the_last_frame_are_a_clean_end(crashed, open_engine):
    path, log = crashed(5)
    with open(log, "ab") as file:
        file.write(bytes(10_000))
    engine = open_engine(path)
    assert len(keys(engine)) == 5 and engine.reports == []


def test_damage_in_the_middle_names_file_and_offset(crashed, open_engine):
    path, log = crashed(20)
    offset = frames_of(log)[7].offset
    content = bytearray(open(log, "rb").read())
    content[offset + 40] ^= 4
    open(log, "wb").write(content)
    with pytest.raises(DamagedFile) as caught:
        open_engine(path)
    assert caught.value.path == log and caught.value.offset == offset
    # The refusal changed nothing, and gave the lock back.
    assert open(log, "rb").read() == content
    with pytest.raises(DamagedFile):
        open_engine(path)


def test_damage_to_a_synced_last_frame_after_a_clean_close(open_engine):
    engine = open_engine()
    put(engine, b"a", b"x" * 100)
    engine.close()
    log = log_of(engine.path)
    content = bytearray(open(log, "rb").read())
    content[80] ^= 1
    open(log, "wb").write(content)
    with pytest.raises(DamagedFile, match="had been synced"):
        open_engine()


def test_every_flipped_byte_before_the_last_frame_is_noticed(crashed, tmp_path, small):
    path, log = crashed(4)
    content = open(log, "rb").read()
    last = frames_of(log)[-1].offset
    for offset in range(0, last, 3):
        damaged = bytearray(content)
        damaged[offset] ^= 0x55
        open(log, "wb").write(damaged)
        with pytest.raises((DamagedFile, UnknownFormat)):
            Engine.open(path, small)


def test_a_page_lost_by_a_power_failure_is_a_torn_tail(crashed, open_engine):
    """Later pages of an unsynced log may reach the disk and earlier ones not."""
    path, log = crashed(100)
    content = bytearray(open(log, "rb").read())
    content[4096:8192] = bytes(4096)
    open(log, "wb").write(content)
    engine = open_engine(path)
    found = keys(engine)
    assert 5 < len(found) < 100 and found == [b"key%03d" % i for i in range(len(found))]
    assert len(engine.reports) == 1


def test_a_lost_page_that_had_been_synced_is_damage(crashed, open_engine):
    path, log = crashed(100, sync_after={80})
    content = bytearray(open(log, "rb").read())
    content[4096:8192] = bytes(4096)
    open(log, "wb").write(content)
    with pytest.raises(DamagedFile, match="had been synced"):
        open_engine(path)


def test_a_segment_that_was_just_begun_may_be_empty(crashed, open_engine):
    path, log = crashed(5)
    for name, content in (("000900.log", b""), ("000901.log", bytes(32))):
        (path / name).write_bytes(content)
    engine = open_engine(path)
    assert len(keys(engine)) == 5


def test_a_missing_segment_is_damage(open_engine, small):
    engine = open_engine()
    put(engine, b"a", b"1", sync=True)
    engine.close()
    first = log_of(engine.path)
    engine = open_engine()
    put(engine, b"b", b"1", sync=True)
    engine.close()
    engine = open_engine()
    put(engine, b"c", b"1", sync=True)
    second = sorted(n for n in os.listdir(engine.path) if n.endswith(".log"))[1]
    engine.close()
    os.rename(f"{engine.path}/{second}", f"{engine.path}/aside")
    with pytest.raises(DamagedFile, match="missing"):
        open_engine()
    os.rename(f"{engine.path}/aside", f"{engine.path}/{second}")
    os.unlink(first)
    with pytest.raises(DamagedFile, match="not there"):
        open_engine()


def test_restarts_do_not_pile_up_segments(open_engine):
    engine = open_engine()
    put(engine, b"a", b"1")
    engine.close()
    for _ in range(5):
        open_engine().close()
    assert len([n for n in os.listdir(engine.path) if n.endswith(".log")]) <= 2


def test_a_segment_without_records_stays_while_the_next_one_stands_on_it(open_engine, tmp_path):
    engine = open_engine(tmp_path / "first")
    put(engine, b"a", b"1", sync=True)
    engine.close()
    engine = open_engine(tmp_path / "first")  # its own segment stays without records,
    assert engine.seal()                      # and the next one starts where that ends
    put(engine, b"b", b"2", sync=True)
    shutil.copytree(tmp_path / "first", tmp_path / "killed")
    for _ in range(3):
        engine = open_engine(tmp_path / "killed")
        assert engine.reports == []
        assert keys(engine) == [b"a", b"b"]
        engine.close()


def test_a_segment_whose_only_frame_was_torn_takes_its_place_in_the_log(open_engine, tmp_path):
    engine = open_engine(tmp_path / "0")
    put(engine, b"a", b"1", sync=True)
    engine.close()
    for i in range(1, 4):
        engine = open_engine(tmp_path / f"{i - 1}")
        put(engine, b"torn", b"0")
        shutil.copytree(tmp_path / f"{i - 1}", tmp_path / f"{i}")
        os.truncate(log_of(tmp_path / f"{i}"), 40)
        engine = open_engine(tmp_path / f"{i}")
        assert len(engine.reports) == 1
        put(engine, b"%d" % i, b"2", sync=True)
        engine.close()
        for _ in range(3):
            engine = open_engine(tmp_path / f"{i}")
            assert engine.reports == []
            assert keys(engine) == [b"%d" % n for n in range(1, i + 1)] + [b"a"]
            engine.close()
