"""The engine's doors: reading, writing, sealing, steps, snapshots, pages, checkpoints."""

import os
import random
import threading
from dataclasses import replace

import pytest

from engine import Batch, Engine, Options
from engine.disk_faulty import FaultyDisk
from engine.errors import DirectoryInUse, EngineClosed, EngineError, NeedsDisk
from engine.record import DELETE, Record


def put(engine, **pairs):
    batch = Batch()
    for key, value in pairs.items():
        batch.put(key.encode(), value.encode())
    engine.write(batch)


def fill(engine, count, seed=1, keys=3000):
    """Random batches; returns what must be there."""
    draw = random.Random(seed)
    model = {}
    for _ in range(count):
        batch = Batch()
        key = b"%d" % draw.randrange(keys)
        if draw.random() < 0.2:
            batch.delete(key)
            model.pop(key, None)
        else:
            model[key] = draw.randbytes(draw.randrange(120))
            batch.put(key, model[key])
        engine.write(batch)
    return model


def content(engine):
    return {record.key: record.value for record in engine.scan()}


def all_pages(engine, limit=50, **rest):
    found, start = [], b""
    while start is not None:
        try:
            records, start = engine.page(start, b"", limit, **rest)
        except NeedsDisk:
            engine.load_now()
            continue
        found += records
    return found


def test_put_get_delete(open_engine):
    engine = open_engine()
    put(engine, a="1", b="2")
    assert engine.get(b"a").value == b"1"
    batch = Batch()
    batch.delete(b"a")
    engine.write(batch)
    assert engine.get(b"a") is None and engine.get(b"zz") is None
    assert content(engine) == {b"b": b"2"}


def test_it_survives_a_reopen_with_tables_and_log(open_engine):
    engine = open_engine()
    model = fill(engine, 8000)
    assert engine.stats()["flushes"] > 0
    for _ in range(2):
        assert content(engine) == model
        greatest = engine.greatest_hlc
        engine.close()
        engine = open_engine()
        assert engine.greatest_hlc == greatest
    assert content(engine) == model
    assert {key: engine.get(key).value for key in model} == model


@pytest.mark.parametrize("places", [("memory", "memory"), ("table", "memory"), ("table", "table")])
def test_the_greatest_dot_wins_wherever_it_lives(open_engine, places):
    engine = open_engine()
    for (hlc, value), place in zip(((20, b"new"), (10, b"old")), places):
        engine.put_record(Record(b"k", value, hlc, 1))
        engine.commit()
        if place == "table":
            engine.flush()
    assert engine.get(b"k").value == b"new"
    assert content(engine) == {b"k": b"new"}
    engine.run_steps()
    assert engine.get(b"k").value == b"new"


def test_a_later_annotation_of_the_same_dot_wins(open_engine):
    engine = open_engine()
    engine.put_record(Record(b"k", b"v", 20, 1))
    engine.flush()
    engine.put_record(Record(b"k", b"v", 20, 1, deadline_ms=5, annotation=21))
    engine.flush()
    engine.put_record(Record(b"k", b"v", 20, 1, deadline_ms=4, annotation=15))
    assert engine.get(b"k").deadline_ms == 5 and engine.greatest_hlc == 21


def test_a_tombstone_is_found_by_the_c_door_and_hidden_by_the_python_door(open_engine):
    engine = open_engine()
    engine.put_record(Record(b"k", b"", 5, 1, kind=DELETE))
    engine.put_record(Record(b"k", b"late", 4, 1))
    assert engine.get(b"k") is None
    (record,) = all_pages(engine, tombstones=True)
    assert record.deleted and record.dot == (5, 1)


def test_range_deletes_hide_what_is_older_everywhere(open_engine):
    engine = open_engine()
    model = fill(engine, 3000)
    engine.flush()
    batch = Batch()
    batch.delete_range(b"1", b"2")
    engine.write(batch)
    put(engine, **{"15": "after"})
    expected = {k: v for k, v in model.items() if not b"1" <= k < b"2"} | {b"15": b"after"}
    engine.put_record(Record(b"16", b"late", 3, 0))
    for reopen in (False, True, False):
        if reopen:
            engine.close()
            engine = open_engine()
        assert content(engine) == expected
        assert engine.get(b"16") is None and engine.get(b"15").value == b"after"
        engine.flush()
        assert content(engine) == expected
    engine.run_steps(0, engine.greatest_hlc + 1)
    assert content(engine) == expected
    put(engine, z="1")
    engine.flush()
    engine.run_steps(10**6, engine.greatest_hlc + 1)
    assert engine.stats()["range_deletes"] in (0, 1)


