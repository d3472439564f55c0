import hashlib

import pytest

from tests.resp_kv.commands.replies import is_error


def test_the_one_user(rig):
    assert rig.run("ACL", "WHOAMI") == b"default"
    assert rig.run("ACL", "USERS") == [b"default"]
    assert rig.run("ACL", "LIST") == [b"user default on nopass ~* &* +@all"]
    assert rig.run("ACL", "GETUSER", "nosuch") is None


def test_getuser(rig):
    rig.run("HELLO", "3")
    user = rig.run("ACL", "GETUSER", "default")
    assert sorted(user.pop(b"flags")) == [b"nopass", b"on"]
    assert user == {b"passwords": [], b"commands": b"+@all", b"keys": b"~*", b"channels": b"&*",
                    b"selectors": []}


def test_a_password_is_shown_as_its_hash(rig):
    rig.run("CONFIG", "SET", "requirepass", "secret")
    hashed = hashlib.sha256(b"secret").hexdigest().encode()
    assert rig.run("ACL", "LIST") == [b"user default on #" + hashed + b" ~* &* +@all"]
    assert rig.run("ACL", "GETUSER", "default")[1] == [b"on"]


def test_cat(rig):
    assert b"keyspace" in rig.run("ACL", "CAT")
    assert {b"multi", b"exec", b"watch"} <= set(rig.run("ACL", "CAT", "Transaction"))
    assert is_error(rig.run("ACL", "CAT", "foo"), "ERR Unknown category 'foo'")


def test_genpass(rig):
    assert len(rig.run("ACL", "GENPASS")) == 64
    assert len(rig.run("ACL", "GENPASS", "5")) == 2
    assert rig.run("ACL", "GENPASS") != rig.run("ACL", "GENPASS")
    for wrong in ("0", "4097"):
        assert is_error(rig.run("ACL", "GENPASS", wrong),
                        "ERR ACL GENPASS argument must be the number of bits for the output "
                        "password, a positive number up to 4096")


def test_dryrun_and_log(rig):
    assert rig.run("ACL", "DRYRUN", "default", "get", "x") == b"OK"
    assert is_error(rig.run("ACL", "DRYRUN", "x", "get", "x"), "ERR User 'x' not found")
    assert is_error(rig.run("ACL", "DRYRUN", "default", "nope"), "ERR Command 'nope' not found")
    assert rig.run("ACL", "LOG") == rig.run("ACL", "LOG", "5") == []
    assert rig.run("ACL", "LOG", "RESET") == b"OK"


@pytest.mark.parametrize("line", [
    "ACL SETUSER bob on", "ACL DELUSER bob", "ACL LOAD", "ACL SAVE"])
def test_more_users_are_refused(rig, line):
    assert "there is one user, default" in str(rig.run(*line.split()))
