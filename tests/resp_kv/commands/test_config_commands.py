from tests.resp_kv.commands.replies import fields, is_error, run_all


def test_get(rig):
    assert rig.run("CONFIG", "GET", "maxclients") == [b"maxclients", b"10000"]
    assert rig.run("CONFIG", "GET", "nosuch") == []
    assert rig.run("CONFIG", "GET", "save") == [b"save", b""]
    assert rig.run("CONFIG", "GET", "appendonly") == [b"appendonly", b"yes"]
    rig.run("HELLO", "3")
    assert rig.run("CONFIG", "GET", "MAXCLIENTS") == {b"MAXCLIENTS": b"10000"}


def test_get_many_patterns_shows_each_directive_once(rig):
    reply = rig.run("CONFIG", "GET", "maxclient*", "max*s", "timeout")
    names = reply[::2]
    assert {b"maxclients", b"timeout"} <= set(names)
    assert len(names) == len(set(names))


def test_set_many_or_none(rig):
    assert rig.run("CONFIG", "SET", "maxclients", "50", "timeout", "7") == b"OK"
    assert rig.run("CONFIG", "GET", "timeout") == [b"timeout", b"7"]
    assert is_error(
        rig.run("CONFIG", "SET", "timeout", "8", "nosuch", "1"),
        "ERR Unknown option or number of arguments for CONFIG SET - 'nosuch'")
    assert rig.run("CONFIG", "GET", "timeout") == [b"timeout", b"7"]


def test_set_errors(rig):
    assert is_error(rig.run("CONFIG", "SET", "maxclients", "1", "x"), "ERR syntax error")
    assert is_error(
        rig.run("CONFIG", "SET", "maxclients", "1", "maxclients", "2"),
        "ERR CONFIG SET failed (possibly related to argument 'maxclients') - duplicate parameter")
    assert is_error(
        rig.run("CONFIG", "SET", "port", "1"),
        "ERR CONFIG SET failed (possibly related to argument 'port') - can't set immutable config")


def test_rewrite_without_a_file(rig):
    assert is_error(rig.run("CONFIG", "REWRITE"),
                    "ERR The server is running without a config file")


def test_resetstat(rig):
    run_all(rig, "GET a", "NOSUCH", "CONFIG RESETSTAT")
    text = rig.run("INFO", "stats", "commandstats", "errorstats")
    shown = fields(text)
    assert shown["keyspace_misses"] == "0"
    assert shown["total_error_replies"] == "0"
    assert [name for name in shown if name.startswith(("cmdstat_", "errorstat_"))] == [
        "cmdstat_config|resetstat"]


def test_help(rig):
    assert b"GET <parameter> [<parameter> ...]" in rig.run("CONFIG", "HELP")
    assert b"SET <parameter> <value> [<parameter> <value> ...]" in rig.run("CONFIG", "HELP")
