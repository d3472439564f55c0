from collections import Counter

import pytest


def fill(rig, count, form="key:{}"):
    names = [form.format(number).encode() for number in range(count)]
    for start in range(0, count, 100):
        rig.run("MSET", *[word for name in names[start:start + 100] for word in (name, "v")])
    return names


def walk(rig, *options):
    cursor, found, calls = b"0", [], 0
    while True:
        cursor, keys = rig.run("SCAN", cursor, *options)
        found += keys
        calls += 1
        if cursor == b"0":
            return found, calls


@pytest.mark.parametrize("cold", [False, True])
def test_a_walk_finds_every_key_once(rig, cold):
    names = fill(rig, 1500)
    if cold:
        rig.flush_to_tables()
    for options in ([], ["COUNT", 1], ["COUNT", 700], ["COUNT", 9223372036854775807]):
        found, calls = walk(rig, *options)
        assert sorted(found) == sorted(names)
        assert calls == 1 if options[1:] == [9223372036854775807] else calls > 1


def test_what_is_there_throughout_is_found_in_spite_of_writes(rig):
    names = fill(rig, 300)
    rig.run("MSET", *[word for i in range(200) for word in (f"gone:{i}", "v")])
    cursor, found, turn = b"0", set(), 0
    while True:
        cursor, keys = rig.run("SCAN", cursor)
        found.update(keys)
        rig.run("DEL", f"gone:{turn}")
        rig.run("SET", f"new:{turn}", "v")
        turn += 1
        if cursor == b"0":
            break
    assert found >= set(names)


def test_match_and_type(rig):
    fill(rig, 120)
    assert sorted(walk(rig, "MATCH", "key:11?")[0]) == [b"key:11%d" % i for i in range(10)]
    assert len(walk(rig, "match", "*", "count", 7)[0]) == 120
    assert len(walk(rig, "TYPE", "STRING")[0]) == 120
    assert walk(rig, "TYPE", "list")[0] == []


@pytest.mark.parametrize("cursor", ["a", "-", "1 ", " 1", "18446744073709551616", "1.0"])
def test_bad_cursors(rig, cursor):
    assert str(rig.run("SCAN", cursor)) == "ERR invalid cursor"


@pytest.mark.parametrize("cursor", ["18446744073709551615", "4194304", "-1", "", "+0"])
def test_cursors_that_no_reply_gave(rig, cursor):
    rig.run("SET", "a", "1")
    following, keys = rig.run("SCAN", cursor)
    assert following == b"0"
    assert keys == ([b"a"] if cursor in ("", "+0") else [])


def test_scan_errors(rig):
    for words in (["COUNT"], ["COUNT", 0], ["COUNT", -1], ["junk"], ["MATCH"], ["TYPE"], ["x", "y"]):
        assert str(rig.run("SCAN", 0, *words)) == "ERR syntax error"
    assert str(rig.run("SCAN", 0, "COUNT", "x")) == "ERR value is not an integer or out of range"


def test_keys(rig):
    assert rig.run("KEYS", "*") == []
    names = fill(rig, 1200)
    assert sorted(rig.run("KEYS", "*")) == sorted(names)
    assert rig.run("KEYS", "key:7[^0-8]") == [b"key:79"]
    rig.flush_to_tables()
    assert sorted(rig.run("KEYS", "key:110?")) == [b"key:110%d" % i for i in range(10)]


def test_databases_are_apart(rig):
    fill(rig, 50)
    rig.run("SELECT", 3)
    fill(rig, 20, "other:{}")
    assert len(rig.run("KEYS", "*")) == rig.run("DBSIZE") == len(walk(rig)[0]) == 20
    assert rig.run("RANDOMKEY").startswith(b"other:")


def test_expired_keys_are_not_listed(rig):
    fill(rig, 10)
    rig.run("SET", "short", "v", "PX", 10)
    assert rig.run("DBSIZE") == 11
    rig.advance(10)
    assert rig.run("DBSIZE") == len(rig.run("KEYS", "*")) == len(walk(rig)[0]) == 10


def test_dbsize_follows_writes_and_deletes(rig):
    fill(rig, 300)
    rig.flush_to_tables()
    rig.run("DEL", "key:1", "key:2")
    rig.run("SET", "key:3", "again")
    assert rig.run("DBSIZE") == 298


def test_randomkey_of_nothing(rig):
    assert rig.run("RANDOMKEY") is None


@pytest.mark.parametrize("cold", [False, True])
def test_randomkey_is_roughly_uniform(rig, cold):
    names = fill(rig, 40)
    if cold:
        rig.flush_to_tables()
    counts = Counter(rig.run("RANDOMKEY") for _ in range(4000))
    assert set(counts) == set(names)
    assert max(counts.values()) < 170       # 100 expected, 7 standard deviations


def test_randomkey_among_many_reaches_most_of_them(rig):
    fill(rig, 1000)
    counts = Counter(rig.run("RANDOMKEY") for _ in range(4000))
    assert len(counts) > 900                # 982 expected
    assert max(counts.values()) < 30
