"""A data directory seen from outside: `resp-kv check DIR` and `resp-kv dump FILE`.

check_directory() reads every byte of every file that counts and compares whatever is said twice: a
block's entries with its index and its filter, a table's entries with its properties, its blocks with
its length (they leave no gap), the tables of a level with each other, the manifest with the folder.
It changes nothing. It is plain Python and slow on purpose: it shares no shortcut with the engine.
"""

import os
from itertools import pairwise

from engine.block import read_stored
from engine.block_reader import read_block
from engine.disk import Disk
from engine.errors import DamagedFile, DirectoryInUse, EngineError, UnknownFormat
from engine.file_names import LOCK, number_of, numbers_of, segment_name, table_name
from engine.log_reader import LogReader
from engine.log_records import read_records
from engine.manifest import load_state, read_edits
from engine.segment_meta import filter_holds, read_index, read_meta
from engine.table_format import (
    FOOTER_BYTES,
    NUMBERS,
    TableProperties,
    decode_footer,
    decode_properties,
)
from engine.zstd import Dictionary

KINDS = {1: "PUT", 2: "DELETE", 3: "MERGE", 4: "RANGE_DELETE"}


class DamagedDirectory(EngineError):
    """What check_directory() raises: the message has a line for each damage, then the report."""

    def __init__(self, damages, report):
        super().__init__("\n".join([*damages, *report]))
        self.damages = damages
        self.report = report


def check_directory(path, disk=None):
    """Verifies a data directory that nobody uses; the report as text.

    Raises DirectoryInUse, or DamagedDirectory after everything that can be read was looked at."""
    disk = disk or Disk()
    lock = None
    if disk.exists(f"{path}/{LOCK}"):
        lock = disk.lock(f"{path}/{LOCK}")
        if lock is None:
            raise DirectoryInUse(f"{path} is in use by another process")
    try:
        return DirectoryCheck(disk, path).run()
    finally:
        if lock is not None:
            lock.close()


class DirectoryCheck:
    def __init__(self, disk, path):
        self.disk = disk
        self.path = path
        self.damages = []
        self.report = []

    def run(self):
        names = self.disk.list(self.path)
        state, current = self.attempt(load_state, self.disk, self.path) or (None, None)
        if state is not None:
            self.report.append(f"{current}: {len(state.tables)} tables, {len(state.ranges)} ranges")
            self.check_tables(state)
            self.check_log(names, state)
            self.note_leftovers(names, state, current)
        elif not self.damages:
            if numbers_of(names, ".sst"):
                self.damages.append(f"{self.path}: there are tables, but no CURRENT")
            else:
                self.report.append("no CURRENT: nothing was ever flushed here")
                self.check_log(names, None)
        if self.damages:
            raise DamagedDirectory(self.damages, self.report)
        return "\n".join(self.report)

    def attempt(self, action, *arguments):
        """The result; None when it found damage, which is noted."""
        try:
            return action(*arguments)
        except (DamagedFile, UnknownFormat, OSError) as error:
            self.damages.append(str(error))
            return None

    def check_tables(self, state):
        levels = {}
        for number, (level, file_bytes) in sorted(state.tables.items()):
            path = f"{self.path}/{table_name(number)}"
            properties = self.attempt(check_table, path, self.disk)
            if properties is None:
                continue
            if properties.file_bytes != file_bytes:
                self.damages.append(f"{path} has not the {file_bytes} bytes of the manifest")
            levels.setdefault(level, []).append((properties.least_key, properties))
            self.report.append(
                f"{table_name(number)}: level {level}, {properties.entries} entries in "
                f"{properties.blocks} blocks, {file_bytes} bytes: whole"
            )
        for level, tables in sorted(levels.items()):
            for (_, one), (_, other) in pairwise(sorted(tables, key=lambda pair: pair[0])):
                if level > 0 and one.greatest_key >= other.least_key:
                    self.damages.append(
                        f"{self.path}: tables {one.number} and {other.number} of level {level} overlap"
                    )

    def check_log(self, names, state):
        needed = [n for n in numbers_of(names, ".log") if state is None or n >= state.log]
        if state is not None and state.log and state.log not in needed:
            self.damages.append(f"{self.path}/{segment_name(state.log)} is needed and missing")
        for number in needed:
            self.attempt(self.check_segment, number)

    def check_segment(self, number):
        frames = records = 0
        file = self.disk.open(f"{self.path}/{segment_name(number)}")
        try:
            reader = LogReader(file)
            for frame in reader:
                frames += 1
                try:
                    records += len(read_records(frame.records))
                except ValueError as error:
                    raise DamagedFile(reader.path, frame.offset, str(error)) from None
            ending = "whole"
            if reader.problem and not reader.empty:
                reader.judge_tail()
                ending = f"{reader.problem} at byte {reader.end}: the next start cuts it off there"
        finally:
            file.close()
        self.report.append(f"{segment_name(number)}: {frames} frames, {records} records: {ending}")

    def note_leftovers(self, names, state, current):
        for name in names:
            number = number_of(name)
            if (
                (name.endswith(".sst") and number not in state.tables)
                or (name.endswith(".log") and 0 < number < state.log)
                or (name.startswith("MANIFEST-") and name != current)
            ):
                self.report.append(f"{name}: left over, the next start removes it")


