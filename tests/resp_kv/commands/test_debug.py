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
    assert rig.run("DEBUG", "HELP")[1] == b"OBJECT <key>"
