import pytest

BAD_OFFSET = "ERR bit offset is not an integer or out of range"
NOT_INTEGER = "ERR value is not an integer or out of range"


def test_setbit_and_getbit(rig):
    assert rig.run("SETBIT", "k", 7, 1) == 0
    assert rig.run("GET", "k") == b"\x01"
    assert rig.run("SETBIT", "k", 7, 0) == 1
    assert rig.run("SETBIT", "k", 16, 0) == 0
    assert rig.run("GET", "k") == b"\x00\x00\x00"
    assert rig.run("GETBIT", "k", 1000) == 0
    assert rig.run("GETBIT", "absent", 0) == 0
    rig.run("SET", "k", "\x40", "EX", 100)
    assert rig.run("GETBIT", "k", 1) == 1
    rig.run("SETBIT", "k", 0, 1)
    assert rig.run("TTL", "k") == 100


@pytest.mark.parametrize("offset", ["-1", "a", "", "1.0", "4294967296", "9223372036854775807"])
def test_bad_offsets(rig, offset):
    assert str(rig.run("SETBIT", "k", offset, 1)) == BAD_OFFSET
    assert str(rig.run("GETBIT", "k", offset)) == BAD_OFFSET


def test_an_offset_that_only_we_refuse_builds_nothing(rig):
    assert str(rig.run("SETBIT", "k", 4294967295, 1)).startswith(
        "ERR key plus value are 536870913 bytes")
    assert rig.run("EXISTS", "k") == 0


@pytest.mark.parametrize("bit", ["2", "-1", "a", ""])
def test_bad_bits(rig, bit):
    assert str(rig.run("SETBIT", "k", 1, bit)) == "ERR bit is not an integer or out of range"


@pytest.mark.parametrize(("words", "count"), [
    ([], 26), ([0, 0], 4), ([1, 1], 6), ([0, -1], 26), ([-2, -1], 7), ([5, 30, "BIT"], 17),
    ([-8, -1, "bit"], 4), ([1, 1, "BYTE"], 6), ([4, 2], 0), ([-1, -3], 0), ([-8, -9], 0), ([100, 200], 0)])
def test_bitcount(rig, words, count):
    rig.run("SET", "k", "foobar")
    assert rig.run("BITCOUNT", "k", *words) == count


def test_bitcount_errors(rig):
    assert rig.run("BITCOUNT", "absent") == 0
    for words in (["0"], ["0", "1", "BIT", "x"], ["0", "1", "NIBBLE"]):
        assert str(rig.run("BITCOUNT", "k", *words)) == "ERR syntax error"
    assert str(rig.run("BITCOUNT", "k", "a", "1")) == NOT_INTEGER


@pytest.mark.parametrize(("value", "words", "position"), [
    (b"\xff\xf0\x00", [0], 12), (b"\x00\xff\xf0", [1], 8), (b"\x00\xff\xf0", [1, 2], 16),
    (b"\x00\x00\x00", [1], -1), (b"\xff\xff", [0], 16), (b"\xff\xff", [0, 0], 16),
    (b"\xff\xff", [0, 0, -1], -1), (b"\xff\xff", [0, 1, 1], -1), (b"", [0], -1), (b"", [1], -1),
    (b"\x00\xff\xf0", [1, 7, 15, "BIT"], 8), (b"\x00\xff\xf0", [0, 8, -1, "BIT"], 20),
    (b"\xff\xf0\x00", [1, 2, 1], -1), (b"\x00\x01", [1, -1, -1, "BIT"], 15),
    (b"\x7f", [0, -8, -9], 0), (b"\x80\x00", [1, -20, -30, "BIT"], 0)])
def test_bitpos(rig, value, words, position):
    rig.run("SET", "k", value)
    assert rig.run("BITPOS", "k", *words) == position


def test_bitpos_of_an_absent_key_and_errors(rig):
    assert rig.run("BITPOS", "absent", 0) == 0
    assert rig.run("BITPOS", "absent", 1, 5) == -1
    assert str(rig.run("BITPOS", "k", 2)) == "ERR The bit argument must be 1 or 0."
    assert str(rig.run("BITPOS", "k", "a")) == NOT_INTEGER
    assert str(rig.run("BITPOS", "k", 1, "a")) == NOT_INTEGER
    for words in ([0, 1, "x"], [0, 1, "BIT", 2]):
        assert str(rig.run("BITPOS", "k", 1, *words)) == "ERR syntax error"


@pytest.mark.parametrize(("operation", "result"), [
    ("AND", b"`bc`ab\x00"), ("or", b"goofev!"), ("XOR", b"\x07\x0d\x0c\x06\x04\x14!")])
def test_bitop(rig, operation, result):
    rig.run("MSET", "a", "foobar", "b", "abcdef!")
    assert rig.run("BITOP", operation, "to", "a", "b") == 7
    assert rig.run("GET", "to") == result


def test_bitop_not_and_absent_keys(rig):
    rig.run("MSET", "a", b"\x00\xf0", "to", "old")
    assert rig.run("BITOP", "NOT", "to", "a") == 2
    assert rig.run("GET", "to") == b"\xff\x0f"
    assert rig.run("BITOP", "AND", "to", "a", "absent") == 2
    assert rig.run("GET", "to") == b"\x00\x00"
    assert rig.run("BITOP", "OR", "to", "absent", "none") == 0
    assert rig.run("EXISTS", "to") == 0


def test_bitop_errors(rig):
    assert str(rig.run("BITOP", "NAND", "to", "a")) == "ERR syntax error"
    assert str(rig.run("BITOP", "NOT", "to", "a", "b")) == \
        "ERR BITOP NOT must be called with a single source key."
