"""KV.CONSISTENCY on a node without others; tests/e2e/test_versions.py has it on a cluster."""

from tests.resp_kv.commands.replies import is_error, run_all

DEFAULTS = [b"READ", b"QUORUM", b"WRITE", b"QUORUM", b"SLOPPY", b"yes", b"READ-TIMEOUT", 5000,
            b"WRITE-TIMEOUT", 2000]


def test_shows_the_configuration_until_something_is_chosen(rig):
    assert rig.run("KV.CONSISTENCY") == DEFAULTS
    run_all(rig, "CONFIG SET read-consistency ONE sloppy-quorum no write-request-timeout 7")
    assert rig.run("KV.CONSISTENCY") == [
        b"READ", b"ONE", b"WRITE", b"QUORUM", b"SLOPPY", b"no", b"READ-TIMEOUT", 5000,
        b"WRITE-TIMEOUT", 7]


def test_a_choice_holds_for_this_connection_until_reset(rig):
    assert rig.run("KV.CONSISTENCY", "read", "1", "WRITE", "all", "SLOPPY", "NO", "TIMEOUT", 9) == b"OK"
    assert rig.run("KV.CONSISTENCY") == [
        b"READ", b"ONE", b"WRITE", b"ALL", b"SLOPPY", b"no", b"READ-TIMEOUT", 9, b"WRITE-TIMEOUT", 9]
    run_all(rig, "CONFIG SET read-request-timeout 11", "KV.CONSISTENCY SLOPPY yes")
    assert rig.run("KV.CONSISTENCY")[:8] == [
        b"READ", b"ONE", b"WRITE", b"ALL", b"SLOPPY", b"yes", b"READ-TIMEOUT", 9]
    assert rig.new_client().run("KV.CONSISTENCY")[:2] == [b"READ", b"QUORUM"]
    rig.run("CONFIG", "SET", "read-request-timeout", 5000)
    rig.run("RESET")
    assert rig.run("KV.CONSISTENCY") == DEFAULTS


def test_a_wrong_word_changes_nothing(rig):
    for words, text in {
        "READ ONE WRITE": "ERR syntax error", "READ ONE READ ONE": "ERR syntax error",
        "LEVEL ONE": "ERR syntax error",
        "READ ONE SLOPPY maybe": "ERR SLOPPY takes yes or no",
        "READ ONE TIMEOUT 0": "ERR TIMEOUT takes milliseconds, 1 to 600000",
        "READ ONE WRITE 2": "ERR level TWO cannot be met: this key has 1 replicas",
        "WRITE ONE READ ANY": "ERR level ANY is for writes: no hint can answer a read",
    }.items():
        assert is_error(rig.run("KV.CONSISTENCY", *words.split()), text)
    assert rig.run("KV.CONSISTENCY") == DEFAULTS


def test_not_inside_a_transaction(rig):
    rig.run("MULTI")
    assert is_error(rig.run("KV.CONSISTENCY"), "ERR Command not allowed inside a transaction")
