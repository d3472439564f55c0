"""The power goes at every operation of a recorded run; what was promised must be there.

A run of batches, range deletes, syncs, seals, flushes, compactions and a checkpoint is recorded on
a FaultyDisk. Then, for every operation of the journal, each kind of remains that a power failure may
leave (power_loss.py) is opened, and must hold exactly what the first n batches make, for one n between
the last batch that was promised to be durable and the last one that was begun. So nothing durable is
missing, no batch is there in part, and no value is wrong. The directory must open again, with the same
content, after the recovery's own writes were hit by a power failure too.

CRASH_POINT_RUNS (1) is how many runs, each with another seed. CRASH_POINT_VARIANTS (2) is how many
of the kinds of remains are tried at each operation; `make crash-long` tries all of them.
"""

import os
import random
import shutil
import tempfile
from itertools import count

import pytest

from engine import Batch, Engine, Options
from engine.check import TableReader
from engine.disk import Disk
from engine.disk_faulty import FaultyDisk
from engine.errors import EngineError
from tests.engine.power_loss import VARIANTS, PowerLoss

RUNS = int(os.environ.get("CRASH_POINT_RUNS", "1"))
TRIED = int(os.environ.get("CRASH_POINT_VARIANTS", "2"))
BATCHES = 220
OPTIONS = Options(
    memtable_bytes=64 << 10, log_bytes_max=16 << 10, log_reserve_bytes=4 << 10,
    block_cache_bytes=64 << 10, block_bytes=128, blocks_per_segment=32, table_bytes_max=8 << 10,
    level_bytes_base=8 << 10, level_multiplier=2, level0_tables_trigger=2, level0_tables_stop=5,
    dictionary_bytes=256,
)


def has_dictionary(path):
    return any(entry.name.endswith(".sst") and TableReader(entry.path, Disk()).dictionary
               for entry in os.scandir(path))


class Run:
    """A recorded run. `states[n]` is the content after n batches; `marks` holds a tuple (place in
    the journal, batches that are durable from there on)."""

    def __init__(self, root, seed):
        self.root = root
        self.random = random.Random(seed)
        self.disk = FaultyDisk()
        self.disk.instant = True
        self.disk.journal = []
        self.states = [{}]
        self.begun = []      # place in the journal where each batch was begun
        self.marks = [(0, 0)]
        self.checkpoint = None
        engine = self.open()
        for i in range(BATCHES):
            self.write(engine, i)
            engine = self.disturb(engine, i)
        if self.checkpoint is None:
            self.make_checkpoint(engine)
        engine.close()
        self.promise()

    def open(self):
        return Engine.open(f"{self.root}/d", OPTIONS, disk=self.disk)

    def write(self, engine, i):
        draw, batch, state = self.random, Batch(), dict(self.states[-1])
        for j in range(draw.choice((1, 1, 2, 5, 30))):
            key = b"%03d" % draw.randrange(300)
            kind = draw.random()
            if kind < 0.75:
                state[key] = b"%d.%d " % (i, j) * draw.choice((1, 3, 10, 60))
                batch.put(key, state[key])
            elif kind < 0.95:
                state.pop(key, None)
                batch.delete(key)
            elif kind < 0.98:
                end = b"%03d" % min(999, int(key) + draw.randrange(40))
                batch.delete_range(key, end)
                state = {k: v for k, v in state.items() if not key <= k < end}
            else:
                batch.delete_range(b"", b"", offset=2, byte=key[2])
                state = {k: v for k, v in state.items() if k[2] != key[2]}
        self.begun.append(len(self.disk.journal))
        self.states.append(state)
        sync = draw.random() < 0.1
        engine.write(batch, sync=sync)
        if sync:
            self.promise()

    def promise(self):
        self.marks.append((len(self.disk.journal), len(self.states) - 1))

    def disturb(self, engine, i):
        chance = self.random.random()
        if chance < 0.04:
            engine.seal()
        elif chance < 0.08:
            engine.flush()
            self.promise()
        elif chance < 0.14:
            engine.run_steps(0, engine.greatest_hlc + 1)
        elif chance < 0.16:
            engine.close()
            self.promise()
            return self.open()
        elif i == BATCHES * 2 // 3:
            self.make_checkpoint(engine)
        return engine

    def make_checkpoint(self, engine):
        engine.checkpoint(f"{self.root}/checkpoint")
        self.promise()
        self.checkpoint = len(self.disk.journal), self.states[-1]

    def legal(self, place):
        """The states that may be found after a power failure behind `place` operations."""
        durable = max(batches for at, batches in self.marks if at <= place)
        begun = sum(at < place for at in self.begun)
        return self.states[durable : max(begun, durable) + 1]


