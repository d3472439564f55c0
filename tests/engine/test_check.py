import pytest

from engine.batch import Batch
from engine.check import DamagedDirectory, check_directory, check_table, dump_file
from engine.errors import DamagedFile, DirectoryInUse, EngineError
from tests.engine.table_rig import delete, many, put, write_table


@pytest.fixture
def directory(open_engine, tmp_path):
    engine = open_engine()
    for i in range(2000):
        batch = Batch()
        batch.put(b"key%05d" % i, b"value %d" % i, deadline_ms=i % 2 * 1000)
        engine.write(batch)
        if i % 400 == 0:
            engine.flush()
    engine.close()
    return tmp_path / "data"


def test_a_healthy_directory(directory):
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    report = check_directory(str(directory))
    assert ".sst: level" in report
    assert ".log: " in report
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before


def test_an_open_directory_is_not_touched(open_engine, tmp_path):
    open_engine()
    with pytest.raises(DirectoryInUse):
        check_directory(str(tmp_path / "data"))


def test_all_damage_is_listed(directory):
    tables = sorted(directory.glob("*.sst"))[:2]
    for path in tables:
        content = bytearray(path.read_bytes())
        content[20] ^= 1
        path.write_bytes(content)
    with pytest.raises(DamagedDirectory) as caught:
        check_directory(str(directory))
    assert len(caught.value.damages) == 2
    for path, line in zip(tables, caught.value.damages):
        assert line.startswith(f"{path} is damaged at byte 0")


def test_a_missing_table(directory):
    min(directory.glob("*.sst")).unlink()
    with pytest.raises(DamagedDirectory):
        check_directory(str(directory))


def test_every_byte_of_a_table_counts(tmp_path):
    write_table(tmp_path, 1, many(60))
    path = tmp_path / "000001.sst"
    content = path.read_bytes()
    assert check_table(str(path)).entries == 60
    for at in range(len(content)):
        path.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1:])
        with pytest.raises(EngineError):
            check_table(str(path))


def test_a_table_with_a_foreign_tail(tmp_path):
    write_table(tmp_path, 1, many(60))
    path = tmp_path / "000001.sst"
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(DamagedFile):
        check_table(str(path))


def test_dumping_a_table(tmp_path):
    write_table(tmp_path, 1, [
        put(b"a\0", b"x\xff", hlc=5, actor=6, deadline_ms=7, annotation=8), delete(b"b", hlc=9),
    ])
    lines = list(dump_file(str(tmp_path / "000001.sst")))
    assert lines[-2:] == [
        r"  PUT 'a\x00' dot 5/6 deadline 7 annotation 8 value 'x\xff'", "  DELETE 'b' dot 9/0",
    ]
    assert "property entries 2" in lines


def test_dumping_every_file_of_a_directory(directory):
    for path in directory.iterdir():
        if path.name != "LOCK":
            assert list(dump_file(str(path)))
    with pytest.raises(EngineError, match="no file of a data directory"):
        list(dump_file(str(directory / "LOCK")))
