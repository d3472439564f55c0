"""`check` and `dump`, on a directory that a real engine has written."""

import subprocess
import sys
from pathlib import Path

import pytest

from engine.batch import Batch
from engine.engine import Engine
from resp_kv.cli import inspection
from resp_kv.cli.failure import Failure

ROOT = Path(__file__).parents[3]


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "data"
    engine = Engine.open(str(path))
    batch = Batch()
    for number in range(500):
        batch.put(b"key:%04d" % number, b"value")
    engine.write(batch)
    engine.flush()
    engine.write(batch)
    engine.close()
    return path


def damage(path):
    bytes_ = bytearray(path.read_bytes())
    bytes_[len(bytes_) // 3] ^= 0xFF
    path.write_bytes(bytes_)


def test_whole_directory(directory, capsys):
    inspection.check(directory)
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == f"{directory} is whole"
    assert any("500 entries" in line for line in lines)


def test_damaged_table(directory, capsys):
    table = next(directory.glob("*.sst"))
    damage(table)
    with pytest.raises(Failure, match="is damaged in 1 places"):
        inspection.check(directory)
    assert table.name in capsys.readouterr().out


def test_directory_in_use(directory):
    engine = Engine.open(str(directory))
    with pytest.raises(Failure, match="in use"):
        inspection.check(directory)
    engine.close()


def test_dump_of_every_kind_of_file(directory, capsys):
    for pattern, told in (("*.sst", "key:0042"), ("*.log", "key:0042"), ("MANIFEST-*", "tables")):
        inspection.dump(next(directory.glob(pattern)))
        assert told in capsys.readouterr().out


def test_dump_into_a_pipe_that_closes(directory):
    table = next(directory.glob("*.sst"))
    done = subprocess.run(
        f"{sys.executable} -m resp_kv dump {table} | head -1", shell=True, cwd=ROOT,
        capture_output=True, text=True, timeout=60, check=False,
    )
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1


def test_nothing_there(tmp_path):
    with pytest.raises(Failure, match="is not a directory"):
        inspection.check(tmp_path / "none")
    with pytest.raises(Failure, match="is not a file"):
        inspection.dump(tmp_path / "none")
    (tmp_path / "odd").write_text("text")
    with pytest.raises(Failure):
        inspection.dump(tmp_path / "odd")