def test_a_masked_range_delete_is_retired_when_nothing_is_left_for_it(open_engine):
    engine = open_engine()
    for i in range(400):
        put(engine, **{f"{'xy'[i % 2]}{i:05d}": "v" * 50})
    engine.flush()
    batch = Batch()
    batch.delete_range(b"", b"", offset=0, byte=ord("x"))
    engine.write(batch)
    assert len(content(engine)) == 200
    for i in range(30):  # each flush gives the compactions something to do
        put(engine, **{f"z{i}": "v"})
        engine.flush()
        engine.run_steps(10**6 * (i + 1), engine.greatest_hlc + 1)
        if not engine.stats()["range_deletes"]:
            break
    assert engine.stats()["range_deletes"] == 0
    engine.close()
    engine = open_engine()
    assert engine.stats()["range_deletes"] == 0
    assert not [key for key in content(engine) if key.startswith(b"x")]


def test_a_snapshot_sees_its_moment(open_engine):
    engine = open_engine()
    model = fill(engine, 2000)
    with engine.snapshot() as view:
        fill(engine, 4000, seed=2)
        batch = Batch()
        batch.delete_range(b"", b"")
        engine.write(batch)
        engine.flush()
        engine.run_steps(0, engine.greatest_hlc + 1)
        assert content(engine) == {}
        assert {r.key: r.value for r in view.scan()} == model
        assert view.count() == len(model)
        some = next(iter(model))
        assert view.get(some).value == model[some] and view.get(b"nothing") is None
    with pytest.raises(EngineClosed):
        view.get(b"a")


def test_a_snapshot_is_read_in_a_thread_while_the_owner_writes(open_engine):
    engine = open_engine()
    model = fill(engine, 3000)
    wrong, reads = [], []

    def read(view):
        for _ in range(5):
            if {r.key: r.value for r in view.scan()} != model or view.count() != len(model):
                wrong.append(1)
            reads.append(1)

    with engine.snapshot() as view:
        thread = threading.Thread(target=read, args=(view,))
        thread.start()
        seed = 10
        while thread.is_alive():
            fill(engine, 100, seed)
            seed += 1
        thread.join()
    assert not wrong and len(reads) == 5


def test_count_by_byte_and_deadline(open_engine):
    engine = open_engine()
    batch = Batch()
    for i in range(100):
        batch.put(b"k%c%d" % (i % 4, i), b"v", deadline_ms=1000 if i % 5 == 0 else 0)
    engine.write(batch)
    for _ in range(2):
        with engine.snapshot() as view:
            assert view.count() == 80 + 20  # now_ms 0: nothing has expired
            assert view.count(now_ms=1000) == 80
            assert view.count(1, 0, 1000) == 20
            assert view.count(1, 1, 999) == 25
        engine.flush()


def test_pages_cover_everything_once(open_engine):
    engine = open_engine(disk=FaultyDisk())
    model = fill(engine, 5000)
    assert [r.key for r in all_pages(engine)] == sorted(model)
    engine.close()
    disk = FaultyDisk()
    disk.never_cached = True
    engine = open_engine(disk=disk)
    assert [r.key for r in all_pages(engine)] == sorted(model)
    odd = [key for key in sorted(model) if len(key) > 1 and key[1] == ord("7")]
    assert [r.key for r in all_pages(engine, offset=1, byte=ord("7"))] == odd
    disk.never_cached = False
    records, _ = engine.page(b"2", b"3", 10_000)
    assert [r.key for r in records] == [key for key in sorted(model) if b"2" <= key < b"3"]


def test_scan_bounds_and_reverse(open_engine):
    engine = open_engine()
    model = fill(engine, 3000)
    expected = [key for key in sorted(model) if b"1" <= key < b"25"]
    assert [r.key for r in engine.scan(b"1", b"25")] == expected
    assert [r.key for r in engine.scan(b"1", b"25", reverse=True)] == expected[::-1]


def test_a_second_open_is_refused(open_engine):
    engine = open_engine()
    with pytest.raises(DirectoryInUse, match="LOCK"):
        open_engine()
    engine.close()
    open_engine()


