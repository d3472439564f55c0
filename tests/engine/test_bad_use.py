"""What a caller can do wrong is a documented error (engine/errors.py), and nothing has happened."""

import errno
import os

import pytest

from engine import Batch, Engine, Options
from engine.disk_faulty import FaultyDisk
from engine.errors import EngineClosed, EntryTooLarge, NeedsDisk, WriteRefused
from engine.record import Record


def put(engine, key=b"key", value=b"value", sync=False):
    batch = Batch()
    batch.put(key, value)
    engine.write(batch, sync=sync)


@pytest.mark.parametrize("wrong", [5, "text", None, [1, 2], 1.5])
def test_a_key_or_value_of_a_wrong_type(open_engine, wrong):
    engine, batch = open_engine(), Batch()
    for bad in (
        lambda: batch.put(wrong, b"v"), lambda: batch.put(b"k", wrong), lambda: batch.delete(wrong),
        lambda: batch.delete_range(wrong, b""), lambda: batch.delete_range(b"", wrong),
        lambda: engine.get(wrong), lambda: list(engine.scan(wrong)), lambda: list(engine.scan(b"", wrong)),
        lambda: engine.page(wrong, b"", 5), lambda: engine.write(wrong),
        lambda: engine.approximate_size(wrong, b""), lambda: engine.delete_range(wrong, b"", 1, 1),
        lambda: engine.put_record(wrong), lambda: engine.snapshot().get(wrong),
    ):
        with pytest.raises(TypeError):
            bad()
    assert len(batch) == 0 and not engine.dirty() and list(engine.scan()) == []


def test_anything_that_has_a_buffer_is_a_key(open_engine):
    engine = open_engine()
    put(engine, bytearray(b"key"), memoryview(b"value"))
    assert engine.get(memoryview(b"key")).value == b"value"


@pytest.mark.parametrize("bad", [
    dict(deadline_ms=-1), dict(deadline_ms=1 << 64), dict(deadline_ms="soon"),
])
def test_a_deadline_out_of_bounds(bad):
    batch = Batch()
    with pytest.raises((ValueError, TypeError, OverflowError)):
        batch.put(b"k", b"v", **bad)
    assert len(batch) == 0


@pytest.mark.parametrize("bad", [dict(offset=1 << 31), dict(byte=256), dict(byte=-1)])
def test_a_mask_out_of_bounds(bad):
    batch = Batch()
    with pytest.raises((ValueError, OverflowError)):
        batch.delete_range(b"", b"", **bad)
    assert len(batch) == 0


@pytest.mark.parametrize("key_bytes, value_bytes", [(65_536, 0), (1, 64 << 20)])
def test_a_pair_that_is_too_large_is_refused_and_its_batch_with_it(open_engine, key_bytes, value_bytes):
    engine, batch = open_engine(), Batch()
    batch.put(b"first", b"v")
    with pytest.raises(EntryTooLarge, match="at most"):
        batch.put(b"k" * key_bytes, b"v" * value_bytes)
        engine.write(batch)
    with pytest.raises(EntryTooLarge, match="at most"):
        engine.put_record(Record(b"k" * key_bytes, b"v" * value_bytes, 1, 1))
    assert not engine.dirty() and engine.get(b"k" * key_bytes) is None
    put(engine)
    engine.flush()


def test_the_largest_pair_goes_through_a_flush_and_a_restart(open_engine, tmp_path):
    options = Options(block_cache_bytes=64 << 10)
    disk = FaultyDisk()
    disk.never_cached = True
    with Engine.open(tmp_path / "large", options, disk=disk) as engine:
        put(engine, b"k" * 65_535, b"v" * ((64 << 20) - 65_535))
        engine.flush()
        assert len(engine.get(b"k" * 65_535).value) == (64 << 20) - 65_535
        assert len(list(engine.scan())) == 1


