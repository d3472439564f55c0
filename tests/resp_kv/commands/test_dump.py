import pytest

from resp_kv.commands.rdb_bytes import crc64, lzf_decompressed

WRONG = "ERR DUMP payload version or checksum are wrong"
BAD = "ERR Bad data format"


def sealed(body, version=11):
    text = body + version.to_bytes(2, "little")
    return text + crc64(text).to_bytes(8, "little")


def test_crc64_of_the_usual_example():
    assert crc64(b"123456789") == 0xe9c6d914c4b8d9ca
    assert crc64(b"") == 0


@pytest.mark.parametrize(("value", "body"), [
    ("10", b"\x00\xc0\x0a"), ("-1", b"\x00\xc0\xff"), ("1000", b"\x00\xc1\xe8\x03"),
    ("2147483647", b"\x00\xc2\xff\xff\xff\x7f"), ("2147483648", b"\x00\x0a2147483648"),
    ("", b"\x00\x00"), ("text", b"\x00\x04text"), ("x" * 64, b"\x00\x40\x40" + b"x" * 64)])
def test_payloads(rig, value, body):
    rig.run("SET", "k", value)
    assert rig.run("DUMP", "k") == sealed(body)
    assert rig.run("RESTORE", "copy", 0, sealed(body)) == b"OK"
    assert rig.run("GET", "copy") == value.encode()


def test_dump_of_nothing(rig):
    assert rig.run("DUMP", "absent") is None


def test_a_payload_that_redis_wrote(rig):
    """Redis 7.0.15: SET k (20 times 'a'); DUMP k. It packs with LZF."""
    payload = sealed(b"\x00\xc3\x04\x14\x01aa\xe0\x09\x00\x01aa"[:4] + b"", 10)
    assert str(rig.run("RESTORE", "k", 0, payload)) == BAD
    packed = b"\x01aa\xe0\x07\x00\x01aa"
    assert lzf_decompressed(packed, 20) == b"a" * 20
    payload = sealed(b"\x00\xc3" + bytes([len(packed), 20]) + packed, 10)
    assert rig.run("RESTORE", "k", 0, payload) == b"OK"
    assert rig.run("GET", "k") == b"a" * 20


@pytest.mark.parametrize(("packed", "size"), [
    (b"", 1), (b"\x05a", 6), (b"\x20\x00", 3), (b"\x00a\x20\x01", 4), (b"\x00a\xe0", 9),
    (b"\x00a\xe0\x00", 9), (b"\x00a", 2), (b"\x01aa", 1), (b"\x00a\x20\x00", 3)])
def test_damaged_lzf(packed, size):
    assert lzf_decompressed(packed, size) is None


def test_busy_key_and_replace(rig):
    rig.run("SET", "k", "old", "EX", 100)
    payload = sealed(b"\x00\x03new")
    assert str(rig.run("RESTORE", "k", 0, payload)) == "BUSYKEY Target key name already exists."
    assert rig.run("RESTORE", "k", 0, payload, "REPLACE") == b"OK"
    assert rig.run("GET", "k") == b"new"
    assert rig.run("TTL", "k") == -1


def test_deadlines(rig):
    payload = sealed(b"\x00\x01v")
    assert rig.run("RESTORE", "a", 100_000, payload) == b"OK"
    assert rig.run("TTL", "a") == 100
    assert rig.run("RESTORE", "b", 5_000_000_000_000, payload, "ABSTTL") == b"OK"
    assert rig.run("PEXPIRETIME", "b") == 5_000_000_000_000
    assert rig.run("RESTORE", "b", 1, payload, "absttl", "replace") == b"OK"
    assert rig.run("EXISTS", "b") == 0


def test_access_times_are_checked_and_forgotten(rig):
    payload = sealed(b"\x00\x01v")
    assert rig.run("RESTORE", "a", 0, payload, "IDLETIME", 100) == b"OK"
    assert rig.run("RESTORE", "b", 0, payload, "FREQ", 255) == b"OK"
    assert str(rig.run("RESTORE", "c", 0, payload, "IDLETIME", -1)) == \
        "ERR Invalid IDLETIME value, must be >= 0"
    assert str(rig.run("RESTORE", "c", 0, payload, "FREQ", 256)) == \
        "ERR Invalid FREQ value, must be >= 0 and <= 255"
    for words in (["IDLETIME", 1, "FREQ", 1], ["FREQ"], ["junk"]):
        assert str(rig.run("RESTORE", "c", 0, payload, *words)) == "ERR syntax error"


def test_bad_times(rig):
    payload = sealed(b"\x00\x01v")
    assert str(rig.run("RESTORE", "k", -1, payload)) == "ERR Invalid TTL value, must be >= 0"
    assert str(rig.run("RESTORE", "k", "x", payload)) == "ERR value is not an integer or out of range"


def test_every_damaged_byte_is_noticed(rig):
    payload = sealed(b"\x00\x05hello")
    for at in range(len(payload)):
        damaged = payload[:at] + bytes([payload[at] ^ 1]) + payload[at + 1:]
        assert str(rig.run("RESTORE", "k", 0, damaged)) == WRONG
        assert str(rig.run("RESTORE", "k", 0, payload[:at])) == WRONG


@pytest.mark.parametrize("version", [1, 9, 10, 11, 12])
def test_versions_we_read(rig, version):
    assert rig.run("RESTORE", "k", 0, sealed(b"\x00\x01v", version)) == b"OK"


def test_a_version_of_the_future(rig):
    assert str(rig.run("RESTORE", "k", 0, sealed(b"\x00\x01v", 13))) == WRONG


@pytest.mark.parametrize("body", [
    b"", b"\x01\x01\x01a", b"\x00", b"\x00\x05hell", b"\x00\x82a", b"\x00\xc4", b"\x00\xc1\x01",
    b"\x00\x80\xff\xff\xff\xff", b"\x00\x81\xff\xff\xff\xff\xff\xff\xff\xff", b"\x00\xc3\xc0\x01\x01"])
def test_bad_formats(rig, body):
    assert str(rig.run("RESTORE", "k", 0, sealed(body))) == BAD


def test_a_value_over_the_limit_is_refused_before_it_is_unpacked(rig):
    packed = b"\x00a" + b"\xe0\xff\x00" * 10
    body = b"\x00\xc3" + bytes([len(packed)]) + b"\x80\x7f\xff\xff\xff" + packed
    assert "max-pair-bytes" in str(rig.run("RESTORE", "k", 0, sealed(body)))
    assert "max-pair-bytes" in str(rig.run("RESTORE", "k", 0, sealed(b"\x00\x67\x10" + b"x" * 10_000)))
