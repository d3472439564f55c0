"""Formats 1 and 2 are read for ever, and a newer format is refused by name.

Each folder in `golden` was written once, by `python -m tests.engine.test_formats FORMAT DIRECTORY`, and is
never written again: a later format gets a folder of its own beside them. Format 2 is that of tables with a
dictionary.
"""

import pathlib
import shutil
import sys
from dataclasses import replace

import google_crc32c
import pytest

from engine import Batch, Engine, Options
from engine.check import check_directory, dump_file
from engine.errors import DamagedFile, UnknownFormat

GOLDEN = pathlib.Path(__file__).parent / "golden"
OPTIONS = Options(log_reserve_bytes=0, block_bytes=256, blocks_per_segment=4)
EXPECTED = {
    b"key%02d" % i: (b"value %d " % i * (i % 5), i % 3 * 1_000) for i in range(60) if i // 10 != 3
} | {b"log%d" % i: (b"", 0) for i in range(5) if i != 2}
ALIKE = {
    b"user%03d" % i: (b'{"name": "user %d", "balance": %d, "active": true}' % (i, i * i), 0)
    for i in range(200)
}


def write_dictionaries(path):
    """A table with a dictionary in level 1, one without in level 0."""
    options = replace(OPTIONS, blocks_per_segment=64, dictionary_bytes=256, level0_tables_trigger=2)
    with Engine.open(path, options) as engine:
        for first in (0, 1):
            batch = Batch()
            for key in sorted(ALIKE)[first::2]:
                batch.put(key, ALIKE[key][0])
            engine.write(batch)
            engine.flush()
        engine.run_steps()
        batch = Batch()
        batch.put(b"user007", ALIKE[b"user007"][0])
        engine.write(batch)
        engine.flush()
        assert {len(level) for level in engine.version.levels[:2]} == {1}
        assert engine.version.levels[1][0].properties.dictionary_length


def write_plain(path):
    with Engine.open(path, OPTIONS) as engine:
        batch = Batch()
        for i in range(60):
            batch.put(b"key%02d" % i, b"value %d " % i * (i % 5), deadline_ms=i % 3 * 1_000)
        batch.put(b"gone", b"soon")
        engine.write(batch)
        engine.flush()
        batch = Batch()
        batch.delete(b"gone")
        batch.delete_range(b"key3", b"key4")
        engine.write(batch)
        engine.flush()
        batch = Batch()
        for i in range(5):
            batch.put(b"log%d" % i, b"")
        batch.delete(b"log2")
        batch.delete_range(b"", b"", offset=0, byte=122)
        engine.write(batch)


WRITERS = {"1": write_plain, "2": write_dictionaries}
CONTENTS = {"format-1": EXPECTED, "format-2": ALIKE}


@pytest.mark.parametrize("path", sorted(GOLDEN.iterdir()), ids=lambda path: path.name)
def test_golden_files_are_read(tmp_path, path):
    target = tmp_path / "data"
    shutil.copytree(path, target)
    check_directory(str(target))
    for file in target.iterdir():
        assert file.name == "LOCK" or list(dump_file(str(file)))
    for _ in range(2):
        with Engine.open(target, OPTIONS) as engine:
            assert engine.reports == []
            engine.verify()
            expected = CONTENTS[path.name]
            assert {r.key: (r.value, r.deadline_ms) for r in engine.scan()} == expected
            assert all(engine.get(key).value == value for key, (value, _) in expected.items())
            assert engine.get(b"gone") is None and engine.get(b"key31") is None


def newer_log(content):
    return content[:8] + (2).to_bytes(4, "little") + content[12:]


def newer_table(content):
    head = content[-40:-16] + (3).to_bytes(4, "little")
    return content[:-40] + head + google_crc32c.value(head).to_bytes(4, "little") + content[-8:]


@pytest.mark.parametrize("pattern, alter, offset, version", [
    ("*.log", newer_log, 8, 2), ("MANIFEST-*", newer_log, 8, 2), ("*.sst", newer_table, -16, 3),
])
def test_a_newer_format_is_refused_by_name(tmp_path, pattern, alter, offset, version):
    shutil.copytree(GOLDEN / "format-1", tmp_path / "data")
    path = max((tmp_path / "data").glob(pattern))
    path.write_bytes(alter(path.read_bytes()))
    before = {file.name: file.read_bytes() for file in (tmp_path / "data").iterdir()}
    with pytest.raises(UnknownFormat) as caught:
        Engine.open(tmp_path / "data", OPTIONS)
    error = caught.value
    assert error.path == str(path) and error.version == version and error.known == version - 1
    assert error.offset == offset % (len(path.read_bytes()) if offset < 0 else 1 << 30)
    assert f"{path} has format {version}" in str(error)
    after = {file.name: file.read_bytes() for file in (tmp_path / "data").iterdir()}
    assert after == before | {"LOCK": b""}


@pytest.mark.parametrize("pattern", ["*.log", "MANIFEST-*"])
def test_there_is_no_format_0(tmp_path, pattern):
    shutil.copytree(GOLDEN / "format-1", tmp_path / "data")
    path = max((tmp_path / "data").glob(pattern))
    content = path.read_bytes()
    path.write_bytes(content[:8] + bytes(4) + content[12:])
    with pytest.raises(DamagedFile):
        Engine.open(tmp_path / "data", OPTIONS)


if __name__ == "__main__":
    WRITERS[sys.argv[1]](sys.argv[2])
