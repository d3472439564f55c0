import struct

import google_crc32c
import pytest
import zstandard

from engine.block import read_stored
from engine.block_reader import find_key, read_block, seek_keys
from engine.block_writer import BlockWriter
from engine.errors import DamagedFile


def block_of(entries):
    writer = BlockWriter()
    for key, kind, value, hlc, actor, deadline_ms, annotation in entries:
        writer.append(key, kind, value, hlc=hlc, actor=actor, deadline_ms=deadline_ms,
                      annotation=annotation)
    return writer.finish()


def numbered(count):
    return [(b"k%04d" % (2 * i), 1, b"v%d" % i, 10**12 - i, 7 + i // 20, 0, 0) for i in range(count)]


def stored(payload, raw_bytes, compression, offset):
    head = payload + struct.pack("<IB", raw_bytes, compression)
    return head + struct.pack("<I", google_crc32c.value(head) ^ offset)


def test_a_block_gives_back_its_entries():
    entries = [
        (b"", 1, b"the empty key", 5, 1, 0, 0),
        (b"a", 1, b"", 2**64 - 1, 2**64 - 1, 2**64 - 1, 2**64 - 1),
        (b"a\0", 2, b"", 0, 0, 0, 1),
        (b"a" * 300, 1, b"x" * 70_000, 7, 3, 1, 0),
        (b"\xff", 4, b"end", 6, 3, 0, 5),
    ]
    assert read_block(block_of(entries)) == entries


@pytest.mark.parametrize("count", [1, 15, 16, 17, 33, 100])
def test_every_key_is_found_and_no_other(count):
    entries = numbered(count)
    raw = block_of(entries)
    for i, entry in enumerate(entries):
        assert find_key(raw, entry[0]) == entry
        assert seek_keys(raw, entry[0]) == [e[0] for e in entries[i:]]
        assert find_key(raw, b"k%04d" % (2 * i + 1)) is None
        assert seek_keys(raw, b"k%04d" % (2 * i + 1)) == [e[0] for e in entries[i + 1:]]
    for missing in (b"", b"a", b"k", b"k0000\0", b"z"):
        assert find_key(raw, missing) is None


def test_shared_prefixes_are_stored_once():
    prefix = b"p" * 200
    raw = block_of([(prefix + b"%02d" % i, 1, b"", 1, 1, 0, 0) for i in range(16)])
    assert raw.count(prefix) == 1


def test_one_writer_makes_many_blocks():
    writer = BlockWriter()
    for i in range(3):
        writer.append(b"key%d" % i, 1, b"v", hlc=i)
        assert read_block(writer.finish()) == [(b"key%d" % i, 1, b"v", i, 0, 0, 0)]


def test_golden_bytes_of_a_block():
    raw = block_of([(b"ab", 1, b"X", 1000, 3, 0, 0), (b"ac", 2, b"", 1001, 3, 9, 0)])
    assert raw == (
        struct.pack("<QIII", 1000, 22, 2, 1)        # base_hlc, bytes of entries, entries, restarts
        + struct.pack("<II", 0, 0)                  # the first entry and the first value
        + b"\x00\x02\x01\x01\x00" + struct.pack("<Q", 3) + b"ab"
        + b"\x01\x01\x00\x2a\x02\x09" + b"c"
        + b"X"
    )


def test_a_block_that_is_cut_short_or_overlong_is_refused():
    raw = block_of(numbered(40))
    for length in range(len(raw)):
        with pytest.raises(ValueError):
            read_block(raw[:length])
    with pytest.raises(ValueError):
        read_block(raw + b"x")


@pytest.mark.parametrize(("payload", "compression"), [
    (b"raw bytes", 0),
    (zstandard.compress(b"raw bytes"), 1),
])
def test_a_stored_block_is_opened(payload, compression):
    assert read_stored(stored(payload, 9, compression, 4096), "f", 4096) == b"raw bytes"


@pytest.mark.parametrize(("made", "reason"), [
    (lambda: stored(b"raw", 3, 0, 8), "checksum"),            # made for another offset
    (lambda: b"short", "shorter"),
    (lambda: stored(b"raw", 4, 0, 0), "raw size"),
    (lambda: stored(b"raw", 3, 3, 0), "unknown compression"),
    (lambda: stored(b"raw", 3, 2, 0), "needs a dictionary"),
    (lambda: stored(b"raw", 3, 1, 0), "decompressed"),
    (lambda: stored(zstandard.compress(b"raw"), 4, 1, 0), "another size"),
    (lambda: stored(zstandard.compress(b"raw")[:-1], 3, 1, 0), "decompressed"),
    (lambda: stored(zstandard.compress(b"raw"), 2**32 - 1, 1, 0), "says that it has"),
    (lambda: stored(b"", 0, 0, 0), "says that it has"),
])
def test_a_bad_stored_block_is_damage(made, reason):
    with pytest.raises(DamagedFile, match=reason) as caught:
        read_stored(made(), "file.sst", 0)
    assert caught.value.path == "file.sst"
    assert caught.value.offset == 0
