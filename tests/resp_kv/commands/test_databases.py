def test_flushdb_empties_one_database(rig):
    rig.run("SET", "a", "1")
    rig.run("SELECT", 1)
    rig.run("SET", "b", "2")
    assert rig.run("FLUSHDB") == b"OK"
    assert rig.run("DBSIZE") == 0
    rig.run("SELECT", 0)
    assert rig.run("GET", "a") == b"1"


def test_flushall_empties_all_of_them_also_on_disk(rig):
    rig.run("SET", "a", "1")
    rig.flush_to_tables()
    rig.run("SELECT", 1)
    rig.run("SET", "b", "2")
    assert rig.run("FLUSHALL", "async") == b"OK"
    assert rig.run("DBSIZE") == 0
    rig.run("SELECT", 0)
    assert rig.run("GET", "a") is None
    rig.run("SET", "a", "3")
    assert rig.run("GET", "a") == b"3"


def test_flush_errors(rig):
    for command in ("FLUSHDB", "FLUSHALL"):
        for words in (["x"], ["ASYNC", "SYNC"], [""]):
            assert str(rig.run(command, *words)) == "ERR syntax error"
        assert rig.run(command, "SYNC") == b"OK"


def test_swapdb_shows_other_clients_the_other_database(rig):
    other = rig.new_client()
    other.run("SELECT", 1)
    rig.run("SET", "a", "zero")
    other.run("SET", "a", "one")
    assert rig.run("SWAPDB", 0, 1) == b"OK"
    assert rig.run("GET", "a") == b"one"
    assert other.run("GET", "a") == b"zero"
    assert rig.run("SWAPDB", 1, 1) == b"OK"


def test_swapdb_errors(rig):
    assert str(rig.run("SWAPDB", "x", 0)) == "ERR invalid first DB index"
    assert str(rig.run("SWAPDB", 0, "x")) == "ERR invalid second DB index"
    assert str(rig.run("SWAPDB", 4294967296, 0)) == "ERR invalid first DB index"
    assert str(rig.run("SWAPDB", 0, 16)) == "ERR DB index is out of range"
    assert str(rig.run("SWAPDB", -1, 0)) == "ERR DB index is out of range"
