import pytest

SYNTAX = "ERR syntax error"
NOT_INTEGER = "ERR value is not an integer or out of range"


def test_set_replaces_value_and_deadline(rig):
    assert rig.run("SET", "k", "1", "EX", 100) == b"OK"
    assert rig.run("SET", "k", "2") == b"OK"
    assert rig.run("GET", "k") == b"2"
    assert rig.run("TTL", "k") == -1


def test_an_absent_key_is_null(rig):
    assert rig.run("GET", "k") is None
    assert rig.send("GET", "k") == b"$-1\r\n"


def test_empty_and_binary_keys_and_values(rig):
    for key, value in ((b"", b""), (b"\x00\r\n", b"\xff\x00\r\n"), (b"k", b"\r\n$-1\r\n")):
        assert rig.run("SET", key, value) == b"OK"
        assert rig.run("GET", key) == value
        assert rig.run("STRLEN", key) == len(value)


def test_set_nx_and_xx(rig):
    assert rig.run("SET", "k", "1", "XX") is None
    assert rig.run("SET", "k", "1", "NX") == b"OK"
    assert rig.run("SET", "k", "2", "NX") is None
    assert rig.run("SET", "k", "3", "XX") == b"OK"
    assert rig.run("GET", "k") == b"3"


def test_set_get_gives_the_old_value_even_when_it_refuses(rig):
    assert rig.run("SET", "k", "1", "GET") is None
    assert rig.run("SET", "k", "2", "GET") == b"1"
    assert rig.run("SET", "k", "3", "NX", "GET") == b"2"
    assert rig.run("GET", "k") == b"2"
    assert rig.run("SET", "other", "3", "GET", "XX") is None
    assert rig.run("EXISTS", "other") == 0


def test_set_keepttl(rig):
    rig.run("SET", "k", "1", "EX", 100)
    rig.run("SET", "k", "2", "KEEPTTL")
    assert rig.run("TTL", "k") == 100
    assert rig.run("SET", "new", "1", "KEEPTTL") == b"OK"
    assert rig.run("TTL", "new") == -1


@pytest.mark.parametrize(("option", "number", "left"), [
    ("EX", 100, 100), ("PX", 100_000, 100), ("px", 1500, 2), ("pX", 1499, 1)])
def test_set_with_a_time_from_now(rig, option, number, left):
    assert rig.run("SET", "k", "v", option, number) == b"OK"
    assert rig.run("TTL", "k") == left


def test_set_with_a_unix_time(rig):
    rig.run("SET", "k", "v", "EXAT", 5_000_000_000)
    assert rig.run("PEXPIRETIME", "k") == 5_000_000_000_000
    rig.run("SET", "k", "v", "PXAT", 5_000_000_000_123)
    assert rig.run("PEXPIRETIME", "k") == 5_000_000_000_123


def test_set_with_a_time_gone_by_leaves_no_key(rig):
    rig.run("SET", "k", "old")
    assert rig.run("SET", "k", "v", "PXAT", 1) == b"OK"
    assert rig.run("EXISTS", "k") == 0


def test_a_key_is_gone_at_its_deadline(rig):
    rig.run("SET", "k", "v", "PX", 500)
    rig.advance(499)
    assert rig.run("GET", "k") == b"v"
    rig.advance(1)
    assert rig.run("GET", "k") is None


@pytest.mark.parametrize("options", [
    ("NX", "XX"), ("XX", "NX"), ("EX",), ("EX", "1", "PX", "1"), ("KEEPTTL", "EX", "1"),
    ("EX", "1", "KEEPTTL"), ("PERSIST",), ("junk",), ("",), ("EX", "10", "10")])
def test_set_with_options_that_do_not_go_together(rig, options):
    assert str(rig.run("SET", "k", "v", *options)) == SYNTAX
    assert rig.run("EXISTS", "k") == 0


@pytest.mark.parametrize(("option", "number"), [
    ("EX", "0"), ("EX", "-1"), ("PX", "0"), ("EXAT", "-5"), ("EX", "9223372036854776"),
    ("PX", "9223372036854775807"), ("EXAT", "9223372036854775807")])
def test_set_with_an_impossible_time(rig, option, number):
    assert str(rig.run("SET", "k", "v", option, number)) == "ERR invalid expire time in 'set' command"


def test_set_with_a_time_that_is_no_number(rig):
    assert str(rig.run("SET", "k", "v", "EX", "1.5")) == NOT_INTEGER
    assert str(rig.run("SET", "k", "v", "EX", "9223372036854775808")) == NOT_INTEGER


def test_getex(rig):
    assert rig.run("GETEX", "k", "EX", 10) is None
    rig.run("SET", "k", "v")
    assert rig.run("GETEX", "k") == b"v"
    assert rig.run("GETEX", "k", "EX", 10) == b"v"
    assert rig.run("TTL", "k") == 10
    assert rig.run("GETEX", "k", "PERSIST") == b"v"
    assert rig.run("TTL", "k") == -1
    assert rig.run("GETEX", "k", "PXAT", 1) == b"v"
    assert rig.run("EXISTS", "k") == 0


def test_getex_errors(rig):
    rig.run("SET", "k", "v")
    assert str(rig.run("GETEX", "k", "EX", "0")) == "ERR invalid expire time in 'getex' command"
    for options in (("PERSIST", "EX", "1"), ("EX", "1", "PERSIST"), ("NX",), ("KEEPTTL",), ("EX",)):
        assert str(rig.run("GETEX", "k", *options)) == SYNTAX
    assert rig.run("GETEX", "absent", "EX", "0") is None


