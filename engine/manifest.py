"""The manifest: which tables and log segments count. A file that it does not name is rubbish.

    MANIFEST-NNNNNN := magic:"RESPKVMF" format:u32  edit*
    edit            := length:u32 crc:u32 json            crc is the CRC32C of the json bytes
    CURRENT         := the name of the manifest that counts, and a line feed

Numbers are little-endian. An edit is a JSON object (they are rare and small, and a person can read
them); every field may be absent:

    tables    [[level, number, file_bytes], ...]   tables that now count
    gone      [number, ...]                        tables that do not count any more
    log       the first log segment that is still needed
    position  where in the log that segment starts
    sequence  the last write that is in tables rather than in the log
    next      every file number from here on is unused
    hlc       the greatest ever stored
    ranges    [[start, end, hlc, actor, offset, byte, sequence], ...]  range deletes, keys in hex
    retired   the same: range deletes that hide nothing any more

The first edit of a file is the whole state. An edit is fsynced before anything that it makes
superfluous is unlinked, and what it names was fsynced before. So a torn last edit never happened: it
is dropped. If it was in truth a damaged one, the segment or table that it made superfluous is missing,
and the start fails instead of forgetting data. Damage with whole edits behind it stops the start.

Edits come from steps in different threads, hence the lock. When an edit could not be written
or fsynced, nobody knows which bytes are there; the next edit then begins a new file.
"""

import json
import threading

from google_crc32c import value as crc32c

from engine.errors import DamagedFile, UnknownFormat
from engine.file_names import CURRENT, manifest_name, number_of
from engine.range_deletes import RangeDeleteRecord

MAGIC = b"RESPKVMF"
FORMAT = 1
HEADER_BYTES = 12
EDIT_BYTES_MAX = 1 << 28
LEVELS_MAX = 64
FILE_BYTES_MAX = 1 << 20  # then the next edit begins a new file


class State:
    """What all edits so far add up to."""

    def __init__(self):
        self.tables = {}  # number -> (level, file_bytes)
        self.log = 0
        self.position = 0
        self.sequence = 0
        self.next = 1
        self.hlc = 0
        self.ranges = []  # lists, as in an edit

    def apply(self, edit):
        for number in edit.get("gone", ()):
            self.tables.pop(number, None)
        for level, number, file_bytes in edit.get("tables", ()):
            self.tables[number] = (level, file_bytes)
        for field in ("log", "position", "sequence", "next", "hlc"):
            setattr(self, field, max(getattr(self, field), edit.get(field, 0)))
        retired = edit.get("retired", ())
        self.ranges = [item for item in self.ranges if item not in retired]
        self.ranges += [item for item in edit.get("ranges", ()) if item not in self.ranges]

    def as_edit(self):
        return {
            "tables": [[level, n, size] for n, (level, size) in sorted(self.tables.items())],
            "log": self.log,
            "position": self.position,
            "sequence": self.sequence,
            "next": self.next,
            "hlc": self.hlc,
            "ranges": self.ranges,
        }


class Manifest:
    """The manifest of an open engine. `append` may be called in any thread."""

    def __init__(self, disk, directory, state, take_number):
        """Begins a new file with the whole state. `take_number()` gives a fresh file number."""
        self.disk = disk
        self.directory = directory
        self.state = state
        self.take_number = take_number
        self.lock = threading.Lock()
        self.file = None
        self.name = None
        self.begin_file()

    def append(self, edit):
        """Returns when the edit is durable; only then does `state` contain it. Raises OSError."""
        with self.lock:
            if self.file is not None and self.file.size < FILE_BYTES_MAX:
                try:
                    self.file.append(encode_edit(edit))
                    self.file.sync()
                except OSError:
                    self.file.close()
                    self.file = None
                    raise
                self.state.apply(edit)
                return
            undo = self.state.as_edit()
            self.state.apply(edit)
            try:
                self.begin_file()
            except OSError:
                self.state = State()
                self.state.apply(undo)
                raise

    def begin_file(self):
        """Writes the state to a new file and makes CURRENT name it."""
        old, old_name = self.file, self.name
        number = self.take_number()
        name = manifest_name(number)
        self.state.next = max(self.state.next, number + 1)
        path = f"{self.directory}/{name}"
        file = self.disk.create(path)
        try:
            file.append(MAGIC + FORMAT.to_bytes(4, "little") + encode_edit(self.state.as_edit()))
            file.sync()
            write_current(self.disk, self.directory, name)
        except OSError:
            file.close()
            raise  # the file stays: CURRENT may name it already
        self.file, self.name = file, name
        if old is not None:
            old.close()
        if old_name is not None:
            self.disk.unlink(f"{self.directory}/{old_name}")

    def close(self):
        if self.file is not None:
            self.file.close()


