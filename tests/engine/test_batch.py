import pytest

from engine import Batch, Engine
from engine.errors import EngineClosed


@pytest.fixture
def engine(tmp_path):
    with Engine.open(tmp_path / "db") as opened:
        yield opened


def written(engine, *writes):
    batch = Batch()
    for name, *rest in writes:
        getattr(batch, name)(*rest)
    engine.write(batch)
    return {record.key: record.value for record in engine.scan()}


def test_a_later_write_of_a_batch_supersedes_an_earlier_one(engine):
    assert written(engine, ("put", b"a", b"1"), ("put", b"a", b"2"), ("put", b"b", b"")) == {
        b"a": b"2", b"b": b""}
    assert written(engine, ("put", b"c", b"3"), ("delete_range", b"a", b"c"), ("put", b"a", b"4")) == {
        b"a": b"4", b"c": b"3"}


def test_keys_and_values_are_copied_from_any_buffer(engine):
    key, value = bytearray(b"key"), bytearray(b"value")
    batch = Batch()
    batch.put(key, memoryview(value)[:3], 5)
    key[:] = value[:] = b"-----"
    engine.write(batch)
    record = engine.get(b"key")
    assert (record.value, record.deadline_ms) == (b"val", 5)


@pytest.mark.parametrize("wrong", ["text", 7, None])
def test_what_has_no_bytes_is_refused_and_leaves_the_batch_as_it_was(wrong):
    batch = Batch()
    for write in (lambda: batch.put(wrong, b""), lambda: batch.put(b"", wrong),
                  lambda: batch.delete(wrong), lambda: batch.delete_range(b"", wrong)):
        with pytest.raises(TypeError):
            write()
    assert len(batch) == 0


def test_a_batch_can_be_written_again_and_cleared(engine):
    batch = Batch()
    batch.put(b"a", b"x" * 100_000)
    batch.delete(b"b")
    engine.write(batch)
    first = engine.get(b"a").dot
    engine.write(batch)
    assert engine.get(b"a").dot > first and len(batch) == 2
    batch.clear()
    engine.write(batch)
    assert len(batch) == 0 and len(engine.get(b"a").value) == 100_000


def test_only_a_batch_is_written(engine):
    for wrong in (None, [], "batch"):
        with pytest.raises(TypeError):
            engine.write(wrong)


def test_has_room_until_the_engine_is_closed(tmp_path):
    engine = Engine.open(tmp_path / "db")
    assert engine.has_room()
    engine.close()
    with pytest.raises(EngineClosed):
        engine.has_room()