def test_getdel_getset_setnx(rig):
    assert rig.run("GETSET", "k", "1") is None
    rig.run("EXPIRE", "k", 100)
    assert rig.run("GETSET", "k", "2") == b"1"
    assert rig.run("TTL", "k") == -1
    assert rig.run("SETNX", "k", "3") == 0
    assert rig.run("GETDEL", "k") == b"2"
    assert rig.run("GETDEL", "k") is None
    assert rig.run("SETNX", "k", "3") == 1


def test_setex_and_psetex(rig):
    assert rig.run("SETEX", "k", 10, "v") == b"OK"
    assert rig.run("TTL", "k") == 10
    assert rig.run("PSETEX", "k", 10_000, "w") == b"OK"
    assert rig.run("PTTL", "k") in range(9_900, 10_001)
    assert str(rig.run("SETEX", "k", 0, "v")) == "ERR invalid expire time in 'setex' command"
    assert str(rig.run("PSETEX", "k", -1, "v")) == "ERR invalid expire time in 'psetex' command"
    assert str(rig.run("SETEX", "k", "a", "v")) == NOT_INTEGER


def test_mset_and_mget(rig):
    assert rig.run("MSET", "a", "1", "b", "2", "a", "3") == b"OK"
    assert rig.run("MGET", "a", "absent", "b", "a") == [b"3", None, b"2", b"3"]
    assert str(rig.run("MSET", "a", "1", "b")) == "ERR wrong number of arguments for 'mset' command"


def test_msetnx_is_all_or_nothing(rig):
    assert rig.run("MSETNX", "a", "1", "b", "2") == 1
    assert rig.run("MSETNX", "b", "3", "c", "4") == 0
    assert rig.run("MGET", "a", "b", "c") == [b"1", b"2", None]
    assert str(rig.run("MSETNX", "a", "1", "b")) == \
        "ERR wrong number of arguments for 'msetnx' command"


def test_append_keeps_the_deadline(rig):
    assert rig.run("APPEND", "k", "ab") == 2
    rig.run("EXPIRE", "k", 100)
    assert rig.run("APPEND", "k", "cd") == 4
    assert rig.run("GET", "k") == b"abcd"
    assert rig.run("TTL", "k") == 100


def test_setrange(rig):
    assert rig.run("SETRANGE", "k", 3, "") == 0
    assert rig.run("EXISTS", "k") == 0
    assert rig.run("SETRANGE", "k", 3, "ab") == 5
    assert rig.run("GET", "k") == b"\x00\x00\x00ab"
    assert rig.run("SETRANGE", "k", 1, "xy") == 5
    assert rig.run("GET", "k") == b"\x00xyab"
    assert rig.run("SETRANGE", "k", 9, "") == 5
    assert str(rig.run("SETRANGE", "k", -1, "a")) == "ERR offset is out of range"
    assert str(rig.run("SETRANGE", "k", "a", "a")) == NOT_INTEGER


def test_a_string_longer_than_redis_allows_is_refused_with_its_text(rig):
    too_long = "ERR string exceeds maximum allowed size (proto-max-bulk-len)"
    assert str(rig.run("SETRANGE", "k", 512 * 1024 * 1024, "a")) == too_long
    assert str(rig.run("SETRANGE", "k", 9223372036854775807, "a")) == too_long


@pytest.mark.parametrize(("start", "end", "part"), [
    (0, 3, b"This"), (-3, -1, b"ing"), (0, -1, b"This is a string"), (10, 100, b"string"),
    (5, 3, b""), (-1, -3, b""), (100, 200, b""), (-100, 2, b"Thi"), (-100, -200, b""),
    (0, -100, b"T"), (-9223372036854775808, 0, b"T")])
def test_getrange_and_substr(rig, start, end, part):
    rig.run("SET", "k", "This is a string")
    assert rig.run("GETRANGE", "k", start, end) == part
    assert rig.run("SUBSTR", "k", start, end) == part


def test_getrange_of_nothing(rig):
    assert rig.run("GETRANGE", "absent", 0, -1) == b""
    rig.run("SET", "k", "")
    assert rig.run("GETRANGE", "k", 0, 0) == b""
    assert str(rig.run("GETRANGE", "k", "a", 0)) == NOT_INTEGER


LIMIT = "ERR key plus value are {} bytes, the limit is 10000 (directive max-pair-bytes); " \
        "nothing was stored"


def test_a_pair_over_the_limit_is_refused(rig):
    assert rig.run("SET", "k", "x" * 9_999) == b"OK"
    assert str(rig.run("SET", "k", "y" * 10_000)) == LIMIT.format(10_001)
    assert str(rig.run("APPEND", "k", "y")) == LIMIT.format(10_001)
    assert str(rig.run("SETRANGE", "k", 500_000_000, "y")) == LIMIT.format(500_000_002)
    assert str(rig.run("SETRANGE", "new", 9_999, "y")) == LIMIT.format(10_003)
    assert rig.run("GET", "k") == b"x" * 9_999


def test_mset_stores_nothing_when_one_pair_is_too_large(rig):
    assert str(rig.run("MSET", "a", "1", "b", "y" * 10_000)) == LIMIT.format(10_001)
    assert str(rig.run("MSETNX", "a", "1", "b", "y" * 10_000)) == LIMIT.format(10_001)
    assert rig.run("DBSIZE") == 0


def test_cold_values_are_read_from_disk(rig):
    rig.run("MSET", "a", "1", "b", "2")
    rig.flush_to_tables()
    assert rig.run("MGET", "a", "b", "c") == [b"1", b"2", None]
    assert rig.run("APPEND", "a", "2") == 2
    assert rig.run("SET", "b", "3", "GET") == b"2"
