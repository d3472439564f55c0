import pytest

SAME = "ERR source and destination objects are the same"
BAD_INDEX = "ERR DB index is out of range"


@pytest.mark.parametrize("command", ["DEL", "UNLINK"])
def test_delete_counts_each_key_once(rig, command):
    rig.run("MSET", "a", "1", "b", "2")
    assert rig.run(command, "a", "a", "absent", "b") == 2
    assert rig.run("DBSIZE") == 0
    assert rig.run(command, "a") == 0


@pytest.mark.parametrize("command", ["EXISTS", "TOUCH"])
def test_count_counts_each_mention(rig, command):
    rig.run("SET", "a", "1")
    assert rig.run(command, "a", "absent", "a") == 2


def test_type(rig):
    rig.run("SET", "a", "1")
    assert rig.send("TYPE", "a") == b"+string\r\n"
    assert rig.send("TYPE", "absent") == b"+none\r\n"


def test_rename_takes_value_and_deadline_along(rig):
    rig.run("SET", "a", "1", "EX", 100)
    rig.run("SET", "b", "2")
    assert rig.run("RENAME", "a", "b") == b"OK"
    assert rig.run("GET", "b") == b"1"
    assert rig.run("TTL", "b") == 100
    assert rig.run("EXISTS", "a") == 0
    assert rig.run("RENAME", "b", "b") == b"OK"
    assert str(rig.run("RENAME", "a", "b")) == "ERR no such key"
    assert str(rig.run("RENAME", "a", "a")) == "ERR no such key"


def test_renamenx(rig):
    rig.run("MSET", "a", "1", "b", "2")
    assert rig.run("RENAMENX", "a", "b") == 0
    assert rig.run("RENAMENX", "a", "a") == 0
    assert rig.run("RENAMENX", "a", "c") == 1
    assert rig.run("MGET", "a", "b", "c") == [None, b"2", b"1"]
    assert str(rig.run("RENAMENX", "a", "c")) == "ERR no such key"


def test_a_new_name_that_makes_the_pair_too_large(rig):
    rig.run("SET", "a", "x" * 9_999)
    assert "max-pair-bytes" in str(rig.run("RENAME", "a", "longer"))
    assert rig.run("STRLEN", "a") == 9_999


def test_copy(rig):
    rig.run("SET", "a", "1", "EX", 100)
    assert rig.run("COPY", "a", "b") == 1
    assert rig.run("GET", "b") == b"1"
    assert rig.run("TTL", "b") == 100
    assert rig.run("COPY", "a", "b") == 0
    rig.run("SET", "a", "2")
    assert rig.run("COPY", "a", "b", "REPLACE") == 1
    assert rig.run("GET", "b") == b"2"
    assert rig.run("TTL", "b") == -1
    assert rig.run("COPY", "absent", "b", "REPLACE") == 0


def test_copy_to_another_database(rig):
    rig.run("SET", "a", "1")
    assert rig.run("COPY", "a", "a", "DB", 1) == 1
    assert rig.run("COPY", "a", "a", "db", 1) == 0
    assert rig.run("COPY", "a", "a", "DB", 1, "replace") == 1
    rig.run("SELECT", 1)
    assert rig.run("GET", "a") == b"1"


def test_copy_errors(rig):
    rig.run("SET", "a", "1")
    assert str(rig.run("COPY", "a", "a")) == SAME
    assert str(rig.run("COPY", "a", "b", "DB", 16)) == BAD_INDEX
    assert str(rig.run("COPY", "a", "b", "DB", -1)) == BAD_INDEX
    assert str(rig.run("COPY", "a", "b", "DB", "x")) == "ERR value is not an integer or out of range"
    assert str(rig.run("COPY", "a", "b", "DB", 4294967296)) == \
        "ERR value is out of range, value must between -2147483648 and 2147483647"
    for words in (["DB"], ["junk"], ["REPLACE", "DB"]):
        assert str(rig.run("COPY", "a", "b", *words)) == "ERR syntax error"


def test_move(rig):
    rig.run("SET", "a", "1", "EX", 100)
    assert rig.run("MOVE", "a", 1) == 1
    assert rig.run("MOVE", "a", 1) == 0
    rig.run("SET", "a", "2")
    assert rig.run("MOVE", "a", 1) == 0
    assert rig.run("GET", "a") == b"2"
    rig.run("SELECT", 1)
    assert rig.run("GET", "a") == b"1"
    assert rig.run("TTL", "a") == 100


def test_move_errors(rig):
    assert str(rig.run("MOVE", "a", 0)) == SAME
    assert str(rig.run("MOVE", "a", 99)) == BAD_INDEX
    assert str(rig.run("MOVE", "a", "x")) == "ERR value is not an integer or out of range"


def test_cold_keys(rig):
    rig.run("MSET", "a", "1", "b", "2", "c", "3")
    rig.flush_to_tables()
    assert rig.run("EXISTS", "a", "b", "absent") == 2
    assert rig.run("DEL", "a", "b", "absent") == 2
    assert rig.run("RENAME", "c", "d") == b"OK"
    rig.flush_to_tables()
    assert rig.run("MGET", "a", "b", "c", "d") == [None, None, None, b"3"]
