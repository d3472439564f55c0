"""Hostile blocks, metas and tables: documented errors only, no crash, and never a wrong value.

FUZZ_SECONDS (20 by default) is shared by the tests of this file. A failure prints the seed.
"""

import os
import random
import time

import google_crc32c
import pytest

from engine.block_reader import find_key, read_block, seek_keys
from engine.block_writer import BlockWriter
from engine.cache import BlockCache
from engine.check import check_table
from engine.disk import Disk
from engine.errors import DamagedFile, UnknownFormat
from engine.segment_meta import read_index, read_meta
from engine.table import Table
from engine.table_format import FOOTER_BYTES, decode_footer
from tests.engine.table_rig import LEARNING, TINY, many, write_table

SECONDS = float(os.environ.get("FUZZ_SECONDS", "20")) / 6


def rounds():
    """Random generators, one per round, until the time is used up."""
    end = time.monotonic() + SECONDS
    seed = 0
    while time.monotonic() < end or seed < 20:
        yield seed, random.Random(seed)
        seed += 1


def mutated(content, chosen):
    """A few bytes changed, cut out, doubled or appended."""
    content = bytearray(content)
    for _ in range(chosen.randint(1, 6)):
        at = chosen.randrange(len(content) + 1)
        match chosen.randrange(6):
            case 0 | 1 if at < len(content):
                content[at] = chosen.choice([0, 1, 0x7F, 0x80, 0xFF, chosen.randrange(256)])
            case 2:
                content[at:at + chosen.randint(1, 8)] = b""
            case 3:
                content[at:at] = chosen.randbytes(chosen.randint(1, 12))
            case 4:
                content[at:at + 4] = chosen.choice([b"\xff" * 4, bytes(4), b"\0\0\0\x80"])
            case _:
                del content[at:]
    return bytes(content)


def a_block(count):
    writer = BlockWriter()
    for entry in many(count):
        key, kind, value, hlc, actor, deadline_ms, annotation = entry
        writer.append(key, kind, value, hlc=hlc, actor=actor, deadline_ms=deadline_ms,
                      annotation=annotation)
    return writer.finish()


def test_raw_blocks():
    """As if the checksum were right."""
    for seed, chosen in rounds():
        raw = a_block(chosen.randint(1, 40))
        bad = mutated(raw, chosen) if seed % 5 else chosen.randbytes(chosen.randint(0, 300))
        for read, *wanted in (
            (read_block,),
            (find_key, b"key%06d" % chosen.randrange(45)),
            (seek_keys, chosen.choice([b"", b"key000013", b"z", bad[:20]])),
        ):
            try:
                read(bad, *wanted)
            except ValueError:
                pass


def test_every_byte_of_a_raw_block():
    raw = a_block(20)
    for at in range(len(raw)):
        for byte in (0, 0x7F, 0x80, 0xFF):
            bad = raw[:at] + bytes([byte]) + raw[at + 1:]
            try:
                read_block(bad)
            except ValueError:
                pass
            try:
                find_key(bad, b"key000010")
            except ValueError:
                pass


def test_metas_and_indexes(tmp_path):
    write_table(tmp_path, 1, many(300))
    content = (tmp_path / "000001.sst").read_bytes()
    top, length, *_ = decode_footer(content[-FOOTER_BYTES:], "f", len(content))
    index = content[top:top + length - 9]
    places = read_index(index, len(content))
    metas = [content[offset:offset + size - 9] for _, offset, size in places]
    for _, chosen in rounds():
        bad = mutated(chosen.choice([index, *metas]), chosen)
        for read in (read_index, read_meta):
            try:
                read(bad, len(content))
            except ValueError:
                pass


@pytest.mark.parametrize("dictionary_bytes", [0, 256])
@pytest.mark.parametrize("repaired", [False, True])
def test_tables(tmp_path, repaired, dictionary_bytes):
    """Answers of a damaged file are the right ones or DamagedFile. With `repaired` the checksums of
    blocks are made right again, so that what lies behind them is reached."""
    entries = many(300)
    properties = write_table(tmp_path, 1, entries, LEARNING if dictionary_bytes else TINY,
                             dictionary_bytes=dictionary_bytes)
    assert bool(properties.dictionary_length) == bool(dictionary_bytes)
    expected = {entry[0]: entry[1:] for entry in entries}
    path = tmp_path / "000001.sst"
    content = path.read_bytes()
    blocks = block_places(content)
    if dictionary_bytes:
        # As often as all others together: nobody else reads it.
        blocks += [(properties.dictionary_offset, properties.dictionary_length)] * len(blocks)
    for seed, chosen in rounds():
        path.write_bytes(
            with_bad_block(content, *chosen.choice(blocks), chosen) if repaired
            else mutated(content, chosen)
        )
        try:
            table = Table.open(Disk(), str(tmp_path), 1, BlockCache(1 << 16))
        except (DamagedFile, UnknownFormat):
            continue
        for key in [chosen.choice(entries)[0] for _ in range(20)] + [b"key", b"key000100x"]:
            try:
                found = table.get(key)
            except DamagedFile:
                continue
            assert repaired or found == expected.get(key), f"seed {seed}"
        try:
            found = list(table.cursor(None, 500).entries())
            assert repaired or found == entries, f"seed {seed}"
            check_table(str(path))
        except (DamagedFile, UnknownFormat):
            pass


def block_places(content):
    """(offset, length) of every stored block but dictionary and properties."""
    top, length, *_ = decode_footer(content[-FOOTER_BYTES:], "f", len(content))
    places = [(top, length)]
    for _, offset, size in read_index(content[top:top + length - 9], len(content)):
        places.append((offset, size))
        meta = read_meta(content[offset:offset + size - 9], len(content))
        places += [(at, stored) for _, at, stored in meta[2]]
    return places


def with_bad_block(content, offset, length, chosen):
    """The stored block there altered, its length kept, its checksum right."""
    block = bytearray(content[offset:offset + length - 4])
    for _ in range(chosen.randint(1, 4)):
        block[chosen.randrange(len(block))] = chosen.choice([0, 1, 0x80, 0xFF, chosen.randrange(256)])
    crc = google_crc32c.value(bytes(block)) ^ offset
    return content[:offset] + bytes(block) + crc.to_bytes(4, "little") + content[offset + length:]
