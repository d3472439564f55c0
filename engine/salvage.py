"""Takes out of a damaged directory what can still be read: `resp-kv check DIR --salvage TARGET`.

    result = salvage_directory(source, target)
    result.lost        a Loss for each place that could not be read: file, offset, bytes, keys or count
    result.recovered   how many entries and range deletes are in the target now

The source is only read. What is whole keeps its dot, its deadline and its annotation, so that of several
versions the newest wins in the target as it did in the source, in whatever order they are found.

    manifest   Every whole edit counts. When one is damaged, or CURRENT is, nobody knows which tables and
               segments count: then all that are there are taken.
    table      By its index, where that is whole: an unreadable block costs only its own keys. Where the
               index is not, blocks are looked for from the front: they leave no gap, and each ends with
               its own length and a checksum that knows its offset. Behind an unreadable place the next
               block is found by the first bytes of its Zstandard frame or by its trailer. A dictionary is
               known by its own first bytes; where it is lost, so is every block that was made with it.
    log        Frame by frame; behind an unreadable place the next one is found by its checksum. The frames
               number their records, so it is known how many were in between.

What cannot be told: whether a lost block held something newer, or a delete, of a key that an older place
still has. Then the target shows the older value; the keys in question are among those listed as lost.
"""

import struct
from dataclasses import dataclass, field

import zstandard
from google_crc32c import value as crc32c

from engine.block import read_stored
from engine.block_reader import read_block
from engine.check import TableReader, text
from engine.disk import Disk
from engine.engine import Engine
from engine.errors import DamagedFile, DirectoryInUse, EngineError, UnknownFormat
from engine.file_names import CURRENT, LOCK, numbers_of, segment_name, table_name
from engine.log_records import read_records
from engine.manifest import FORMAT, HEADER_BYTES, MAGIC, State, edit_at, load_state, parse_edit
from engine.record import Record
from engine.segment_meta import read_index, read_meta
from engine.table_format import FOOTER_BYTES

TRAILER = struct.Struct("<IBI")            # of a stored block, see engine/block
BLOCK_BYTES_MAX = 1 << 27
COMPRESSED = (1, 2)
RAW_BYTES_MAX = 1 << 22                    # of an uncompressed block that is looked for without index
ZSTANDARD = b"\x28\xb5\x2f\xfd"
DICTIONARY = b"\x37\xa4\x30\xec"
SEGMENT_HEADER_BYTES = 32
FRAME = struct.Struct("<IIQQ")             # of a log frame, see engine/log_format
LOG_MAGIC = b"RESPKVLG"
PIECE_BYTES = 4096
COMMIT_EVERY = 1000


@dataclass(slots=True)
class Loss:
    """A place that could not be read. `after` and `last` bound its keys (after < key <= last; None:
    not known), `records` is how many it held (None: not known)."""

    path: str
    offset: int
    length: int
    reason: str
    after: bytes | None = None
    last: bytes | None = None
    records: int | None = None

    def __str__(self):
        line = f"{self.path}: lost {self.length} bytes at byte {self.offset}: {self.reason}"
        if self.records is not None:
            line += f"; {self.records} records"
        if self.after is not None or self.last is not None:
            after = "the first key" if self.after is None else f"behind {text(self.after)}"
            last = "the last key" if self.last is None else text(self.last)
            line += f"; keys from {after} to {last}"
        return line


@dataclass(slots=True)
class Salvage:
    lost: list = field(default_factory=list)
    notes: list = field(default_factory=list)
    recovered: int = 0
    """Entries of all files, older versions included, and range deletes."""

    def lose(self, *place, **rest):
        self.lost.append(Loss(*place, **rest))

    def __str__(self):
        lines = [*self.notes, f"recovered {self.recovered} entries", *map(str, self.lost)]
        return "\n".join(lines)


