"""Which steps the engine hands out, and what becomes of their results.

One flush at a time, before everything else; beside it up to `compactions_max` compactions that do
not get into each other's way (see Busy in engine/compaction_picker). They may run in different
threads and end in any order:

    - their inputs differ, so each manifest edit removes and adds what no other one names; the
      manifest's own lock puts the edits one behind the other;
    - where two write into one level they do so for ranges of keys that are apart, so the level
      stays disjoint whoever is first;
    - what one of them drops (a tombstone, an expired record) it has judged by the tables there
      were when it was taken. Another one may replace some of these meanwhile, but only by tables
      with fewer of the same entries; and what is flushed meanwhile is above the watermark.

A crash between them leaves the manifest with some of the edits, which is a tree as good as any.
"""

from engine.engine cimport Engine
from libc.stdint cimport uint64_t

import engine.compaction_picker as picker
from engine.compaction_step import CompactionStep
from engine.flush import FlushStep
from engine.range_deletes import RangeDeletes

# How often the picker looks for work that only time has made.
cdef uint64_t CHOICE_MS = 10_000


def step_wanted(Engine engine, now_ms, drop_below_hlc):
    """See Engine.step_wanted."""
    if engine.sealed is not None and engine.flushing is None:
        return True
    return choose(engine, now_ms, watermark(engine, drop_below_hlc)) is not None


def take_step(Engine engine, now_ms, drop_below_hlc):
    """See Engine.take_step."""
    if engine.sealed is not None and engine.flushing is None:
        engine.flushing = FlushStep(
            engine, engine.sealed, engine.take_number(), engine.log.number,
            engine.log.start_position, engine.sealed_sequence,
            ranges_up_to(engine, engine.sealed_sequence), engine.greatest_hlc,
        )
        return engine.flushing
    below = watermark(engine, drop_below_hlc)
    choice = choose(engine, now_ms, below)
    if choice is None:
        return None
    version = engine.tables.version
    step = CompactionStep(
        engine, choice, version, version.range_deletes, engine.flushed_sequence, now_ms, below,
        idle_ranges(engine, drop_below_hlc),
    )
    engine.compacting.append(step)
    engine.choice_known = False
    return step


def watermark(Engine engine, drop_below_hlc):
    """What is in memory may be older than a tombstone that a compaction would drop: so it may
    drop only what is below all of that too."""
    least = min(drop_below_hlc, engine.active.least_hlc)
    return least if engine.sealed is None else min(least, engine.sealed.least_hlc)


def choose(Engine engine, uint64_t now_ms, uint64_t drop_below_hlc):
    """The picker's choice. It is asked again when a step was taken or finished, and now and then
    because records expire and the watermark rises."""
    if len(engine.compacting) >= engine.options.compactions_max:
        return None
    if not engine.choice_known or now_ms >= engine.chosen_ms + CHOICE_MS:
        engine.choice = picker.choose(
            engine.tables.version, engine.options, now_ms, drop_below_hlc,
            [step.choice for step in engine.compacting],
        )
        engine.choice_known = True
        engine.chosen_ms = now_ms
    return engine.choice


def ranges_up_to(Engine engine, sequence):
    """The range deletes that tables may apply: a later one is only in the log, and must not show
    in a table before it is durable."""
    return RangeDeletes(item for item in engine.range_deletes if item.sequence <= sequence)


def idle_ranges(Engine engine, drop_below_hlc):
    """Range deletes that hide nothing any more: in the manifest, older than the watermark,
    applied to every table that they touch, and older than everything in memory."""
    idle = []
    for item in engine.tables.version.range_deletes:
        if item.hlc >= drop_below_hlc or engine.active.least_hlc <= item.hlc:
            continue
        if engine.sealed is not None and engine.sealed.least_hlc <= item.hlc:
            continue
        if all(
            table.properties.cleared_sequence >= item.sequence
            or table.properties.greatest_key < item.start
            or (item.end and table.properties.least_key >= item.end)
            for table in engine.tables.version.tables()
        ):
            idle.append(item)
    return idle


def finish(Engine engine, step):
    """See Engine.finish."""
    if not step.ran and (step is engine.flushing or step in engine.compacting):
        raise ValueError("this step was not run")
    if step is engine.flushing:
        engine.flushing = None
    elif step in engine.compacting:
        engine.compacting.remove(step)
    else:
        raise ValueError("this step was not taken, or was finished already")
    engine.choice_known = False
    if step.error is not None:
        engine.step_errors[step.kind] = step.error
        return step.error
    engine.step_errors.pop(step.kind, None)
    version = engine.tables.version
    numbers = [table.number for table in step.removed]
    if step.kind == "flush":
        engine.counters["flushes"] += 1
        engine.counters["flush_bytes"] += step.table_bytes
        engine.sealed = None
        engine.flushed_sequence = step.sequence
        if step.position > engine.synced_position:
            engine.synced_position = step.position
        engine.unsynced = [log for log in engine.unsynced if log.end() > step.position]
    else:
        engine.counters["compactions"] += 1
        engine.counters["compaction_bytes"] += step.table_bytes
    if step.retired:
        engine.range_deletes = engine.range_deletes.without(step.retired)
    engine.use_version(version.replaced(numbers, step.added).with_range_deletes(
        ranges_up_to(engine, engine.flushed_sequence)
    ))
    if engine.cache.retired_bytes:
        engine.cache.release()
    return None
