"""Hostile bytes in logs, manifests and CURRENT: only documented errors, and no invented record.

FUZZ_SECONDS (20 by default) bounds each test."""

import os
import random
import shutil
import time

import google_crc32c
import pytest

from engine import Batch, Engine, Options
from engine.errors import EngineError

SECONDS = float(os.environ.get("FUZZ_SECONDS", "20"))
OPTIONS = Options(memtable_bytes=64 << 10, log_reserve_bytes=0)


@pytest.fixture
def directory(tmp_path):
    path = tmp_path / "source"
    engine = Engine.open(path, OPTIONS)
    for i in range(60):
        batch = Batch()
        batch.put(b"key%d" % i, b"value%d" % i * 9, deadline_ms=i % 3)
        batch.delete(b"key%d" % (i // 2))
        if i % 20 == 0:
            batch.delete_range(b"key4", b"key5", offset=3, byte=52)
        engine.write(batch)
        if i == 20:
            engine.flush()
    shutil.copytree(path, tmp_path / "frozen")
    engine.close()
    return tmp_path / "frozen"


def mutate(draw, content):
    content = bytearray(content)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        place = draw.randrange(len(content) + 1)
        change = draw.randrange(5)
        if change == 0 and content:
            content[place % len(content)] ^= 1 << draw.randrange(8)
        elif change == 1:
            del content[place:]
        elif change == 2:
            content[place:place] = draw.randbytes(draw.randrange(1, 40))
        elif change == 3:
            content[place : place + draw.randrange(1, 40)] = draw.randbytes(draw.randrange(40))
        else:
            content[place : place + 4] = draw.choice((b"\xff" * 4, b"\0" * 4, b"\0\0\0\x80"))
    return bytes(content)


@pytest.mark.parametrize("kind", ["log", "manifest", "current"])
def test_mutated_files_give_documented_errors_only(directory, tmp_path, kind):
    names = sorted(os.listdir(directory))
    (victim,) = [
        name for name in names
        if (name == "CURRENT" and kind == "current")
        or (name.endswith(".log") and kind == "log")
        or (name.startswith("MANIFEST-") and kind == "manifest")
    ]
    with Engine.open(shutil.copytree(directory, tmp_path / "whole"), OPTIONS) as engine:
        legal = {(r.key, r.value) for r in engine.scan()}
    written = {(b"key%d" % i, b"value%d" % i * 9) for i in range(60)}
    assert legal <= written
    original = (directory / victim).read_bytes()
    draw = random.Random(1)
    end = time.monotonic() + SECONDS
    opened = refused = 0
    while time.monotonic() < end:
        target = tmp_path / "mutated"
        shutil.copytree(directory, target)
        (target / victim).write_bytes(mutate(draw, original))
        try:
            with Engine.open(target, OPTIONS) as engine:
                assert {(r.key, r.value) for r in engine.scan()} <= written
            opened += 1
        except EngineError:
            refused += 1
        shutil.rmtree(target)
    assert opened + refused > 20


@pytest.mark.parametrize("kind", ["log", "manifest"])
def test_hostile_bytes_behind_right_checksums(directory, tmp_path, kind):
    """What a checksum lets pass is read as carefully: documented errors only."""
    draw = random.Random(2)
    path = max(directory.glob("*.log" if kind == "log" else "MANIFEST-*"))
    original = path.read_bytes()
    end = time.monotonic() + SECONDS
    rounds = 0
    while time.monotonic() < end or rounds < 20:
        rounds += 1
        target = tmp_path / "mutated"
        shutil.copytree(directory, target)
        (target / path.name).write_bytes(repaired(draw, original, kind))
        try:
            with Engine.open(target, OPTIONS) as engine:
                list(engine.scan())
        except EngineError:
            pass
        shutil.rmtree(target)


def repaired(draw, content, kind):
    """One frame or edit with a few other bytes in its body, and the checksum of these."""
    places, at = [], 32 if kind == "log" else 12
    head = 24 if kind == "log" else 8
    while at + head <= len(content):
        length = int.from_bytes(content[at + 4 : at + 8] if kind == "log" else content[at : at + 4], "little")
        places.append((at, length))
        at += head + length
    at, length = draw.choice([place for place in places if place[1]])
    body = mutate(draw, content[at + head : at + head + length])
    if kind == "manifest":
        size, checksum = len(body).to_bytes(4, "little"), google_crc32c.value(body)
        return (content[:at] + size + checksum.to_bytes(4, "little") + body
                + content[at + head + length :])
    checked = len(body).to_bytes(4, "little") + content[at + 8 : at + head] + body
    return (content[:at] + google_crc32c.value(checked).to_bytes(4, "little") + checked
            + content[at + head + length :])
