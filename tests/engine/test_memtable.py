import random
import threading

import pytest

from engine.memtable import Memtable
from engine.record import DELETE, Record


def fill(memtable, count, seed=1, keys=2000):
    """Random writes; returns the newest record of each key."""
    draw = random.Random(seed)
    model = {}
    for sequence in range(1, count + 1):
        key = random_key(draw, keys)
        record = Record(key, draw.randbytes(draw.randrange(60)), draw.randrange(1, 5000), 3)
        stored = memtable.store(record, sequence)
        old = model.get(key)
        assert stored == (old is None or record.dot > old.dot)
        if stored:
            model[key] = record
    return model


def random_key(draw, keys):
    number = draw.randrange(keys)
    shapes = (b"%d" % number, number.to_bytes(2, "big"), b"", b"\0" * (number % 5), b"prefix%09d" % number)
    return shapes[number % 5]


def test_it_is_a_sorted_dict_in_which_the_greatest_dot_wins():
    memtable = Memtable()
    model = fill(memtable, 20_000)
    assert memtable.count == len(model)
    for key, record in model.items():
        assert memtable.get(key) == record
    assert memtable.get(b"missing") is None
    assert list(memtable.records()) == [model[key] for key in sorted(model)]
    for start in (b"", b"\0", b"1", b"17", b"prefix", b"prefix000000500", b"\xff"):
        assert [r.key for r in memtable.records(start=start)] == sorted(k for k in model if k >= start)


def test_an_older_or_equal_dot_is_ignored_and_a_later_annotation_is_not():
    memtable = Memtable()
    assert memtable.store(Record(b"k", b"new", 10, 5), 1)
    assert not memtable.store(Record(b"k", b"old", 9, 9), 2)
    assert not memtable.store(Record(b"k", b"same", 10, 5), 3)
    assert memtable.store(Record(b"k", b"new", 10, 5, deadline_ms=99, annotation=12), 4)
    assert memtable.get(b"k").deadline_ms == 99
    assert memtable.greatest_hlc == 10 and memtable.least_hlc == 10


def test_a_pinned_sequence_keeps_its_versions():
    memtable = Memtable()
    for sequence in range(1, 11):
        memtable.store(Record(b"k", b"%d" % sequence, sequence), sequence)
    memtable.hold(10)
    for sequence in range(11, 21):
        memtable.store(Record(b"k", b"%d" % sequence * 5, sequence), sequence)
    memtable.store(Record(b"other", b"", 30), 21)
    assert memtable.get(b"k", 10).value == b"10"
    assert [r.key for r in memtable.records(10)] == [b"k"]
    memtable.hold(20)
    memtable.store(Record(b"k", b"", 31, kind=DELETE), 22)
    assert memtable.get(b"k", 10).value == b"10"
    assert memtable.get(b"k", 20).value == b"20" * 5
    assert memtable.get(b"k").deleted
    memtable.let_go()
    memtable.let_go()


def test_overwriting_takes_no_memory_while_nobody_looks():
    memtable = Memtable()
    memtable.store(Record(b"k", b"x" * 100, 1), 1)
    before = memtable.bytes
    for sequence in range(2, 1000):
        memtable.store(Record(b"k", b"y" * (sequence % 100), sequence), sequence)
    assert memtable.bytes == before


def test_memory_per_entry_stays_within_130_bytes():
    memtable = Memtable()
    count = 50_000
    for i in range(count):
        key = (i * 7919 % 16384).to_bytes(2, "big") + b"%016d" % i
        memtable.store(Record(key, b"v" * 100, i + 1), i + 1)
    assert memtable.bytes / count - 118 < 130


def test_large_values_get_memory_of_their_own():
    memtable = Memtable(64 << 10)
    value = b"x" * (1 << 20)
    memtable.store(Record(b"large", value, 1), 1)
    memtable.store(Record(b"small", b"y", 2), 2)
    assert memtable.get(b"large").value == value and memtable.get(b"small").value == b"y"


@pytest.mark.parametrize("seed", [1, 2])
def test_a_thread_reads_a_pinned_sequence_while_the_owner_writes(seed):
    memtable = Memtable()
    model = fill(memtable, 5_000, seed)
    expected = [model[key] for key in sorted(model)]
    memtable.hold(5_000)
    wrong = []

    def read():
        for _ in range(20):
            if list(memtable.records(5_000)) != expected:
                wrong.append("differs")

    reader = threading.Thread(target=read)
    reader.start()
    draw = random.Random(seed)
    sequence = 5_000
    while reader.is_alive():
        sequence += 1
        key = random_key(draw, 4000)
        memtable.store(Record(key, draw.randbytes(draw.randrange(60)), 5000 + sequence), sequence)
    reader.join()
    memtable.let_go()
    assert not wrong
