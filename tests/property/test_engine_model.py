"""The engine against a dict: any sequence of writes, snapshots, flushes, compactions, restarts and
checkpoints and crashes. A crash copies the directory with the unsynced tails of all files cut at random.

MODEL_EXAMPLES (60) is how many runs are tried, MODEL_STEPS (40) how long each is: `make property-long`."""

import os
import random
import shutil
import tempfile

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from engine import Batch, Engine, Options
from engine.disk_faulty import FaultyDisk
from engine.errors import NeedsDisk

EXAMPLES = int(os.environ.get("MODEL_EXAMPLES", "60"))
STEPS = int(os.environ.get("MODEL_STEPS", "40"))
OPTIONS = Options(
    memtable_bytes=64 << 10, log_bytes_max=64 << 10, log_reserve_bytes=4 << 10,
    block_cache_bytes=64 << 10, block_bytes=128, blocks_per_segment=4, table_bytes_max=4 << 10,
    level_bytes_base=8 << 10, level_multiplier=2, level0_tables_trigger=2, level0_tables_stop=5,
)
KEYS = st.one_of(
    st.integers(0, 60).map(lambda n: b"%03d" % n),
    st.integers(0, 60).map(lambda n: n.to_bytes(2, "big") + b"\x01db"),
    st.binary(max_size=4),
)
VALUES = st.one_of(st.binary(max_size=20), st.integers(0, 9).map(lambda n: b"%d" % n * 400))
WRITES = st.one_of(
    st.tuples(st.just("put"), KEYS, VALUES),
    st.tuples(st.just("delete"), KEYS, st.none()),
    st.tuples(st.just("range"), KEYS, KEYS),
    st.tuples(st.just("mask"), st.integers(0, 2), st.sampled_from(b"0123\x00\x01d")),
)


def apply(model, kind, first, second):
    if kind == "put":
        model[first] = second
    elif kind == "delete":
        model.pop(first, None)
    else:
        for key in list(model):
            if kind == "range":
                gone = first <= key and (not second or key < second)
            else:
                gone = len(key) > first and key[first] == second
            if gone:
                del model[key]


class EngineModel(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.directory = tempfile.mkdtemp(prefix="resp-kv-model-")
        self.generation = 0
        self.model = {}
        self.unsynced = [{}]  # the states that a crash may fall back to: all since the last sync
        self.snapshots = []
        self.start()

    @property
    def path(self):
        return f"{self.directory}/{self.generation}"

    def start(self):
        self.disk = FaultyDisk()
        self.engine = Engine.open(self.path, OPTIONS, disk=self.disk)

    @rule(writes=st.lists(WRITES, min_size=1, max_size=8), sync=st.booleans())
    def write(self, writes, sync):
        batch = Batch()
        for kind, first, second in writes:
            apply(self.model, kind, first, second)
            if kind == "put":
                batch.put(first, second)
            elif kind == "delete":
                batch.delete(first)
            elif kind == "range":
                batch.delete_range(first, second)
            else:
                batch.delete_range(b"", b"", offset=first, byte=second)
        self.engine.write(batch, sync=sync)
        self.unsynced = [] if sync else self.unsynced
        self.unsynced.append(dict(self.model))

    @rule()
    def flush(self):
        self.engine.flush()
        self.unsynced = [dict(self.model)]

    @rule(drop=st.booleans(), now_ms=st.integers(0, 10**6))
    def compact(self, drop, now_ms):
        self.engine.run_steps(now_ms, self.engine.greatest_hlc + 1 if drop else 0)

    @rule()
    def seal(self):
        self.engine.seal()

    @rule()
    def reopen(self):
        self.close_snapshots()
        self.engine.close()
        self.start()
        assert self.engine.reports == []
        self.unsynced = [dict(self.model)]

    @rule(seed=st.integers(0, 2**32))
    def crash(self, seed):
        self.close_snapshots()
        old = self.path
        self.generation += 1
        self.disk.crash_copy(old, self.path, random.Random(seed))
        self.engine.close()
        shutil.rmtree(old)
        self.start()
        found = self.content()
        assert found in self.unsynced
        self.model = found
        self.unsynced = [dict(found)]

    @rule()
    def checkpoint(self):
        target = f"{self.directory}/checkpoint"
        self.engine.checkpoint(target)
        self.unsynced = [dict(self.model)]
        with Engine.open(target, OPTIONS) as copy:
            assert {record.key: record.value for record in copy.scan()} == self.model
        shutil.rmtree(target)

    @precondition(lambda self: len(self.snapshots) < 3)
    @rule()
    def take_snapshot(self):
        self.snapshots.append((self.engine.snapshot(), dict(self.model)))

    @precondition(lambda self: self.snapshots)
    @rule()
    def close_snapshot(self):
        self.snapshots.pop(0)[0].close()

    @rule(start=KEYS, end=KEYS, reverse=st.booleans())
    def scan(self, start, end, reverse):
        found = [(r.key, r.value) for r in self.engine.scan(start, end, reverse)]
        expected = sorted(
            (k, v) for k, v in self.model.items() if start <= k and (not end or k < end)
        )
        assert found == (expected[::-1] if reverse else expected)

    @rule(limit=st.integers(1, 20), cached=st.booleans())
    def pages(self, limit, cached):
        self.disk.never_cached = not cached
        found, start = [], b""
        while start is not None:
            try:
                records, start = self.engine.page(start, b"", limit)
                found += [(r.key, r.value) for r in records]
            except NeedsDisk:
                self.engine.load_now()
        self.disk.never_cached = False
        assert found == sorted(self.model.items())

    @rule(key=KEYS)
    def get(self, key):
        record = self.engine.get(key)
        assert (record.value if record else None) == self.model.get(key)

    @rule()
    def count_and_verify(self):
        with self.engine.snapshot() as view:
            assert view.count() == len(self.model)
        self.engine.verify()

    @invariant()
    def everything_is_there(self):
        assert self.content() == self.model
        for view, model in self.snapshots:
            assert {r.key: r.value for r in view.scan()} == model

    def content(self):
        return {record.key: record.value for record in self.engine.scan()}

    def close_snapshots(self):
        for view, _ in self.snapshots:
            view.close()
        self.snapshots = []

    def teardown(self):
        self.close_snapshots()
        self.engine.close()
        shutil.rmtree(self.directory)


EngineModel.TestCase.settings = settings(
    max_examples=EXAMPLES, stateful_step_count=STEPS, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
TestEngineModel = EngineModel.TestCase