def test_reads_on_the_loop_end_although_the_cache_is_too_small_for_one(open_engine, tmp_path):
    """Each needs the metas and blocks of six tables at once, and the cache holds less than one block."""
    disk = FaultyDisk()
    options = Options(block_cache_bytes=64 << 10, level0_tables_trigger=20,
                      level0_tables_slowdown=20, level0_tables_stop=21)
    engine = open_engine(path=tmp_path / "large", options=options, disk=disk)
    for table in range(6):
        # The older the file, the newer the dot: a lookup has to go through all of them.
        for key in (b"a", b"b", b"c"):
            engine.put_record(Record(key, b"%d" % table * 100_000, 100 - table, 1))
        engine.commit()
        engine.flush()
    disk.never_cached = True

    def answer(ask, *arguments, **rest):
        for _ in range(30):
            try:
                return ask(*arguments, **rest)
            except NeedsDisk:
                loads = engine.take_loads()
                engine.commit()              # between the turns of a loop
                loads.run()
                engine.install(loads)
        raise AssertionError("it does not come to an end")

    for key in (b"a", b"b", b"c", b"a"):
        assert answer(engine.get, key, wait=False).value == b"0" * 100_000
        engine.commit()
    keys, start = [], b""
    while start is not None:
        records, start = answer(engine.page, start, b"", 10)
        keys += [record.key for record in records]
        engine.commit()
    assert keys == [b"a", b"b", b"c"]
    assert engine.stats()["cache_bytes"] <= 64 << 10


def test_a_scan_or_delete_whose_start_is_behind_its_end_is_empty(open_engine):
    engine = open_engine()
    put(engine, b"m")
    assert list(engine.scan(b"z", b"a")) == []
    assert list(engine.scan(b"z", b"a", reverse=True)) == []
    batch = Batch()
    batch.delete_range(b"z", b"a")
    engine.write(batch)
    assert engine.get(b"m").value == b"value"


def test_every_door_of_a_closed_engine_says_so(open_engine):
    engine = open_engine()
    put(engine)
    engine.close()
    engine.close()
    batch = Batch()
    batch.put(b"a", b"b")
    for door in (
        lambda: engine.get(b"key"), lambda: engine.write(batch), lambda: list(engine.scan()),
        engine.snapshot, engine.flush, engine.seal, engine.sync, engine.take_sync, engine.take_step,
        engine.run_steps, engine.write_room, engine.verify, engine.stats,
        lambda: engine.checkpoint("x"), lambda: engine.approximate_size(b"", b""),
        lambda: engine.page(b"", b"", 1), lambda: engine.put_record(Record(b"a", b"b", 1)),
        lambda: engine.delete_range(b"", b"", 1, 1), engine.__enter__,
    ):
        with pytest.raises(EngineClosed):
            door()


def test_a_closed_snapshot_says_so(open_engine):
    engine = open_engine()
    put(engine)
    view = engine.snapshot()
    view.close()
    view.close()
    for door in (lambda: view.get(b"key"), lambda: list(view.scan()), view.count, view.cursor):
        with pytest.raises(EngineClosed):
            door()


def test_a_snapshot_outlives_its_engine(open_engine):
    engine = open_engine()
    put(engine)
    engine.flush()
    put(engine, b"other")
    with engine.snapshot() as view:
        engine.close()
        assert [record.key for record in view.scan()] == [b"key", b"other"]


def test_a_step_is_run_once_and_finished_once(open_engine):
    engine = open_engine()
    put(engine)
    engine.seal()
    step = engine.take_step()
    with pytest.raises(ValueError, match="not run"):
        engine.finish(step)
    step.run()
    with pytest.raises(ValueError, match="twice"):
        step.run()
    assert engine.finish(step) is None
    with pytest.raises(ValueError, match="finished already"):
        engine.finish(step)
    step.cleanup()
    step.cleanup()
    assert engine.get(b"key").value == b"value"


def test_a_sync_that_was_not_run_promises_nothing(open_engine):
    engine = open_engine()
    put(engine)
    sync = engine.take_sync()
    with pytest.raises(ValueError, match="not run"):
        engine.finish_sync(sync)
    assert engine.synced_position < engine.written_position
    sync.run()
    engine.finish_sync(sync)


@pytest.mark.parametrize("wrong", [
    dict(compression_level=23), dict(block_bytes=1 << 30), dict(bloom_bits_per_key=1000),
    dict(blocks_per_segment=1 << 30), dict(level_count=1000), dict(memtable_bytes=True),
    dict(memtable_bytes="64mb"), dict(memtable_bytes=1.5e9), dict(memtable_bytes=1 << 64),
])
def test_options_that_make_no_sense_name_their_field(wrong):
    (field,) = wrong
    with pytest.raises(ValueError, match=field):
        Options(**wrong)


