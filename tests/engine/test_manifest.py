import errno
import json

import pytest

from engine.disk import Disk
from engine.disk_faulty import FaultyDisk
from engine.errors import DamagedFile, UnknownFormat
from engine.manifest import HEADER_BYTES, Manifest, State, encode_edit, load_state, read_edits


class Numbers:
    def __init__(self):
        self.last = 0

    def __call__(self):
        self.last += 1
        return self.last


def begin(path, disk=None):
    return Manifest(disk or Disk(), str(path), State(), Numbers())


def test_edits_add_up(tmp_path):
    manifest = begin(tmp_path)
    item = ["61", "62", 5, 1, -1, 0, 3]
    manifest.append({"tables": [[0, 7, 100], [1, 8, 200]], "log": 9, "sequence": 50, "ranges": [item]})
    manifest.append({"gone": [7], "tables": [[2, 12, 50]], "retired": [item], "log": 4})
    state, name = load_state(Disk(), str(tmp_path))
    assert state.tables == {8: (1, 200), 12: (2, 50)}
    assert (state.log, state.sequence, state.ranges) == (9, 50, [])
    assert name == manifest.name


def test_a_moved_table_is_gone_and_added_in_one_edit(tmp_path):
    manifest = begin(tmp_path)
    manifest.append({"tables": [[1, 8, 200]]})
    manifest.append({"gone": [8], "tables": [[2, 8, 200]]})
    assert load_state(Disk(), str(tmp_path))[0].tables == {8: (2, 200)}


def test_golden_bytes():
    edit = encode_edit({"log": 3})
    assert edit.hex() == "09000000" + "923f0dba" + b'{"log":3}'.hex()


def test_every_cut_gives_a_prefix(tmp_path):
    manifest = begin(tmp_path)
    for number in range(2, 6):
        manifest.append({"tables": [[0, number, 10]]})
    content = (tmp_path / manifest.name).read_bytes()
    whole = list(read_edits(content, "m"))
    for length in range(HEADER_BYTES, len(content)):
        edits = list(read_edits(content[:length], "m"))
        assert edits == whole[: len(edits)] and len(edits) < len(whole)


def test_damage_before_the_last_edit_is_refused(tmp_path):
    manifest = begin(tmp_path)
    for number in range(2, 6):
        manifest.append({"tables": [[0, number, 10]]})
    path = tmp_path / manifest.name
    content = bytearray(path.read_bytes())
    content[HEADER_BYTES + 12] ^= 1
    path.write_bytes(content)
    with pytest.raises(DamagedFile) as caught:
        load_state(Disk(), str(tmp_path))
    assert caught.value.offset == HEADER_BYTES and caught.value.path == str(path)


def test_other_formats_and_a_wrong_current_are_named(tmp_path):
    manifest = begin(tmp_path)
    path = tmp_path / manifest.name
    content = path.read_bytes()
    path.write_bytes(content[:8] + b"\x02\0\0\0" + content[12:])
    with pytest.raises(UnknownFormat):
        load_state(Disk(), str(tmp_path))
    path.write_bytes(b"x" + content)
    with pytest.raises(DamagedFile):
        load_state(Disk(), str(tmp_path))
    path.unlink()
    with pytest.raises(DamagedFile, match="not there"):
        load_state(Disk(), str(tmp_path))
    (tmp_path / "CURRENT").write_bytes(b"something\n")
    with pytest.raises(DamagedFile, match="does not name"):
        load_state(Disk(), str(tmp_path))


@pytest.mark.parametrize("operation", ["write", "sync"])
def test_after_a_failed_append_a_new_file_begins(tmp_path, operation):
    disk = FaultyDisk()
    manifest = begin(tmp_path, disk)
    manifest.append({"log": 5})

    def fail(asked, path, count):
        if asked == operation:
            raise OSError(errno.ENOSPC, "no space", path)

    disk.fault = fail
    for _ in range(3):
        with pytest.raises(OSError, match="no space"):
            manifest.append({"log": 6})
        assert manifest.state.log == 5
    disk.fault = None
    manifest.append({"log": 7})
    assert load_state(Disk(), str(tmp_path))[0].log == 7


def test_a_long_manifest_begins_a_new_file(tmp_path):
    manifest = begin(tmp_path)
    first = manifest.name
    for number in range(2000):
        manifest.append({"ranges": [["61" * 300, "", number, 0, -1, 0, 1]], "retired":
                         [["61" * 300, "", number - 1, 0, -1, 0, 1]]})
    assert manifest.name != first
    state, _ = load_state(Disk(), str(tmp_path))
    assert [item[2] for item in state.ranges] == [1999]
    assert not (tmp_path / first).exists()
    assert json.dumps(state.as_edit()) == json.dumps(manifest.state.as_edit())
