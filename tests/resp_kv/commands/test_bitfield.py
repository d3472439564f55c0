import random

import pytest

BAD_TYPE = ("ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported "
            "but i64 is.")
BAD_OFFSET = "ERR bit offset is not an integer or out of range"


def test_get_set_incrby(rig):
    assert rig.run("BITFIELD", "k", "INCRBY", "i5", 100, 1, "GET", "u4", 0) == [1, 0]
    assert rig.run("BITFIELD", "k", "SET", "u8", 0, 255, "GET", "i8", 0, "GET", "u4", 4) == [0, -1, 15]
    assert rig.run("BITFIELD", "k", "SET", "i8", "#1", -2, "GET", "u8", 8) == [0, 254]
    assert rig.run("BITFIELD", "k") == []
    assert rig.run("BITFIELD", "absent", "GET", "i64", 5) == [0]
    assert rig.run("EXISTS", "absent") == 0


@pytest.mark.parametrize(("mode", "replies"), [
    ("WRAP", [44, 56, -56, 72]), ("SAT", [255, 0, 127, -128]), ("FAIL", [None] * 4)])
def test_overflow_modes(rig, mode, replies):
    rig.run("BITFIELD", "k", "SET", "u8", 0, 100, "SET", "u8", 8, 100, "SET", "i8", 16, 100,
            "SET", "i8", 24, -100)
    assert rig.run("BITFIELD", "k", "OVERFLOW", mode, "INCRBY", "u8", 0, 200, "INCRBY", "u8", 8, -300,
                   "INCRBY", "i8", 16, 100, "INCRBY", "i8", 24, -84) == replies


def test_a_mode_holds_for_what_follows_it(rig):
    assert rig.run("BITFIELD", "k", "INCRBY", "u2", 0, 5, "OVERFLOW", "SAT", "INCRBY", "u2", 0, 5,
                   "OVERFLOW", "WRAP", "INCRBY", "u2", 0, 1) == [1, 3, 0]


def test_set_of_a_number_that_does_not_fit(rig):
    assert rig.run("BITFIELD", "k", "SET", "u8", 0, -1, "GET", "u8", 0) == [0, 255]
    assert rig.run("BITFIELD", "k", "OVERFLOW", "SAT", "SET", "i8", 0, 300, "GET", "i8", 0) == [-1, 127]
    assert rig.run("BITFIELD", "k", "OVERFLOW", "FAIL", "SET", "u8", 0, 256, "GET", "u8", 0) == [None, 127]


def test_a_failing_write_still_makes_room(rig):
    assert rig.run("BITFIELD", "k", "OVERFLOW", "FAIL", "INCRBY", "u8", 8, 300) == [None]
    assert rig.run("GET", "k") == b"\x00\x00"


def test_the_deadline_stays(rig):
    rig.run("SET", "k", "a", "EX", 100)
    rig.run("BITFIELD", "k", "SET", "u8", 0, 1)
    assert rig.run("TTL", "k") == 100


@pytest.mark.parametrize("encoding", ["u64", "i65", "u0", "i0", "i", "", "x8", "U8", "8", "u-1", "u01"])
def test_bad_encodings(rig, encoding):
    assert str(rig.run("BITFIELD", "k", "GET", encoding, 0)) == BAD_TYPE


@pytest.mark.parametrize("offset", ["-1", "a", "", "#", "#-1", "4294967296", "#9223372036854775808"])
def test_bad_offsets(rig, offset):
    assert str(rig.run("BITFIELD", "k", "GET", "u8", offset)) == BAD_OFFSET


def test_other_errors(rig):
    assert str(rig.run("BITFIELD", "k", "OVERFLOW", "NONE")) == "ERR Invalid OVERFLOW type specified"
    for words in (["GET"], ["GET", "u8"], ["SET", "u8", 0], ["OVERFLOW"], ["junk", "u8", 0]):
        assert str(rig.run("BITFIELD", "k", *words)) == "ERR syntax error"
    assert str(rig.run("BITFIELD", "k", "SET", "u8", 0, "a")) == \
        "ERR value is not an integer or out of range"


def test_an_offset_that_only_we_refuse_builds_nothing(rig):
    assert "max-pair-bytes" in str(rig.run("BITFIELD", "k", "SET", "u8", 4294967288, 1))
    assert rig.run("BITFIELD", "k", "GET", "u8", 4294967288) == [0]


def test_bitfield_ro(rig):
    rig.run("SET", "k", "\x7f\x01")
    assert rig.run("BITFIELD_RO", "k", "GET", "u8", 0, "GET", "i8", "#1") == [127, 1]
    assert rig.run("BITFIELD_RO", "k") == []
    assert str(rig.run("BITFIELD_RO", "k", "SET", "u8", 0, 1)) == \
        "ERR BITFIELD_RO only supports the GET subcommand"


def test_fields_agree_with_arithmetic(rig):
    """Against one big integer."""
    source, number, width = random.Random(5), 0, 400
    rig.run("SET", "k", b"\x00" * (width // 8))
    for _ in range(300):
        bits = source.randrange(1, 64)
        offset = source.randrange(width - bits)
        shift, mask = width - offset - bits, (1 << bits) - 1
        new = source.randrange(1 << bits)
        old = number >> shift & mask
        number += (new - old) << shift
        assert rig.run("BITFIELD", "k", "SET", f"u{bits}", offset, new) == [old]
        signed = new - (1 << bits) if new >> bits - 1 else new
        assert rig.run("BITFIELD", "k", "GET", f"i{bits}", offset) == [signed]
    assert rig.run("GET", "k") == number.to_bytes(width // 8, "big")
