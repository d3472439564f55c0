import pytest

from tests.resp_kv.commands.replies import is_error


def test_object(rig):
    rig.run("SET", "a", "12345")
    rig.advance(3000)
    line = rig.run("DEBUG", "OBJECT", "a")
    assert line.startswith(b"Value at:0x0 refcount:1 encoding:int serializedlength:5 lru:")
    assert b" lru_seconds_idle:3 " in line
    assert is_error(rig.run("DEBUG", "OBJECT", "nosuch"), "ERR no such key")


@pytest.mark.parametrize("name", ["SLEEP", "jmap", "SEGFAULT", "RELOAD", "PANIC", "OOM"])
def test_what_harms_is_refused(rig, name):
    assert str(rig.run("DEBUG", name, "0")).startswith(
        f"ERR DEBUG {name.upper()} is refused by resp-kv: ")


def test_unknown(rig):
    assert is_error(rig.run("DEBUG", "FOO"), "ERR unknown subcommand or wrong number of arguments "
                                             "for 'FOO'. Try DEBUG HELP.")
    assert b"OBJECT <key>" in rig.run("DEBUG", "HELP")


def test_an_error_on_demand(rig):
    """Test suites of clients ask for the errors that they treat specially."""
    assert is_error(rig.run("DEBUG", "ERROR", "LOADING fake message"), "LOADING fake message")
    assert rig.send("DEBUG", "ERROR", "ERR two\r\nlines") == b"-ERR two  lines\r\n"