def test_bad_arguments_of_open_leave_the_directory_free(tmp_path, small):
    with pytest.raises(TypeError, match="Options"):
        Engine.open(tmp_path / "d", {"memtable_bytes": 5})
    with pytest.raises((ValueError, OverflowError)):
        Engine.open(tmp_path / "d", small, now_ms=-1)
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(OSError, match="file"):
        Engine.open(tmp_path / "file", small)
    Engine.open(tmp_path / "d", small).close()


@pytest.mark.parametrize("code", [errno.EMFILE, errno.ENFILE])
def test_out_of_file_handles(open_engine, tmp_path, code):
    disk = FaultyDisk()

    def fault(operation, path, count):
        if operation in ("open", "create"):
            raise OSError(code, os.strerror(code), path)

    engine = open_engine(disk=disk)
    for round_number in range(4):
        for i in range(50):
            put(engine, b"%d-%d" % (round_number, i), b"x" * 100)
        disk.fault = fault
        with pytest.raises((OSError, WriteRefused)) as caught:
            engine.flush()
            engine.run_steps()
        assert "too many open files" in str(caught.value).lower()
        assert engine.get(b"%d-7" % round_number).value == b"x" * 100
        put(engine, b"meanwhile%d" % round_number, sync=True)
        disk.fault = None
        engine.flush()
    disk.fault = fault
    with pytest.raises(OSError):
        engine.run_steps()
    disk.fault = None
    engine.run_steps()
    engine.close()
    disk.fault = fault
    for _ in range(3):
        with pytest.raises(OSError) as caught:
            open_engine(disk=disk)
        assert caught.value.errno == code and caught.value.filename
    disk.fault = None
    engine = open_engine(disk=disk)
    assert len(list(engine.scan())) == 4 * 51


def test_a_step_that_fails_again_and_again_does_not_fill_the_disk(open_engine):

    disk = FaultyDisk()
    engine = open_engine(disk=disk)
    for i in range(100):
        put(engine, b"%03d" % i)

    def fault(operation, path, count):
        if operation == "open" and path.endswith(".sst"):
            raise OSError(errno.EMFILE, "too many open files", path)

    disk.fault = fault
    for _ in range(5):
        with pytest.raises(OSError, match="too many"):
            engine.flush()
    assert not [name for name in os.listdir(engine.path) if name.endswith(".sst")]
    disk.fault = None
    engine.flush()


def test_short_reads_are_no_silent_holes(open_engine):
    from engine.errors import DamagedFile

    disk = FaultyDisk()
    engine = open_engine(disk=disk)
    for i in range(300):
        put(engine, b"%03d" % i, os.urandom(60))
    engine.flush()
    engine.close()
    for never_cached in (True,):
        engine = open_engine(disk=disk)
        disk.never_cached = never_cached
        disk.fault = lambda operation, path, count: (
            count // 2 if operation == "read" and path.endswith(".sst") else None
        )
        with pytest.raises(DamagedFile, match="too early") as caught:
            engine.get(b"123")
        assert caught.value.path.endswith(".sst")
        with pytest.raises(DamagedFile, match="too early"):
            list(engine.scan())
        disk.fault = None
        assert len(engine.get(b"123").value) == 60 and len(list(engine.scan())) == 300
        engine.close()


def test_a_read_error_inside_a_load_is_told_and_over_when_the_disk_is_back(open_engine):
    from engine.errors import DamagedFile

    disk = FaultyDisk()
    engine = open_engine(disk=disk)
    for i in range(300):
        put(engine, b"%03d" % i, os.urandom(60))
    engine.flush()
    engine.close()
    engine = open_engine(disk=disk)
    disk.never_cached = True

    def fault(operation, path, count):
        if operation == "read" and path.endswith(".sst"):
            raise OSError(errno.EIO, "input/output error", path)

    disk.fault = fault
    for _ in range(2):
        with pytest.raises(DamagedFile, match="input/output error") as caught:
            engine.get(b"123")
        assert caught.value.path.endswith(".sst") and caught.value.offset >= 0
        with pytest.raises(OSError, match="input/output error"):
            list(engine.scan())
    disk.fault = None
    assert len(engine.get(b"123").value) == 60
