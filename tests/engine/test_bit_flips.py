"""One bit is wrong, in any byte of any file: the answers are right, or the error names file and offset.

Small files are flipped at every byte, larger ones at a sample; BIT_FLIPS (120) is how many places of a
file are tried in all.
"""

import os
import random
import shutil

import pytest

from engine import Batch, Engine
from engine.errors import DamagedFile, UnknownFormat

FLIPS = int(os.environ.get("BIT_FLIPS", "120"))


def fill(engine):
    """Tables in two levels, range deletes in manifest and log, a log with frames."""
    for i in range(400):
        batch = Batch()
        batch.put(b"key%03d" % (i * 7 % 250), b"value %d " % i * 6, deadline_ms=i % 3 * 1000)
        if i % 9 == 0:
            batch.delete(b"key%03d" % (i * 5 % 250))
        if i % 150 == 75:
            batch.delete_range(b"key1", b"key11")
        engine.write(batch, sync=i % 50 == 0)
        if i in (120, 180, 240, 330):
            engine.flush()
        if i == 240:
            engine.run_steps(0, engine.greatest_hlc)


@pytest.fixture(scope="module", params=["closed", "killed"])
def whole(request, tmp_path_factory):
    """(folder, its content, contents that an unsynced end may fall back to)."""
    from tests.engine.conftest import SMALL

    path = tmp_path_factory.mktemp(request.param)
    engine = Engine.open(path / "data", SMALL)
    fill(engine)
    states = [content(engine)]
    if request.param == "killed":
        for i in range(5):
            batch = Batch()
            batch.put(b"last%d" % i, b"x" * 50)
            engine.write(batch, sync=i == 1)
            states = [content(engine)] if i == 1 else [*states, content(engine)]
        shutil.copytree(path / "data", path / "killed")
    engine.close()
    return path / ("killed" if request.param == "killed" else "data"), states[-1], states


def content(engine):
    return {record.key: record.value for record in engine.scan()}


def places(size, draw):
    if size <= FLIPS:
        return range(size)
    ends = [*range(40), *range(size - 40, size)]
    return sorted({*ends, *draw.sample(range(size), FLIPS - len(ends))})


@pytest.mark.parametrize("kind", ["log", "sst", "MANIFEST", "CURRENT", "LOCK"])
def test_a_flipped_bit_gives_the_right_answer_or_names_its_place(whole, tmp_path, small, kind):
    source, expected, states = whole
    draw = random.Random(kind)
    names = [n for n in sorted(os.listdir(source)) if kind in n]
    assert names
    noticed = 0
    for name in names:
        original = (source / name).read_bytes()
        for at in places(len(original), draw):
            target = tmp_path / "flipped"
            shutil.copytree(source, target, copy_function=os.link)
            flipped = bytearray(original)
            flipped[at] ^= 1 << draw.randrange(8)
            os.unlink(target / name)  # the others are links
            (target / name).write_bytes(flipped)
            for linked in target.glob("*.log"):
                unlink_and_copy(linked)
            noticed += ask(target, small, expected, states, name, at)
            shutil.rmtree(target)
    assert noticed or kind == "LOCK"


def unlink_and_copy(path):
    """Recovery may cut a log: not the original's."""
    whole = path.read_bytes()
    path.unlink()
    path.write_bytes(whole)


def ask(target, small, expected, states, name, at):
    """Whether the flip was noticed."""
    note = f"{name} byte {at}"
    try:
        engine = Engine.open(target, small)
    except (DamagedFile, UnknownFormat) as error:
        assert str(target) in error.path and error.offset >= 0, note
        return True
    noticed = bool(engine.reports)
    with engine:
        assert name.endswith(".log") or not engine.reports, note
        legal = states if engine.reports else [expected]
        for key in list(expected)[::10] + [b"key", b"key100x", b"zzz"]:
            try:
                record = engine.get(key)
                assert (record and record.value) in [state.get(key) for state in legal], note
            except DamagedFile as error:
                assert error.path == f"{target}/{name}", note
                noticed = True
        for read in (lambda: content(engine), engine.verify):
            try:
                assert read() in (*legal, None), note
            except DamagedFile as error:
                assert error.path == f"{target}/{name}", note
                noticed = True
    return noticed
