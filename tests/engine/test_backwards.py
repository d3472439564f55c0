"""Reverse scans: the mirror of forward ones, whatever lies where, and without collecting anything."""

import random

import pytest

from engine import Batch
from engine.errors import DamagedFile
from engine.file_names import table_name


def fill(engine, count, seed):
    draw = random.Random(seed)
    for _ in range(count // 50):
        batch = Batch()
        for _ in range(50):
            key = draw.choice((b"", b"\0", b"\xff\xff", b"k")) + b"%d" % draw.randrange(4000)
            if draw.random() < 0.2:
                batch.delete(key)
            else:
                batch.put(key, draw.randbytes(draw.randrange(100)))
        engine.write(batch)


def mirror(engine, start=b"", end=b""):
    forward = [(r.key, r.value, r.dot) for r in engine.scan(start, end)]
    backward = [(r.key, r.value, r.dot) for r in engine.scan(start, end, reverse=True)]
    assert backward == forward[::-1]
    return len(forward)


@pytest.mark.parametrize("seed", range(3))
def test_the_mirror_of_a_forward_scan(open_engine, seed):
    engine = open_engine()
    for part in range(4):
        fill(engine, 4000, seed * 10 + part)
        if part == 1:
            batch = Batch()
            batch.delete_range(b"k2", b"k3")
            engine.write(batch)
        assert mirror(engine) > 1000
    assert len([level for level in engine.version.levels if level]) > 1
    draw = random.Random(seed)
    keys = [record.key for record in engine.scan()]
    for _ in range(60):
        start, end = draw.choice(keys), draw.choice((b"", b"\0", b"\xff", draw.choice(keys)))
        if draw.random() < 0.5:
            end += b"\0"
        mirror(engine, start, end)
        mirror(engine, b"", end)
    engine.flush()
    engine.run_steps()
    mirror(engine)


def test_edges(open_engine):
    engine = open_engine()
    assert list(engine.scan(reverse=True)) == []
    batch = Batch()
    for key in (b"", b"\0", b"\0\0", b"a", b"a\0", b"\xff", b"\xff\xff", b"\xff\xff\xff"):
        batch.put(key, b"v")
    engine.write(batch)
    for _ in range(2):
        assert mirror(engine) == 8
        for key in (b"\0", b"\0\0", b"a", b"a\0", b"b", b"\xff", b"\xff\xff", b"\xff\xff\xff"):
            mirror(engine, b"", key)
            mirror(engine, key)
            mirror(engine, key, key + b"\0")
        engine.flush()


def test_a_snapshot_walks_back_through_its_moment(open_engine):
    engine = open_engine()
    fill(engine, 3000, 1)
    with engine.snapshot() as view:
        expected = [record.key for record in view.scan()][::-1]
        records = view.scan(reverse=True)
        found = [next(records).key for _ in range(10)]
        fill(engine, 6000, 2)
        engine.flush()
        engine.run_steps()
        found += [record.key for record in records]
    assert found == expected


def test_what_lies_behind_a_damaged_block_is_still_read(open_engine):
    engine = open_engine()
    batch = Batch()
    for i in range(2000):
        batch.put(b"%06d" % i, b"v" * 50)
    engine.write(batch)
    engine.flush()
    (table,) = engine.version.tables()
    engine.close()
    with open(f"{engine.path}/{table_name(table.number)}", "r+b") as file:
        file.seek(10)
        byte = file.read(1)[0]
        file.seek(10)
        file.write(bytes([byte ^ 1]))
    engine = open_engine()
    found = []
    with pytest.raises(DamagedFile):
        for record in engine.scan(reverse=True):
            found.append(record.key)
    assert found == [b"%06d" % i for i in range(1999, 1999 - len(found), -1)]
    assert len(found) > 1900
