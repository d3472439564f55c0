"""Full disks, failed fsyncs, power failures and kill -9: what was acknowledged stays."""

import errno
import os
import random
import signal
import subprocess
import sys

import pytest

from engine import Batch, Engine
from engine.disk_faulty import FaultyDisk
from engine.errors import DamagedFile, DiskFull, Poisoned, WriteRefused


def put(engine, key, value=b"v", sync=False):
    batch = Batch()
    batch.put(key, value)
    engine.write(batch, sync=sync)


def keys(engine):
    return [record.key for record in engine.scan()]


def failing(operation, code, suffix=""):
    def fault(asked, path, count):
        if asked == operation and path.endswith(suffix):
            raise OSError(code, os.strerror(code), path)

    return fault


@pytest.mark.parametrize("operation", ["reserve", "write"])
def test_a_full_disk_refuses_writes_until_there_is_space(open_engine, operation):
    disk = FaultyDisk()
    engine = open_engine(disk=disk)
    put(engine, b"before", sync=True)
    disk.fault = failing(operation, errno.ENOSPC, ".log")
    refused = 0
    for i in range(200):
        try:
            put(engine, b"full%03d" % i, b"x" * 1000)
        except DiskFull as error:
            refused += 1
            assert "disk is full" in str(error)
    assert refused
    assert engine.get(b"before").value == b"v"  # reads go on
    disk.fault = None
    put(engine, b"after", sync=True)
    engine.close()
    found = keys(open_engine())
    assert b"before" in found and b"after" in found


def test_a_write_that_stops_half_way_leaves_no_torn_frame(open_engine):
    disk = FaultyDisk()
    engine = open_engine(disk=disk)
    put(engine, b"before")

    def half(operation, path, count):
        if operation == "write" and path.endswith(".log"):
            if count <= 50:
                raise OSError(errno.ENOSPC, "no space", path)
            return count - 50

    disk.fault = half
    with pytest.raises(DiskFull):
        put(engine, b"half", b"x" * 200)
    disk.fault = None
    put(engine, b"after")
    engine.close()
    engine = open_engine()
    assert engine.reports == []
    assert {b"before", b"after"} <= set(keys(engine))


@pytest.mark.parametrize("operation", ["sync", "write"])
def test_a_failed_fsync_or_write_poisons(open_engine, operation):
    disk = FaultyDisk()
    engine = open_engine(disk=disk)
    put(engine, b"before", sync=True)
    disk.fault = failing(operation, errno.EIO, ".log")
    with pytest.raises(Poisoned):
        put(engine, b"lost", sync=True)
    disk.fault = None
    for _ in range(2):
        with pytest.raises(Poisoned):
            put(engine, b"later")
        with pytest.raises(WriteRefused):
            engine.write_room()
    assert engine.get(b"before").value == b"v"
    assert "failed" in engine.stats()["refused"]
    engine.close()
    engine = open_engine()
    assert b"before" in keys(engine)
    put(engine, b"later")


@pytest.mark.parametrize("operation, suffix", [
    ("write", ".sst"), ("create", ".sst"), ("sync", ".sst"), ("sync_directory", ""),
    ("write", "MANIFEST"), ("sync", "MANIFEST"),
])
def test_a_step_that_fails_is_offered_again(open_engine, operation, suffix):
    disk = FaultyDisk()
    engine = open_engine(disk=disk)
    for i in range(100):
        put(engine, b"%03d" % i)

    def fault(asked, path, count):
        if asked == operation and suffix in path:
            raise OSError(errno.ENOSPC, "no space", path)

    disk.fault = fault
    for _ in range(3):
        with pytest.raises(OSError, match="no space"):
            engine.flush()
        assert len(keys(engine)) == 100
        assert "no space" in engine.stats()["step_error"]
    disk.fault = None
    engine.flush()
    assert engine.stats()["step_error"] == "" and engine.stats()["entries"] == 100
    engine.run_steps()
    engine.close()
    engine = open_engine()
    assert len(keys(engine)) == 100
    engine.verify()


def test_a_stall_that_cannot_end_is_an_error(open_engine):
    disk = FaultyDisk()
    engine = open_engine(disk=disk)
    disk.fault = failing("write", errno.ENOSPC, ".sst")
    with pytest.raises((DiskFull, OSError)):
        for i in range(10_000):
            put(engine, b"%06d" % i, b"x" * 200)
    with pytest.raises(DiskFull, match="flush"):
        engine.write_room()
    disk.fault = None
    engine.run_steps()
    put(engine, b"again")


