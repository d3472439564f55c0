"""Steps that are under way together: taken, run and finished in any order, with writes, range
deletes, snapshots and crashes between. A crash finds some of them with their edit in the manifest,
some with half their tables written and some not begun."""

import random

import pytest

from engine import Batch, Engine, Options
from engine.disk_faulty import FaultyDisk

OPTIONS = Options(
    memtable_bytes=256 << 10, log_bytes_max=1 << 20, log_reserve_bytes=4 << 10,
    block_cache_bytes=64 << 10, block_bytes=256, blocks_per_segment=4, table_bytes_max=4 << 10,
    level_bytes_base=8 << 10, level_multiplier=2, level0_tables_trigger=2,
    level0_tables_slowdown=4, level0_tables_stop=30, compactions_max=4, overlap_tables_max=2,
)


class Run:
    """One history, all of it decided by the seed."""

    def __init__(self, tmp_path, seed):
        self.draw = random.Random(seed)
        self.tmp_path, self.generation = tmp_path, 0
        self.model, self.under_way, self.views = {}, [], []
        self.most_under_way = self.within_level0 = 0
        self.open()

    def open(self):
        self.disk = FaultyDisk()
        self.path = str(self.tmp_path / str(self.generation))
        self.engine = Engine.open(self.path, OPTIONS, disk=self.disk)

    def write(self):
        if not self.engine.has_room():
            return
        batch = Batch()
        for _ in range(40):
            key = b"%04d" % self.draw.randrange(900)
            if self.draw.random() < 0.15:
                batch.delete(key)
                self.model.pop(key, None)
            else:
                self.model[key] = self.draw.randbytes(self.draw.randrange(60))
                batch.put(key, self.model[key])
        if self.draw.random() < 0.03:
            start = self.draw.randrange(900)
            first, end = b"%04d" % start, b"%04d" % (start + 100)
            batch.delete_range(first, end)
            self.model = {k: v for k, v in self.model.items() if not first <= k < end}
        self.engine.write(batch, sync=True)
        if self.draw.random() < 0.3:
            self.engine.seal()

    def take(self):
        watermark = self.engine.greatest_hlc if self.draw.random() < 0.5 else 0
        step = self.engine.take_step(self.draw.randrange(10**6), watermark)
        if step is not None:
            self.within_level0 += step.kind == "compaction" and step.choice.target == 0
            self.under_way.append([step, False])
            self.most_under_way = max(self.most_under_way, len(self.under_way))

    def run_one(self):
        waiting = [item for item in self.under_way if not item[1]]
        if waiting:
            item = self.draw.choice(waiting)
            item[0].run()
            item[1] = True

    def finish_one(self):
        done = [item for item in self.under_way if item[1]]
        if done:
            item = self.draw.choice(done)
            self.under_way.remove(item)
            assert self.engine.finish(item[0]) is None
            item[0].cleanup()
            self.check_levels()

    def look(self):
        assert {r.key: r.value for r in self.engine.scan()} == self.model
        for view, model in self.views:
            assert {r.key: r.value for r in view.scan()} == model
        for key in self.draw.sample(range(900), 20):
            record = self.engine.get(b"%04d" % key)
            assert (record and record.value) == self.model.get(b"%04d" % key)

    def view(self):
        if len(self.views) > 1:
            self.views.pop(0)[0].close()
        self.views.append((self.engine.snapshot(), dict(self.model)))

    def crash(self):
        for view, _ in self.views:
            view.close()
        self.views = []
        old, old_path = self.engine, self.path
        self.generation += 1
        self.disk.crash_copy(old_path, str(self.tmp_path / str(self.generation)), self.draw)
        self.under_way = []
        old.close()
        self.open()
        self.look()

    def check_levels(self):
        for level in self.engine.version.levels[1:]:
            for one, other in zip(level, level[1:]):
                assert one.properties.greatest_key < other.properties.least_key


@pytest.mark.parametrize("seed", range(12))
def test_any_order_of_steps(tmp_path, seed):
    run = Run(tmp_path, seed)
    doings = [run.write] * 6 + [run.take] * 5 + [run.run_one] * 4 + [run.finish_one] * 4
    doings += [run.view, run.look]
    for _ in range(600):
        run.draw.choice(doings)()
        if run.draw.random() < 0.005:
            run.crash()
    run.look()
    while run.under_way:
        run.run_one()
        run.finish_one()
    run.engine.run_steps(0, run.engine.greatest_hlc)
    run.look()
    run.engine.verify()
    assert run.most_under_way > 2
    run.crash()
    run.engine.close()


def test_level_0_is_merged_within_itself(tmp_path):
    """The way down is taken by a compaction that does not end."""
    run = Run(tmp_path, 1)
    for _ in range(8):
        run.write()
        run.engine.flush()
        if not run.under_way:
            run.take()
    for _ in range(3):
        run.take()
    assert run.within_level0
    while run.under_way:
        run.run_one()
        run.finish_one()
    run.look()
    run.engine.close()