def test_a_closed_engine_says_so(open_engine):
    engine = open_engine()
    engine.close()
    engine.close()
    for call in (lambda: engine.get(b"a"), engine.snapshot, engine.flush, lambda: put(engine, a="1")):
        with pytest.raises(EngineClosed):
            call()


def test_write_room_stalls_while_the_flush_is_behind(open_engine, small):
    engine = open_engine()
    value = b"x" * 1000
    written = 0
    while engine.write_room():
        written += 1
        engine.put_record(Record(b"%06d" % written, value, written))
        engine.commit()
    assert written * 1000 < small.memtable_bytes
    assert engine.step_wanted()
    step = engine.take_step()
    assert step.kind == "flush"
    step.run()
    assert engine.write_room() == 0
    layout = engine.layout
    assert engine.finish(step) is None
    step.cleanup()
    assert engine.layout != layout
    assert engine.write_room() == 1
    assert len(content(engine)) == written


def test_too_many_tables_in_level_0_stall_writes(open_engine, small):
    engine = open_engine()
    for i in range(small.level0_tables_stop):
        put(engine, **{f"k{i}": "v"})
        engine.run_steps(kind="flush")
        engine.seal()
        engine.run_steps(kind="flush")
    assert engine.write_room() == 0 and engine.stats()["stalled"]
    engine.run_steps()
    assert engine.write_room() == 1


def test_the_log_alone_can_ask_for_a_flush(open_engine):
    engine = open_engine(options=Options(log_bytes_max=20_000, log_reserve_bytes=4096))
    for _ in range(300):
        put(engine, same="x" * 100)
    engine.run_steps(kind="flush")
    assert engine.stats()["flushes"] >= 1
    assert engine.get(b"same").value == b"x" * 100


def test_a_flush_and_a_compaction_in_threads_while_writes_go_on(open_engine):
    engine = open_engine()
    model = fill(engine, 4000)
    draw = random.Random(7)
    running = []

    def finish_one():
        step, thread = running.pop(0)
        thread.join()
        assert engine.finish(step) is None
        step.cleanup()

    for _ in range(200):
        batch = Batch()
        for _ in range(50):
            key = b"%d" % draw.randrange(3000)
            model[key] = draw.randbytes(100)
            batch.put(key, model[key])
        while (step := engine.take_step(0, engine.greatest_hlc)) is not None:
            thread = threading.Thread(target=step.run)
            thread.start()
            running.append((step, thread))
        while running and (not engine.write_room() or not running[0][1].is_alive()):
            finish_one()
        engine.write(batch)
    while running:
        finish_one()
    assert content(engine) == model
    engine.verify()
    engine.close()
    assert content(open_engine()) == model


def test_tombstones_and_expired_records_go_below_the_watermark_only(open_engine):
    engine = open_engine()
    batch = Batch()
    for i in range(50):
        batch.put(b"a%d" % i, b"v", deadline_ms=500)
        batch.delete(b"b%d" % i)
    engine.write(batch)
    engine.flush()
    engine.run_steps(now_ms=10**6, drop_below_hlc=1)
    assert engine.stats()["entries"] == 100
    engine.run_steps(now_ms=10**9, drop_below_hlc=engine.greatest_hlc + 1)
    assert engine.stats()["entries"] == 0


def test_checkpoint(open_engine, tmp_path):
    engine = open_engine()
    model = fill(engine, 3000)
    engine.checkpoint(tmp_path / "copy")
    fill(engine, 3000, seed=5)
    engine.run_steps(0, engine.greatest_hlc + 1)
    copy = open_engine(tmp_path / "copy")
    assert content(copy) == model
    put(copy, new="1")
    assert engine.get(b"new") is None
    with pytest.raises(EngineError, match="not empty"):
        engine.checkpoint(tmp_path / "copy")


def test_what_a_crash_left_behind_is_swept_up(open_engine):
    engine = open_engine()
    model = fill(engine, 3000)
    engine.close()
    for name in ("099999.sst", "MANIFEST-088888", "CURRENT.new"):
        with open(f"{engine.path}/{name}", "w") as file:
            file.write("rubbish")
    engine = open_engine()
    assert content(engine) == model
    assert not {"099999.sst", "MANIFEST-088888"} & set(os.listdir(engine.path))


