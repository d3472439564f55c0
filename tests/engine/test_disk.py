import errno
import os

import pytest

from engine.disk import Disk
from engine.disk_faulty import FaultyDisk


@pytest.fixture(params=[Disk, FaultyDisk])
def disk(request):
    return request.param()


def test_append_and_read(disk, tmp_path):
    file = disk.create(f"{tmp_path}/a")
    file.append(b"hello ")
    file.append(b"world")
    file.sync()
    assert file.size == 11
    assert file.read(5, 6) == b"world"
    assert file.read(100, 6) == b"world"
    file.truncate(5)
    assert disk.read_file(f"{tmp_path}/a") == b"hello"


def test_create_refuses_an_existing_file(disk, tmp_path):
    disk.create(f"{tmp_path}/a")
    with pytest.raises(FileExistsError):
        disk.create(f"{tmp_path}/a")


def test_an_error_names_the_file(disk, tmp_path):
    file = disk.create(f"{tmp_path}/a")
    reading = disk.open(f"{tmp_path}/a")
    with pytest.raises(OSError, match="a'") as caught:
        reading.append(b"x")
    assert caught.value.errno == errno.EBADF
    file.close()
    file.close()


def test_a_lock_is_held_once(disk, tmp_path):
    lock = disk.lock(f"{tmp_path}/LOCK")
    assert disk.lock(f"{tmp_path}/LOCK") is None
    lock.close()
    assert disk.lock(f"{tmp_path}/LOCK") is not None


def test_folder_operations(disk, tmp_path):
    top = f"{tmp_path}/x/y"
    disk.make_directory(top)
    disk.make_directory(top)
    disk.create(f"{top}/b").append(b"1")
    disk.rename(f"{top}/b", f"{top}/a")
    disk.link(f"{top}/a", f"{top}/c")
    disk.sync_directory(top)
    assert disk.list(top) == ["a", "c"]
    assert disk.size(f"{top}/c") == 1
    disk.unlink(f"{top}/a")
    disk.unlink(f"{top}/a")
    assert not disk.exists(f"{top}/a") and disk.exists(f"{top}/c")
    assert disk.free_bytes(top) > 0


def test_a_short_write_is_finished(tmp_path):
    disk = FaultyDisk(lambda operation, path, count: 3 if operation == "write" else None)
    file = disk.create(f"{tmp_path}/a")
    file.append(b"0123456789")
    assert disk.read_file(f"{tmp_path}/a") == b"0123456789"
    assert disk.counts["write"] == 4


def test_a_power_failure_keeps_what_was_synced(tmp_path):
    import random

    disk = FaultyDisk()
    os.mkdir(f"{tmp_path}/d")
    file = disk.create(f"{tmp_path}/d/a")
    disk.sync_directory(f"{tmp_path}/d")
    file.append(b"synced")
    file.sync()
    file.append(b"and not synced")
    lengths = set()
    for seed in range(30):
        disk.crash_copy(f"{tmp_path}/d", f"{tmp_path}/{seed}", random.Random(seed))
        content = open(f"{tmp_path}/{seed}/a", "rb").read()
        assert content.startswith(b"synced")
        lengths.add(len(content))
    assert len(lengths) > 5