def test_a_block_that_cannot_be_read_is_an_error_and_no_wrong_value(open_engine):
    disk = FaultyDisk()
    engine = open_engine(disk=disk)
    for i in range(500):
        put(engine, b"%03d" % i, os.urandom(100))
    engine.close()
    engine = open_engine(disk=disk)
    engine.flush()
    disk.fault = failing("read", errno.EIO, ".sst")
    with pytest.raises((DamagedFile, OSError)):
        engine.get(b"123")
    disk.fault = None
    assert len(engine.get(b"123").value) == 100


@pytest.mark.parametrize("seed", range(12))
def test_a_power_failure_loses_nothing_that_was_synced(tmp_path, small, seed):
    """Random work; then every file keeps what was synced and a random part of the rest."""
    draw = random.Random(seed)
    disk = FaultyDisk()
    engine = Engine.open(tmp_path / "d", small, disk=disk)
    history = {}  # key -> [(value, synced)], newest last
    synced_count, log = 0, []
    for i in range(draw.randrange(200, 2500)):
        key, value = b"%d" % draw.randrange(500), b"%d" % i * draw.randrange(1, 20)
        batch = Batch()
        if draw.random() < 0.1:
            batch.delete(key)
            value = None
        else:
            batch.put(key, value)
        engine.write(batch)
        log.append((key, value))
        if draw.random() < 0.02:
            engine.sync()
            synced_count = len(log)
        if draw.random() < 0.01:
            engine.run_steps(0, engine.greatest_hlc + 1)
    disk.crash_copy(f"{tmp_path}/d", f"{tmp_path}/crashed", draw)
    with Engine.open(tmp_path / "crashed", small) as again:
        found = {record.key: record.value for record in again.scan()}
    for i, (key, value) in enumerate(log):
        history.setdefault(key, []).append((value, i < synced_count))
    for key, versions in history.items():
        allowed = [versions[-1][0]]
        for (value, _), (_, next_synced) in reversed(list(zip(versions, versions[1:]))):
            if next_synced:
                break
            allowed.append(value)
        else:
            if not versions[0][1]:
                allowed.append(None)
        assert found.get(key) in allowed


def test_a_flush_without_a_table_makes_the_new_segment_durable_too(tmp_path, small):
    disk = FaultyDisk()
    engine = Engine.open(tmp_path / "d", small, disk=disk)
    batch = Batch()
    batch.delete_range(b"", b"", offset=0, byte=48)
    engine.write(batch)
    engine.flush()
    for seed in range(8):
        disk.crash_copy(f"{tmp_path}/d", f"{tmp_path}/{seed}", random.Random(seed))
        Engine.open(tmp_path / str(seed), small).close()
    engine.close()


WRITER = """
import os, random, sys
from engine import Batch, Engine, Options
seed = int(sys.argv[2])
draw = random.Random(seed)
options = Options(memtable_bytes=256 << 10, log_reserve_bytes=64 << 10, table_bytes_max=64 << 10,
                  level0_tables_trigger=2, level_bytes_base=128 << 10)
engine = Engine.open(sys.argv[1], options)
i = 0
while True:
    batch = Batch()
    for _ in range(draw.randrange(1, 4)):
        batch.put(b"%d-%d" % (seed, i), b"%d" % i * 20)
        i += 1
    engine.write(batch, sync=draw.random() < 0.05)
    os.write(1, b"%d\\n" % i)
    if draw.random() < 0.01:
        engine.run_steps(0, engine.greatest_hlc)
"""


def test_kill_9_under_load_twenty_times_loses_no_acknowledged_write(tmp_path):
    draw = random.Random(1)
    acknowledged = {}
    for round_number in range(20):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path / "d"), str(round_number)],
            stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": os.getcwd()},
        )
        said = b""
        enough = draw.randrange(2_000, 20_000)
        while len(said) < enough:
            piece = os.read(child.stdout.fileno(), 65536)
            assert piece, "the writer died by itself"
            said += piece
        os.kill(child.pid, signal.SIGKILL)
        said += child.stdout.read()
        child.wait()
        child.stdout.close()
        acknowledged[round_number] = int(said[: said.rindex(b"\n")].rsplit(b"\n", 1)[-1])
    with Engine.open(tmp_path / "d") as engine:
        for round_number, count in acknowledged.items():
            for i in range(count):
                record = engine.get(b"%d-%d" % (round_number, i))
                assert record is not None and record.value == b"%d" % i * 20, (round_number, i)
        engine.verify()