def test_approximate_size(open_engine):
    engine = open_engine()
    for i in range(1000):
        put(engine, **{f"{i:04d}": os.urandom(50).hex()})
    engine.flush()
    engine.run_steps()
    whole = engine.approximate_size(b"", b"")
    assert whole == engine.stats()["table_bytes"]
    assert 0.3 < engine.approximate_size(b"0250", b"0750") / whole < 0.7
    assert engine.approximate_size(b"5", b"6") == 0


def test_the_context_manager_and_defaults(tmp_path):
    with Engine.open(tmp_path / "d", now_ms=1000) as engine:
        put(engine, a="1")
        assert engine.get(b"a").hlc > 1000 << 16
    with Engine.open(tmp_path / "d") as engine:
        assert engine.get(b"a").value == b"1"


def test_sync_raises_the_synced_position(open_engine):
    engine = open_engine()
    put(engine, a="1")
    assert engine.synced_position < engine.written_position
    sync = engine.take_sync()
    put(engine, b="2")
    sync.run()
    engine.finish_sync(sync)
    assert sync.position == engine.synced_position < engine.written_position
    engine.sync()
    assert engine.synced_position == engine.written_position
    assert engine.take_sync() is None


def test_a_page_of_names_never_splits_a_group_and_leaves_out_what_is_not_live(tmp_path):
    with Engine.open(str(tmp_path / "db")) as engine:
        batch = Batch()
        for group in range(5):
            for i in range(7):
                batch.put(b"%d-key%d" % (group, i), b"v")
        batch.delete(b"1-key3")
        batch.put(b"2-key0", b"v", deadline_ms=1000)
        engine.write(batch)
        names, start, pages = [], b"", 0
        while start is not None:
            page, start = engine.page_names(start, b"", 3, now_ms=1000, whole=1, skip=2)
            names += page
            pages += 1
            assert start is None or len(start) == 1
        assert pages == 5
        assert len(names) == 5 * 7 - 2
        assert names[:7] == [b"key%d" % i for i in range(7)]
        assert engine.page_names(b"", b"", 100, 4, ord("y"), 0, 1, 5)[0][:2] == [b"0", b"1"]
        assert engine.page_names(b"3", b"4", 100, whole=1)[0] == [b"3-key%d" % i for i in range(7)]


def test_the_pressure_rises_before_writes_stop(open_engine, small):
    engine = open_engine()
    seen = []
    for i in range(small.level0_tables_stop):
        put(engine, **{f"k{i}": "v"})
        seen.append(engine.write_pressure())
        assert engine.write_room() == 1
        engine.flush()
    assert engine.write_room() == 0 and engine.write_pressure() == 1
    assert engine.write_delay_usec_per_kib() == 1000
    slowdown = small.level0_tables_slowdown
    assert not any(seen[:slowdown])
    assert 0 < seen[slowdown] < seen[-1] < 1
    assert engine.stats()["stalls"] == 1 and engine.stats()["stalled"]
    engine.run_steps()
    assert engine.write_pressure() == 0 and engine.write_room() == 1
    assert not engine.stats()["stalled"]


def test_a_crowded_level_below_cuts_outputs_short(open_engine, small):
    """So that one compaction later never takes most of a level along."""
    options = replace(small, overlap_tables_max=1, level_multiplier=2)
    engine = open_engine(options=options)
    for seed in range(12):
        fill(engine, 1500, seed)
        engine.flush()
        engine.run_steps()
        above, below = engine.version.levels[1:3]
        for table in above:
            least, greatest = table.properties.least_key, table.properties.greatest_key
            met = engine.version.overlapping(2, least, greatest)
            inner = sum(one.properties.file_bytes for one in met[1:-1])
            assert inner <= 2 * options.table_bytes_max
    assert below


def test_parallel_compactions_are_bounded_by_the_option(open_engine, small):
    engine = open_engine(options=replace(small, compactions_max=2))
    model = {}
    for seed in range(6):
        model.update(fill(engine, 3000, seed, keys=9000))
    for i in range(4):
        put(engine, **{f"{i}x": "v"})
        model[b"%dx" % i] = b"v"
        engine.seal()
        engine.run_steps(kind="flush")
    steps = []
    while (step := engine.take_step()) is not None:
        steps.append(step)
    assert len([step for step in steps if step.kind == "compaction"]) <= 2
    assert engine.stats()["compactions_running"] == len(steps)
    for step in reversed(steps):
        step.run()
        assert engine.finish(step) is None
        step.cleanup()
    with pytest.raises(ValueError, match="not taken"):
        engine.finish(steps[0])
    engine.verify()
