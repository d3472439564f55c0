"""Finds out, at the start, what was written: replays the log behind the last flush.

The manifest says which tables there are, which log segment is the first that is still needed, and the
sequence that the tables end with. Everything behind that is in the segments, and is put into a fresh
memtable; a segment below the first needed one was flushed and is only waiting to be unlinked.

Three things may be found at the end of the log, told apart as described in log_reader: a clean
end; a torn tail, which is cut off, made durable and reported; damage, which stops the start. The
segments behind a cut can only hold what was never promised (or else their frames say that the cut
place was synced, and that is damage); they are renamed to `NNNNNN.log.cut` and reported, not lost.

A segment without records (of a session that wrote nothing, or whose only frame was torn) is idle. The
next one may start where the idle one started, or where it ended:

    A.log 0..102   B.log 102..134 idle   C.log 102..   written by a start that found B: B is removed
    A.log 0..102   B.log 102..134 idle   C.log 134..   written by the session that had B open: B stays,
                                                       or else C would seem to follow a hole

An idle segment is removed only when a new manifest does not need it any more, and a crash may bring
it back.
"""

from engine.errors import DamagedFile
from engine.file_names import CURRENT, number_of, numbers_of, segment_name, table_name
from engine.log_reader import LogReader
from engine.manifest import Manifest, State, load_state
from engine.range_deletes import RangeDeleteRecord, RangeDeletes
from engine.replay import Replay, replay_frame
from engine.table import Table
from engine.version import Version


def recover(engine):
    """Everything that Engine.open needs, as a Replay. Nothing is removed before all was found whole."""
    disk, directory = engine.disk, engine.path
    names = disk.list(directory)
    state, current = load_state(disk, directory)
    if state is None:
        if numbers_of(names, ".sst"):
            raise DamagedFile(f"{directory}/{CURRENT}", 0, "there are tables, but no CURRENT")
        state = State()
    engine.start_numbers(max([state.next, *(number_of(name) + 1 for name in names)]))
    version = open_version(engine, state)
    segments = [n for n in numbers_of(names, ".log") if n >= state.log]
    if state.log and state.log not in segments:
        raise DamagedFile(
            f"{directory}/{segment_name(state.log)}", 0, f"{current} needs it, but it is not there"
        )
    ranges = RangeDeletes(
        RangeDeleteRecord(bytes.fromhex(start), bytes.fromhex(end), *rest)
        for start, end, *rest in state.ranges
    )
    replay = Replay(engine.make_memtable(), ranges, state.sequence)
    replay.position = state.position
    replay_log(disk, directory, segments, replay)
    replay.version = version.with_range_deletes(ranges)
    replay.greatest_hlc = max([
        replay.greatest_hlc, state.hlc, *(item.hlc for item in replay.range_deletes),
        *(max(t.greatest_hlc, t.properties.greatest_annotation) for t in version.tables()),
    ])
    replay.log = engine.make_segment(replay.position)
    state.log = replay.segments[0] if replay.segments else replay.log.number
    state.position = replay.log_start if replay.segments else replay.position
    replay.manifest = Manifest(disk, directory, state, engine.take_number)
    sweep(disk, directory, names, state, replay)
    return replay


def open_version(engine, state):
    """The tables that the manifest names, opened and placed."""
    placed = []
    for number, (level, file_bytes) in state.tables.items():
        path = f"{engine.path}/{table_name(number)}"
        if not engine.disk.exists(path):
            raise DamagedFile(path, 0, "the manifest names it, but it is not there")
        size = engine.disk.size(path)
        if size != file_bytes:
            raise DamagedFile(path, min(size, file_bytes), f"it has {size} bytes instead of {file_bytes}")
        placed.append((level, Table.open(engine.disk, engine.path, number, engine.cache)))
    depth = max([engine.options.level_count, *(level + 1 for level, _ in placed)])
    return Version.empty(depth).replaced((), placed)


def sweep(disk, directory, names, state, replay):
    """Removes what a crash has left behind and nothing needs."""
    for name in names:
        number = number_of(name)
        if (
            (name.endswith(".sst") and number and number not in state.tables)
            or (name.endswith(".log") and 0 < number < state.log)
            or (name.startswith("MANIFEST-") and name != replay.manifest.name)
        ):
            disk.unlink(f"{directory}/{name}")
    for number in replay.idle:
        disk.unlink(f"{directory}/{segment_name(number)}")


def replay_log(disk, directory, numbers, replay):
    """Replays the segments `numbers`, ascending, into `replay`. Raises DamagedFile.

    One memtable takes them all: they back at most an active and a sealed one."""
    idle_end = replay.position  # where the next segment may start instead
    for i, number in enumerate(numbers):
        file = disk.open_to_append(f"{directory}/{segment_name(number)}")
        try:
            reader = LogReader(file)
            reader.assume_start(replay.position)
            if i and not reader.empty and reader.start_position not in (replay.position, idle_end):
                check_gap(replay, reader)
                drop_segments(disk, directory, numbers[i:], replay, "a power failure cut the log before it")
                return
            before = replay.sequence
            for frame in reader:
                replay_frame(frame, reader.path, replay)
            if reader.problem:
                cut_tail(disk, directory, reader, file, numbers[i:], replay)
                return
            file.sync()  # a killed process may have left it in the page cache only
            if reader.empty or replay.sequence == before:
                replay.idle.append(number)
                replay.position = replay.position if i else reader.start_position
                idle_end = reader.position
                continue
            note_segment(reader, number, replay)
            idle_end = replay.position
        finally:
            file.close()


def note_segment(reader, number, replay):
    """The segment holds records. Idle ones between it and the last such stay if it stands on them."""
    if not replay.segments:
        replay.log_start = reader.start_position
    elif reader.start_position != replay.position:
        between = [idle for idle in replay.idle if idle > replay.segments[-1]]
        replay.idle = [idle for idle in replay.idle if idle < between[0]]
        replay.segments += between
    replay.position = reader.position
    replay.segments.append(number)


def check_gap(replay, reader):
    """The segment does not start where the one before ended."""
    for _ in reader:
        pass
    if reader.start_position < replay.position or reader.claim > replay.position:
        raise DamagedFile(
            reader.path, 24,
            f"it starts at position {reader.start_position} of the log, but what is before it "
            f"ends at {replay.position}: a synced part of the log is missing",
        )


def cut_tail(disk, directory, reader, file, numbers, replay):
    """The first of `numbers` is the reader's segment, which is torn."""
    number, *later = numbers
    reader.judge_tail()
    for other in later:
        behind = disk.open(f"{directory}/{segment_name(other)}")
        try:
            behind_reader = LogReader(behind)
            for _ in behind_reader:
                pass
        finally:
            behind.close()
        if behind_reader.claim > reader.position:
            raise DamagedFile(reader.path, reader.end, f"{reader.problem}, in a part that had been synced")
    lost = reader.size - reader.end
    file.truncate(reader.end)
    file.sync()
    replay.reports.append(
        f"{reader.path}: cut off {lost} bytes behind byte {reader.end}: {reader.problem}"
    )
    if reader.empty:
        replay.idle.append(number)
    else:
        note_segment(reader, number, replay)
    drop_segments(disk, directory, later, replay, "it is behind a torn place that was not synced")


def drop_segments(disk, directory, numbers, replay, reason):
    for number in numbers:
        path = f"{directory}/{segment_name(number)}"
        disk.rename(path, path + ".cut")
        replay.reports.append(f"{path}: renamed to {path}.cut: {reason}")
    if numbers:
        disk.sync_directory(directory)