def encode_edit(edit):
    body = json.dumps(edit, separators=(",", ":")).encode()
    return len(body).to_bytes(4, "little") + crc32c(body).to_bytes(4, "little") + body


def write_current(disk, directory, name):
    """Replaces CURRENT in one step that survives a crash."""
    path = f"{directory}/{CURRENT}"
    disk.unlink(path + ".new")
    file = disk.create(path + ".new")
    try:
        file.append(name.encode() + b"\n")
        file.sync()
    finally:
        file.close()
    disk.sync_directory(directory)  # or else the rename may survive and what it names may not
    disk.rename(path + ".new", path)
    disk.sync_directory(directory)


def load_state(disk, directory):
    """(State, name of its file), or (None, None) in a folder without CURRENT. Raises DamagedFile."""
    path = f"{directory}/{CURRENT}"
    if not disk.exists(path):
        return None, None
    name = disk.read_file(path).decode("ascii", "replace").rstrip("\n")
    if not name.startswith("MANIFEST-") or not number_of(name):
        raise DamagedFile(path, 0, "it does not name a manifest")
    path = f"{directory}/{name}"
    if not disk.exists(path):
        raise DamagedFile(path, 0, "CURRENT names it, but it is not there")
    state = State()
    count = 0
    for edit in read_edits(disk.read_file(path), path):
        state.apply(edit)
        count += 1
    if not count:
        raise DamagedFile(path, HEADER_BYTES, "it holds no whole edit")
    return state, name


def read_edits(content, path):
    """The whole edits of a manifest, in order; a torn last one is left out."""
    if content[:8] != MAGIC:
        raise DamagedFile(path, 0, "no manifest begins like this")
    version = int.from_bytes(content[8:12], "little")
    if version > FORMAT:
        raise UnknownFormat(path, 8, version, FORMAT)
    if version == 0:
        raise DamagedFile(path, 8, "there is no manifest format 0")
    at = HEADER_BYTES
    while at < len(content):
        body = edit_at(content, at)
        if body is None:
            follows = next((i for i in range(at + 1, len(content)) if edit_at(content, i)), None)
            if follows is not None:
                raise DamagedFile(path, at, f"no whole edit here, but one at byte {follows}")
            return
        yield parse_edit(body, path, at)
        at += 8 + len(body)


def parse_edit(body, path, at):
    """The edit as a dict whose known fields have the right shape. Raises DamagedFile."""
    try:
        edit = json.loads(body)
        for field in ("log", "position", "sequence", "next", "hlc"):
            if not 0 <= edit.get(field, 0) < 1 << 64:
                raise ValueError
        for level, number, file_bytes in edit.get("tables", ()):
            if not (0 <= level < LEVELS_MAX and number > 0 and file_bytes >= 0):
                raise ValueError
        for start, end, hlc, actor, offset, byte, sequence in (
            *edit.get("ranges", ()), *edit.get("retired", ())
        ):
            RangeDeleteRecord(
                bytes.fromhex(start), bytes.fromhex(end), hlc, actor, offset, byte, sequence
            ).check()
        list(map(int.bit_length, edit.get("gone", ())))
        return edit
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise DamagedFile(path, at, "the edit's checksum is right, its JSON is not") from None


def edit_at(content, at):
    """The body of the edit at that byte, None when there is no whole one."""
    length = int.from_bytes(content[at : at + 4], "little")
    body = content[at + 8 : at + 8 + length]
    if not 2 <= length <= EDIT_BYTES_MAX or len(body) != length:
        return None
    return body if crc32c(body) == int.from_bytes(content[at + 4 : at + 8], "little") else None