def salvage_directory(source, target, options=None, disk=None):
    """Fills the empty or absent folder `target` with what can be read of `source`: a Salvage.

    Raises DirectoryInUse, EngineError (the target is not empty), and what opening and writing the target
    raises."""
    disk = disk or Disk()
    if disk.exists(target) and disk.list(target):
        raise EngineError(f"{target} is not empty")
    lock = disk.lock(f"{source}/{LOCK}") if disk.exists(f"{source}/{LOCK}") else None
    if lock is None and disk.exists(f"{source}/{LOCK}"):
        raise DirectoryInUse(f"{source} is in use by another process")
    result = Salvage()
    try:
        with Engine.open(target, options, disk=disk) as engine:
            Salvager(disk, source, Receiver(engine, result), result).run()
            engine.flush()
    finally:
        if lock is not None:
            lock.close()
    return result


class Receiver:
    """Puts entries into the target, with commits and flushes as they are due."""

    def __init__(self, engine, result):
        self.engine = engine
        self.result = result

    def put(self, key, kind, value, hlc, actor, deadline_ms, annotation):
        self.engine.put_record(Record(key, value, hlc, actor, deadline_ms, annotation, kind))
        self.count()

    def put_range(self, start, end, hlc, actor, offset, byte):
        self.engine.delete_range(start, end, hlc, actor, offset, byte)
        self.count()

    def count(self):
        self.result.recovered += 1
        if self.result.recovered % COMMIT_EVERY == 0:
            self.engine.commit()
            while not self.engine.write_room():
                self.engine.run_steps()


