"""The doors that docs/engine.md promises: its program runs, and what they mean for whoever moves
partitions, keeps snapshots and wants to know that all is well."""

import inspect
import re
from pathlib import Path

import pytest

import engine as package
from engine import Batch, Engine
from engine.errors import DamagedFile
from engine.file_names import table_name

PAGE = Path(__file__).parents[2] / "docs" / "engine.md"


def fill(engine, prefix, count):
    batch = Batch()
    for i in range(count):
        batch.put(b"%s:%05d" % (prefix, i), b"v" * 100)
    engine.write(batch)


def test_the_program_of_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    exec(compile(program, str(PAGE), "exec"), {})
    with Engine.open("example-copy") as copy:
        assert copy.get(b"user:0999").value == b'{"visits": 999}'


def test_the_example_of_the_package_runs(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    program = "    " + package.__doc__.split("\n\n    ", 1)[1].rpartition("\n\ndocs/")[0]
    exec(inspect.cleandoc("\n" + program), {})
    assert capsys.readouterr().out.startswith("b'value'\n")


def test_every_door_of_the_page_exists_and_is_explained():
    table = PAGE.read_text().partition("## The doors")[2].partition("\n\nAll bad use")[0]
    first_column = "\n".join(line.split(" | ")[0] for line in table.splitlines())
    doors = re.findall(r"`(?:Engine\.)?(\w+)\(", first_column)
    assert len(doors) >= 12
    for name in doors:
        assert getattr(Engine, name).__doc__, name


def test_a_moved_partition_goes_without_a_tombstone_a_key(open_engine):
    engine = open_engine()
    for prefix in (b"a", b"m", b"z"):
        fill(engine, prefix, 2000)
    engine.flush()
    engine.run_steps()
    before = engine.approximate_size(b"m", b"n")
    assert before > engine.stats()["table_bytes"] / 5
    batch = Batch()
    batch.delete_range(b"m", b"n")
    assert len(batch) == 1
    engine.write(batch, sync=True)
    assert engine.stats()["memtable_keys"] == 0
    assert engine.get(b"m:00001") is None and not list(engine.scan(b"m", b"n"))
    engine.flush()
    engine.run_steps(10**6, engine.greatest_hlc + 1)
    assert engine.stats()["tombstones"] == 0 and engine.stats()["entries"] == 4000
    assert engine.approximate_size(b"m:00002", b"m:01998") < before / 100
    fill(engine, b"m", 10)              # and it may come back
    assert len(list(engine.scan(b"m", b"n"))) == 10


def test_a_snapshot_outlives_the_tables_it_reads(open_engine):
    engine = open_engine()
    fill(engine, b"a", 3000)
    engine.flush()
    with engine.snapshot() as view:
        records = view.scan()
        found = [next(records).key for _ in range(5)]
        for _ in range(4):
            fill(engine, b"a", 3000)
            engine.flush()
        step = engine.take_step()
        assert step.kind == "compaction"
        found += [next(records).key for _ in range(5)]
        step.run()
        assert engine.finish(step) is None
        step.cleanup()                  # unlinks what the snapshot still reads
        found += [record.key for record in records]
    assert found == [b"a:%05d" % i for i in range(3000)]


def test_verify_names_the_damaged_file(open_engine):
    engine = open_engine()
    fill(engine, b"a", 3000)
    engine.flush()
    engine.verify()
    table = engine.version.tables()[-1]
    with open(f"{engine.path}/{table_name(table.number)}", "r+b") as file:
        file.seek(100)
        byte = file.read(1)[0]
        file.seek(100)
        file.write(bytes([byte ^ 0x40]))
    with pytest.raises(DamagedFile, match=table_name(table.number)):
        engine.verify()
