import pytest


@pytest.mark.parametrize(("value", "encoding"), [
    ("0", b"int"), ("-9223372036854775808", b"int"), ("9223372036854775808", b"embstr"),
    ("01", b"embstr"), ("", b"embstr"), ("x" * 44, b"embstr"), ("x" * 45, b"raw")])
def test_encoding(rig, value, encoding):
    rig.run("SET", "k", value)
    assert rig.run("OBJECT", "ENCODING", "k") == encoding


def test_refcount(rig):
    rig.run("MSET", "a", "9999", "b", "10000", "c", "text")
    assert [rig.run("OBJECT", "REFCOUNT", key) for key in "abc"] == [2147483647, 1, 1]


def test_idletime_counts_from_the_last_write(rig):
    rig.run("SET", "k", "v")
    assert rig.run("OBJECT", "IDLETIME", "k") == 0
    rig.advance(5_900)
    assert rig.run("OBJECT", "idletime", "k") == 5


def test_freq(rig):
    rig.run("SET", "k", "v")
    assert str(rig.run("OBJECT", "FREQ", "k")).startswith("ERR An LFU maxmemory policy is not selected")


@pytest.mark.parametrize("subcommand", ["ENCODING", "REFCOUNT", "IDLETIME", "FREQ"])
def test_an_absent_key_is_null(rig, subcommand):
    assert rig.run("OBJECT", subcommand, "absent") is None


def test_help_and_errors(rig):
    lines = rig.run("OBJECT", "HELP")
    assert lines[0] == b"OBJECT <subcommand> [<arg> [value] [opt] ...]. Subcommands are:"
    assert b"ENCODING <key>" in lines
    assert str(rig.run("OBJECT")) == "ERR wrong number of arguments for 'object' command"
    assert str(rig.run("OBJECT", "ENCODING")) == \
        "ERR wrong number of arguments for 'object|encoding' command"
    assert str(rig.run("OBJECT", "junk", "k")) == "ERR unknown subcommand 'junk'. Try OBJECT HELP."
