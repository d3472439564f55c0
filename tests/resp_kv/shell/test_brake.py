"""Writers slow down before they stop."""

from engine import Batch, Engine, Options
from resp_kv.shell.brake import Brake
from resp_kv.shell.store import EngineStore


class Loop:
    def __init__(self):
        self.timers = []

    def call_later(self, delay_s, action):
        self.timers.append((delay_s, action))


def fill(engine, first, count):
    batch = Batch()
    for i in range(first, first + count):
        batch.put(b"%08d" % i, b"v" * 1000)
    engine.write(batch)


def test_the_brake_grips_as_memory_fills_behind_a_flush(tmp_path):
    with Engine.open(tmp_path / "d", Options(memtable_bytes=4 << 20)) as engine:
        store, loop, released = EngineStore(engine), Loop(), []
        brake = Brake(store, loop, lambda: released.append(True))
        place = 0
        while engine.stats()["sealed_bytes"] == 0:
            fill(engine, place, 50)
            place += 50
            brake.note_batch()
        assert not loop.timers and not store.braked          # there is half of the memory left
        delays = []
        while engine.has_room():
            fill(engine, place, 10)
            place += 10
            brake.note_batch()
            if loop.timers:
                delay_s, let_go = loop.timers.pop()
                assert store.braked
                brake.note_waiter()
                let_go()
                assert not store.braked
                delays.append(delay_s)
        assert len(delays) > 10 and len(released) == len(delays) == brake.delayed_writes
        assert min(delays) >= 0.001 and max(delays) <= 0.1
        assert sum(delays[-5:]) > 2 * sum(delays[:5])        # harder and harder
        assert abs(brake.delay_usec - 1e6 * sum(delays)) < len(delays)
        brake.note_waiter()
        assert brake.stalled_writes == 1
        engine.flush()
        fill(engine, place, 1)
        brake.note_batch()
        assert not loop.timers