class Salvager:
    def __init__(self, disk, source, receiver, result):
        self.disk = disk
        self.source = source
        self.receiver = receiver
        self.result = result

    def run(self):
        names = self.disk.list(self.source)
        state, whole = self.read_manifest(names)
        for start, end, hlc, actor, offset, byte, _ in state.ranges:
            self.receiver.put_range(bytes.fromhex(start), bytes.fromhex(end), hlc, actor, offset, byte)
        tables = sorted(state.tables) if whole else numbers_of(names, ".sst")
        for number in tables:
            name = table_name(number)
            if name in names:
                self.read_table(f"{self.source}/{name}")
            else:
                _, file_bytes = state.tables[number]
                self.result.lose(f"{self.source}/{name}", 0, file_bytes, "the file is not there")
        first = state.log if whole else 0
        if first and segment_name(first) not in names:
            self.result.lose(f"{self.source}/{segment_name(first)}", 0, 0, "the file is not there")
        expected = None
        for number in numbers_of(names, ".log"):
            if number >= first:
                expected = self.read_segment(f"{self.source}/{segment_name(number)}", expected)

    def content(self, path):
        """The bytes of a file; zeros, and a Loss, where it cannot be read."""
        file = self.disk.open(path)
        try:
            size = file.size
            try:
                return file.read(size, 0)
            except OSError:
                return b"".join(self.piece(file, at, min(PIECE_BYTES, size - at))
                                for at in range(0, size, PIECE_BYTES))
        finally:
            file.close()

    def piece(self, file, at, length):
        try:
            return file.read(length, at)
        except OSError as error:
            self.result.lose(file.path, at, length, f"it cannot be read: {error.strerror}")
            return bytes(length)

    # The manifest.

    def read_manifest(self, names):
        """(State, whether it is known to be complete)."""
        try:
            state, _ = load_state(self.disk, self.source)
            if state is not None:
                return state, True
            if not numbers_of(names, ".sst"):
                return State(), True
            self.result.lose(f"{self.source}/{CURRENT}", 0, 0, "there are tables, but no CURRENT")
        except (DamagedFile, UnknownFormat, OSError) as error:
            path = getattr(error, "path", None) or getattr(error, "filename", None) or self.source
            self.result.lose(str(path), getattr(error, "offset", 0), 0, str(error))
        manifests = sorted((n for n in names if n.startswith("MANIFEST-")), reverse=True)
        state = State()
        for name in manifests:
            count = 0
            for edit in self.whole_edits(f"{self.source}/{name}"):
                state.apply(edit)
                count += 1
            if count:
                break
        self.result.notes.append(
            "it is not known which tables count: all were taken, and what compactions had dropped "
            "may be back"
        )
        return state, False

    def whole_edits(self, path):
        content = self.content(path)
        if content[:8] == MAGIC and content[8:HEADER_BYTES] != FORMAT.to_bytes(4, "little"):
            return
        at = HEADER_BYTES
        while at < len(content):
            body = edit_at(content, at)
            if body is None:
                at += 1
                continue
            try:
                yield parse_edit(body, path, at)
            except DamagedFile:
                pass
            at += 8 + len(body)

    # Tables.

    def read_table(self, path):
        try:
            table = TableReader(path, self.disk)
        except UnknownFormat as error:
            self.result.lose(path, 0, self.disk.size(path), str(error))
            return
        except (DamagedFile, OSError) as error:
            self.result.lose(path, getattr(error, "offset", 0), 0, reason(error))
            self.read_blocks_of_damaged(path)
            return
        try:
            self.read_segments(table, path)
        finally:
            table.file.close()

    def read_segments(self, table, path):
        try:
            segments = list(table.segments())
        except (DamagedFile, OSError) as error:
            self.result.lose(path, *table.top_place, reason(error))
            self.read_blocks_of_damaged(path)
            return
        after, begin = None, 0
        for last_key, meta_offset, meta_length in segments:
            try:
                blocks = list(table.blocks(meta_offset, meta_length))
            except (DamagedFile, OSError) as error:
                # Only the index is gone: its blocks lie between the metas.
                self.result.lose(path, meta_offset, meta_length, reason(error), records=0)
                self.scan_blocks(path, self.content(path), begin, meta_offset, after, last_key)
            else:
                self.read_blocks(table, path, blocks, after)
            after, begin = last_key, meta_offset + meta_length

    def read_blocks(self, table, path, blocks, after):
        for last_key, offset, length in blocks:
            try:
                entries = table.entries(offset, length)
            except (DamagedFile, OSError) as error:
                self.result.lose(path, offset, length, reason(error), after, last_key)
            else:
                self.take(entries)
            after = last_key

    def read_blocks_of_damaged(self, path):
        """Without top index: everything between the first byte and the footer."""
        content = self.content(path)
        self.scan_blocks(path, content, 0, max(len(content) - FOOTER_BYTES, 0), None, None)

    def scan_blocks(self, path, content, at, end, after, last_key):
        """Takes all data blocks that can be found in content[at:end]. The blocks after which nothing
        more can come are told by their content."""
        dictionary = dictionary_in(content)
        bad, why = None, "no readable block"
        while at < end:
            length = block_length(content, at, end)
            if length is None:
                bad = at if bad is None else bad
                at = next_block(content, at + 1, end)
                continue
            try:
                raw = read_stored(content[at : at + length], path, at, dictionary)
            except DamagedFile as error:
                bad, why = at if bad is None else bad, error.reason
                at += length
                continue
            entries, greatest = entries_of(raw, len(content))
            if bad is not None:
                until = entries[0][0] if entries else greatest
                self.result.lose(path, bad, at - bad, why, after, until)
                bad, why = None, "no readable block"
            self.take(entries)
            after = greatest or after
            at += length
        if bad is not None:
            self.result.lose(path, bad, end - bad, why, after, last_key)

    def take(self, entries):
        for entry in entries:
            self.receiver.put(*entry)

    # The log.

    def read_segment(self, path, expected):
        """`expected` is the sequence of the next record, None when unknown; returns the same for the
        next segment."""
        content = self.content(path)
        if not any(content[:SEGMENT_HEADER_BYTES]) and not any(content):
            return expected
        header = content[:SEGMENT_HEADER_BYTES]
        if header[:8] == LOG_MAGIC and crc32c(header[16:]) == int.from_bytes(header[12:16], "little"):
            version = int.from_bytes(header[8:12], "little")
            if version != 1:
                self.result.lose(path, 0, len(content), f"log format {version} is not known")
                return None
        else:
            self.result.lose(path, 0, SEGMENT_HEADER_BYTES, "the header is damaged", records=0)
        at = min(SEGMENT_HEADER_BYTES, len(content))
        while at < len(content):
            frame = frame_at(content, at, expected)
            if frame is None:
                at = self.skip_to_frame(path, content, at, expected)
                expected = None if at < len(content) else expected
                continue
            sequence, records, length = frame
            for *entry, offset, byte in records:
                if entry[1] == 4:
                    key, _, value, hlc, actor, _, _ = entry
                    self.receiver.put_range(key, value, hlc, actor, offset, byte)
                else:
                    self.receiver.put(*entry)
            expected = sequence + len(records)
            at += length
        return expected

    def skip_to_frame(self, path, content, at, expected):
        """Where the next whole frame is, or the end; notes what lies before it."""
        for place in range(at + 1, len(content) - FRAME.size + 1):
            frame = frame_at(content, place, expected)
            if frame is not None:
                records = None if expected is None else frame[0] - expected
                self.result.lose(path, at, place - at, "no whole frame", records=records)
                return place
        rest = content[at:]
        if any(rest):
            self.result.lose(path, at, len(rest), "no whole frame up to the end")
        return len(content)