def check_table(path, disk=None):
    """Reads every byte of a table; its TableProperties. DamagedFile, UnknownFormat, OSError."""
    reader = TableReader(path, disk or Disk())
    try:
        return reader.check()
    finally:
        reader.file.close()


class TableReader:
    """A table part by part, without cache and shortcuts."""

    def __init__(self, path, disk):
        self.path = path
        self.file = disk.open(path)
        self.bytes = self.file.size
        self.dictionary = None
        footer = self.file.read(FOOTER_BYTES, max(self.bytes - FOOTER_BYTES, 0))
        *self.top_place, offset, length, version = decode_footer(footer, path, self.bytes)
        self.properties_place = offset, length
        self.properties = self.decoded(decode_properties, offset, length, self.bytes)
        self.dictionary_place = (
            self.properties.dictionary_offset, self.properties.dictionary_length)
        if (version > 1) != bool(self.properties.dictionary_length):
            raise self.damage(offset, "only a table of format 2 has a dictionary")
        if version > 1:
            self.dictionary = self.read_dictionary()
        self.properties.number = number_of(os.path.basename(path))
        self.properties.file_bytes = self.bytes

    def decoded(self, decode, offset, length, *arguments):
        """What `decode` makes of the stored block there."""
        raw = self.block(offset, length)
        try:
            return decode(raw, *arguments)
        except ValueError as error:
            raise self.damage(offset, str(error)) from None

    def read_dictionary(self):
        dictionary = self.block(*self.dictionary_place)
        try:
            Dictionary(dictionary)
        except ValueError as error:
            raise self.damage(
                self.dictionary_place[0], f"it is no Zstandard dictionary: {error}") from None
        return dictionary

    def block(self, offset, length):
        stored = self.file.read(length, offset)
        if len(stored) != length:
            raise self.damage(offset, "the file ends too early")
        return read_stored(stored, self.path, offset, self.dictionary)

    def damage(self, offset, reason):
        return DamagedFile(self.path, offset, reason)

    def segments(self):
        """Yields (last key, offset of the meta, its length)."""
        yield from self.decoded(read_index, *self.top_place, self.bytes)

    def blocks(self, meta_offset, meta_length):
        yield from self.decoded(read_meta, meta_offset, meta_length, self.bytes)[2]

    def entries(self, offset, length):
        return self.decoded(read_block, offset, length)

    def check(self):
        found = TableProperties(cleared_sequence=self.properties.cleared_sequence)
        at = 0
        for last_key, meta_offset, meta_length in self.segments():
            meta = self.block(meta_offset, meta_length)
            for block_key, offset, length in self.blocks(meta_offset, meta_length):
                self.expect_place(offset, at)
                entries = self.entries(offset, length)
                at += length
                if not entries or entries[-1][0] != block_key:
                    raise self.damage(offset, "a block does not end with the key that its index has")
                if found.entries and entries[0][0] <= found.greatest_key:
                    raise self.damage(offset, "a block begins before the end of the one before it")
                for entry in entries:
                    count(found, entry)
                    if not filter_holds(meta, entry[0]):
                        raise self.damage(meta_offset, f"the filter denies the key {entry[0]!r}")
                found.blocks += 1
            if block_key != last_key:
                raise self.damage(meta_offset, "a segment does not end with the key of the top index")
            self.expect_place(meta_offset, at)
            at += meta_length
            found.segments += 1
        found.dictionary_offset, found.dictionary_length = self.dictionary_place
        places = (self.dictionary_place, self.top_place, self.properties_place)
        for offset, length in places if self.dictionary else places[1:]:
            self.expect_place(offset, at)
            at += length
        self.expect_place(self.bytes - FOOTER_BYTES, at)
        for name in (*NUMBERS, "least_key", "greatest_key"):
            said, is_so = getattr(self.properties, name), getattr(found, name)
            if said != is_so:
                raise self.damage(
                    self.properties_place[0], f"the properties say {name} {said!r}, it is {is_so!r}"
                )
        return self.properties

    def expect_place(self, offset, at):
        if offset != at:
            raise self.damage(min(offset, at), f"a gap or an overlap: byte {at} instead of {offset}")


