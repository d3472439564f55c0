import pytest

NOT_INTEGER = "ERR value is not an integer or out of range"
START_MS = 1_700_000_000_000


@pytest.fixture
def key(rig):
    rig.run("SET", "k", "v")
    return rig


def test_expire_and_the_four_ways_to_ask(key):
    assert key.run("EXPIRE", "k", 100) == 1
    assert key.run("TTL", "k") == 100
    assert key.run("PTTL", "k") in range(99_900, 100_001)
    assert key.run("PEXPIREAT", "k", 5_000_000_000_499) == 1
    assert key.run("EXPIRETIME", "k") == 5_000_000_000
    assert key.run("PEXPIRETIME", "k") == 5_000_000_000_499
    assert key.run("EXPIREAT", "k", 5_000_000_001) == 1
    assert key.run("PEXPIRETIME", "k") == 5_000_000_001_000
    assert key.run("PEXPIRE", "k", 1_500) == 1
    assert key.run("TTL", "k") in (1, 2)


def test_seconds_are_rounded(key):
    key.run("PEXPIRE", "k", 1_500)
    assert key.run("TTL", "k") == 2
    key.advance(1)
    assert key.run("TTL", "k") == 1
    assert key.run("PTTL", "k") == 1_499
    key.advance(1_499)
    assert key.run("TTL", "k") == -2


def test_without_deadline_and_without_key(key):
    for command in ("TTL", "PTTL", "EXPIRETIME", "PEXPIRETIME"):
        assert key.run(command, "k") == -1
        assert key.run(command, "absent") == -2


def test_persist(key):
    assert key.run("PERSIST", "k") == 0
    assert key.run("PERSIST", "absent") == 0
    key.run("EXPIRE", "k", 10)
    assert key.run("PERSIST", "k") == 1
    key.advance(20_000)
    assert key.run("GET", "k") == b"v"


@pytest.mark.parametrize("words", [
    ("EXPIRE", "0"), ("EXPIRE", "-1"), ("PEXPIRE", "-100"), ("EXPIREAT", "1"), ("PEXPIREAT", "0"),
    ("EXPIRE", "-9223372036854775"), ("PEXPIREAT", "-9223372036854775808")])
def test_a_deadline_gone_by_deletes(key, words):
    assert key.run(words[0], "k", words[1]) == 1
    assert key.run("EXISTS", "k") == 0
    assert key.run(words[0], "k", words[1]) == 0


def test_nx_and_xx(key):
    assert key.run("EXPIRE", "k", 100, "XX") == 0
    assert key.run("EXPIRE", "k", 100, "NX") == 1
    assert key.run("EXPIRE", "k", 200, "NX") == 0
    assert key.run("EXPIRE", "k", 200, "XX") == 1
    assert key.run("TTL", "k") == 200


def test_gt_and_lt(key):
    assert key.run("EXPIRE", "k", 100, "GT") == 0
    assert key.run("EXPIRE", "k", 100, "LT") == 1
    assert key.run("EXPIRE", "k", 100, "LT", "XX") == 0
    assert key.run("EXPIRE", "k", 50, "GT") == 0
    assert key.run("EXPIRE", "k", 200, "gt", "xx") == 1
    assert key.run("EXPIRE", "k", 300, "lt") == 0
    assert key.run("TTL", "k") == 200


@pytest.mark.parametrize("options", [("NX", "XX"), ("NX", "GT"), ("LT", "NX")])
def test_conditions_that_exclude_nx(key, options):
    assert str(key.run("EXPIRE", "k", 100, *options)) == \
        "ERR NX and XX, GT or LT options at the same time are not compatible"


def test_other_errors(key):
    assert str(key.run("EXPIRE", "k", 100, "GT", "LT")) == \
        "ERR GT and LT options at the same time are not compatible"
    assert str(key.run("EXPIRE", "k", 100, "junk")) == "ERR Unsupported option junk"
    assert str(key.run("EXPIRE", "k", "1.5")) == NOT_INTEGER


@pytest.mark.parametrize(("name", "number"), [
    ("expire", "9223372036854776"), ("expire", "-9223372036854776"), ("expire", "9223372036854775"),
    ("pexpire", "9223372036854775807"), ("expireat", "9223372036854776")])
def test_impossible_times(key, name, number):
    assert str(key.run(name, "k", number)) == f"ERR invalid expire time in '{name}' command"
    assert key.run("TTL", "k") == -1


def test_the_latest_possible_deadline(key):
    assert key.run("PEXPIREAT", "k", 9223372036854775807) == 1
    assert key.run("PEXPIRETIME", "k") == 9223372036854775807


def test_deadlines_on_disk(key):
    key.flush_to_tables()
    assert key.run("EXPIRE", "k", 100) == 1
    key.flush_to_tables()
    assert key.run("TTL", "k") == 100
    key.advance(100_000)
    assert key.run("GET", "k") is None