def frame_at(content, at, expected):
    """(sequence, records, length) of the whole frame there, or None."""
    if len(content) - at < FRAME.size:
        return None
    checksum, length, sequence, _ = FRAME.unpack_from(content, at)
    end = at + FRAME.size + length
    if end > len(content) or not 0 < sequence < 1 << 56 or (expected and sequence < expected):
        return None
    if crc32c(content[at + 4 : end]) != checksum:
        return None
    try:
        return sequence, read_records(content[at + FRAME.size : end]), end - at
    except ValueError:
        return None


def dictionary_in(content):
    """The dictionary of a table, wherever it lies; None when there is none, or no whole one."""
    at = content.find(DICTIONARY)
    while at >= 0:
        length = block_length(content, at, len(content))
        if length is not None:
            return content[at : at + length - TRAILER.size]
        at = content.find(DICTIONARY, at + 1)
    return None


def block_length(content, at, end):
    """How long the whole stored block there is, None when there is none."""
    if content[at : at + 4] == ZSTANDARD:
        try:
            raw_bytes = zstandard.frame_content_size(content[at : at + 18])
        except zstandard.ZstdError:
            return None
        if not 0 < raw_bytes <= BLOCK_BYTES_MAX:
            return None
        mark, place = struct.pack("<I", raw_bytes), at
        while True:
            place = content.find(mark, place, min(end - 4, at + raw_bytes + TRAILER.size))
            if place < 0:
                break
            if content[place + 4] in COMPRESSED and is_whole(content, at, place + TRAILER.size):
                return place + TRAILER.size - at
            place += 1
    for length in range(TRAILER.size + 1, min(end - at, RAW_BYTES_MAX) + 1):
        raw_bytes = length - TRAILER.size
        place = at + raw_bytes
        if content[place] == raw_bytes & 0xFF and content[place : place + 5] == struct.pack(
            "<IB", raw_bytes, 0
        ) and is_whole(content, at, at + length):
            return length
    return None


def entries_of(raw, file_bytes):
    """The entries of a block and the greatest key that it names; none when it is no data block."""
    try:
        entries = read_block(raw)
        return entries, entries[-1][0] if entries else None
    except ValueError:
        pass
    for read in (lambda: read_meta(raw, file_bytes)[2], lambda: read_index(raw, file_bytes)):
        try:
            return [], read()[-1][0]
        except ValueError:
            pass
    return [], None


def is_whole(content, at, end):
    checksum = crc32c(content[at : end - 4]) ^ (at & 0xFFFFFFFF)
    return checksum == int.from_bytes(content[end - 4 : end], "little")


def next_block(content, at, end):
    """Where the next block may begin: a Zstandard frame, or a raw block, which its trailer shows."""
    frame = content.find(ZSTANDARD, at, end)
    frame = end if frame < 0 else frame
    place = at + 2
    while (place := content.find(b"\0\0\0", place, frame)) >= 0:  # of raw_bytes, and compression 0
        raw_bytes = int.from_bytes(content[place - 2 : place + 2], "little")
        start = place - 2 - raw_bytes
        if raw_bytes and start >= at and is_whole(content, start, start + raw_bytes + TRAILER.size):
            return start
        place += 1
    return frame


def reason(error):
    return getattr(error, "reason", None) or str(error)
