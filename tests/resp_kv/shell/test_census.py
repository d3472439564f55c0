import asyncio

from resp_kv.shell import census as module
from resp_kv.shell.census import Census


def fill(rig, keys):
    rig.raw(b"".join(b"SET key:%d %d\r\n" % (number, number) for number in range(keys)))


def test_few_entries_are_counted_at_once(rig):
    fill(rig, 100)
    for line in (b"DEL key:1 key:2\r\n", b"EXPIRE key:3 10\r\n", b"SELECT 2\r\n", b"SET a 1 PX 1\r\n"):
        rig.raw(line)
    census = Census(rig.engine, None, rig.clock)
    assert census.latest() == {0: (98, 1, 10_000), 2: (1, 1, 1)}
    rig.flush_to_tables()
    rig.advance(1)
    assert census.latest() == {0: (98, 1, 9_999)}


async def test_many_are_counted_in_the_background(rig, monkeypatch):
    monkeypatch.setattr(module, "COUNTED_AT_ONCE", 50)
    monkeypatch.setattr(module, "PORTION_ENTRIES", 64)
    monkeypatch.setattr(module, "REST_S_MIN", 3600.0)
    fill(rig, 1000)
    rig.flush_to_tables()
    census = Census(rig.engine, asyncio.get_running_loop(), rig.clock)
    assert census.latest() is None
    while census.running:
        await asyncio.sleep(0.001)
    assert census.latest() == {0: (1000, 0, 0)}
    assert not census.running                       # it rests before it counts again
    rig.raw(b"DEL key:1\r\n")
    assert census.latest() == {0: (1000, 0, 0)}
    census.due_s = 0.0
    census.latest()
    while census.running:
        await asyncio.sleep(0.001)
    assert census.latest() == {0: (999, 0, 0)}
    census.stop()


async def test_a_stop_does_not_wait_for_the_whole_count(rig, monkeypatch):
    monkeypatch.setattr(module, "COUNTED_AT_ONCE", 0)
    fill(rig, 100)
    census = Census(rig.engine, asyncio.get_running_loop(), rig.clock)
    census.stopping = True
    assert census.latest() is None and not census.running
    assert census.count(rig.engine.snapshot(), 0, 64) is None
    census.stop()