def content(path, disk=None):
    with Engine.open(path, OPTIONS, disk=disk) as engine:
        found = {record.key: record.value for record in engine.scan()}
        for key in list(found)[::7]:
            assert engine.get(key).value == found[key]
    return found


def quick_disk():
    disk = FaultyDisk()
    disk.instant = True
    return disk


@pytest.fixture
def room():
    """A folder in memory, where there is one: thousands of directories are written and read."""
    place = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(dir=place) as path:
        yield path


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(RUNS))
def test_the_power_may_go_at_every_operation(room, seed):
    run = Run(f"{room}/run", seed)
    assert seed or has_dictionary(f"{room}/run/d")
    loss = PowerLoss(run.disk.journal, run.root)
    for place in range(len(run.disk.journal) + 1):
        loss.advance(place)
        draw = random.Random(seed * 1_000_003 + place)
        for variant in draw.sample(VARIANTS, TRIED) if loss.uncertain else VARIANTS[:1]:
            note = f"seed {seed} place {place} variant {variant!r}"
            loss.leave(f"{room}/left", variant, draw)
            legal = run.legal(place)
            try:
                found = content(f"{room}/left/d", quick_disk())
                assert found in legal, note
                assert content(f"{room}/left/d", quick_disk()) == found, note
                look_at_checkpoint(f"{room}/left/checkpoint", run, place)
            except EngineError as error:
                raise AssertionError(f"{note}: {error}") from error
            shutil.rmtree(f"{room}/left")


def look_at_checkpoint(path, run, place):
    """Whole once it was promised; before, whole or refused."""
    made_at, state = run.checkpoint
    if place >= made_at:
        assert content(path, quick_disk()) == state
    elif os.path.isdir(path):
        try:
            assert content(path, quick_disk()) in (state, {})
        except EngineError:
            pass


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(RUNS))
def test_the_power_may_go_again_during_recovery(room, seed):
    run = Run(f"{room}/run", seed + 500)
    loss = PowerLoss(run.disk.journal, run.root)
    draw = random.Random(seed)
    places = sorted(draw.sample(range(len(run.disk.journal)), 10 * TRIED))
    names = count()
    for place in places:
        loss.advance(place)
        variant = draw.choice(VARIANTS)
        start = f"{room}/{next(names)}"
        loss.leave(start, variant, draw)
        again = PowerLoss([], start)
        for name in os.listdir(f"{start}/d") if os.path.isdir(f"{start}/d") else ():
            with open(f"{start}/d/{name}", "rb") as file:
                again.begin_with(f"{start}/d/{name}", file.read())
        disk = quick_disk()
        again.journal = disk.journal = []
        found = content(f"{start}/d", disk)
        assert found in run.legal(place)
        for step in range(len(disk.journal) + 1):
            again.advance(step)
            for second in draw.sample(VARIANTS, TRIED):
                note = f"seed {seed} place {place} {variant!r}, then {step} {second!r}"
                target = f"{room}/{next(names)}"
                again.leave(target, second, draw)
                try:
                    assert content(f"{target}/d", quick_disk()) == found, note
                    assert content(f"{target}/d", quick_disk()) == found, note
                except EngineError as error:
                    raise AssertionError(f"{note}: {error}") from error
                shutil.rmtree(target)
