from tests.resp_kv.commands.replies import is_error


def test_usage_grows_with_key_and_value(rig):
    rig.run("SET", "a", "1")
    rig.run("SET", "longer", "x" * 1000)
    small, large = rig.run("MEMORY", "USAGE", "a"), rig.run("MEMORY", "USAGE", "longer")
    assert large - small == 999 + 5
    assert rig.run("MEMORY", "USAGE", "a", "SAMPLES", "0") == small
    assert rig.run("MEMORY", "USAGE", "nosuch") is None


def test_usage_errors(rig):
    for words in (("SAMPLES",), ("SAMPLES", "-1"), ("FOO", "1")):
        assert is_error(rig.run("MEMORY", "USAGE", "a", *words), "ERR syntax error")
    assert is_error(rig.run("MEMORY", "USAGE", "a", "SAMPLES", "x"),
                    "ERR value is not an integer or out of range")


def test_stats(rig, monkeypatch):
    monkeypatch.setattr(rig.node.host, "key_counts", lambda: {0: (3, 0, 0), 5: (1, 1, 9)},
                        raising=False)
    rig.run("HELLO", "3")
    stats = rig.run("MEMORY", "STATS")
    assert stats[b"keys.count"] == 4
    assert isinstance(stats[b"dataset.percentage"], float)
    assert stats[b"peak.allocated"] >= stats[b"total.allocated"]


def test_texts(rig):
    assert rig.run("MEMORY", "PURGE") == b"OK"
    assert rig.run("MEMORY", "MALLOC-STATS") == b"Stats not supported for the current allocator"
    assert b"memtable-bytes" in rig.run("MEMORY", "DOCTOR")
    assert b"USAGE <key> [SAMPLES <count>]" in rig.run("MEMORY", "HELP")