def count(found, entry):
    """Adds an entry to the properties."""
    key, kind, value, hlc, actor, deadline_ms, annotation = entry
    dot = hlc, actor
    if not found.entries:
        found.least_key = key
        found.least_hlc, found.least_actor = found.greatest_hlc, found.greatest_actor = dot
    found.entries += 1
    found.greatest_key = key
    found.raw_bytes += len(key) + len(value)
    if kind == 2:
        found.tombstones += 1
    elif deadline_ms:
        known = found.least_deadline_ms if found.expiring else deadline_ms
        found.least_deadline_ms = min(known, deadline_ms)
        found.greatest_deadline_ms = max(found.greatest_deadline_ms, deadline_ms)
        found.expiring += 1
    found.greatest_annotation = max(found.greatest_annotation, annotation)
    found.least_hlc, found.least_actor = min(found.least_dot, dot)
    found.greatest_hlc, found.greatest_actor = max(found.greatest_dot, dot)


def dump_file(path, disk=None):
    """Yields the content of a table, log segment or manifest as lines of text.

    The kind of file is told by its name. DamagedFile where it cannot be read on."""
    disk = disk or Disk()
    name = os.path.basename(path)
    if name == "CURRENT":
        yield disk.read_file(path).decode("ascii", "backslashreplace").rstrip("\n")
    elif name.endswith(".sst"):
        yield from dump_table(TableReader(path, disk))
    elif name.startswith("MANIFEST-"):
        for number, edit in enumerate(read_edits(disk.read_file(path), path), 1):
            fields = " ".join(f"{field}={value}" for field, value in edit.items())
            yield f"edit {number} {fields}"
    elif ".log" in name:
        yield from dump_segment(disk.open(path))
    else:
        raise EngineError(f"{path} is named like no file of a data directory")


def dump_table(table):
    for name in (*NUMBERS, "least_key", "greatest_key", "file_bytes"):
        yield f"property {name} {text(getattr(table.properties, name))}"
    if table.dictionary:
        offset, length = table.dictionary_place
        yield f"dictionary at {offset} ({length} bytes)"
    for last_key, meta_offset, meta_length in table.segments():
        yield f"segment meta at {meta_offset} ({meta_length} bytes), last key {text(last_key)}"
        for _, offset, length in table.blocks(meta_offset, meta_length):
            yield f"block at {offset} ({length} bytes)"
            for entry in table.entries(offset, length):
                yield "  " + entry_text(*entry)


def dump_segment(file):
    reader = LogReader(file)
    if not reader.empty:
        yield f"segment {reader.number} starts at position {reader.start_position}"
    for frame in reader:
        yield f"frame at {frame.offset} sequence {frame.sequence} synced {frame.synced}"
        try:
            records = read_records(frame.records)
        except ValueError as error:
            raise DamagedFile(reader.path, frame.offset, str(error)) from None
        for *entry, offset, byte in records:
            mask = f" offset {offset} byte {byte}" if offset >= 0 else ""
            yield "  " + entry_text(*entry) + mask
    yield f"end at {reader.end}: {reader.problem or 'clean'}"


def entry_text(key, kind, value, hlc, actor, deadline_ms, annotation):
    parts = [KINDS.get(kind, str(kind)), text(key), f"dot {hlc}/{actor}"]
    if deadline_ms:
        parts.append(f"deadline {deadline_ms}")
    if annotation:
        parts.append(f"annotation {annotation}")
    if kind != 2:
        parts.append(f"value {text(value)}")
    return " ".join(parts)


def text(value):
    return repr(value)[1:] if isinstance(value, bytes) else str(value)
