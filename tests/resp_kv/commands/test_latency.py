from tests.resp_kv.commands.replies import is_error, run_all


def with_events(rig):
    rig.run("CONFIG", "SET", "latency-monitor-threshold", "5")
    rig.run("LATENCY", "RESET")
    for ms in (4, 10, 30, 20):
        rig.node.latency.note("fsync", ms)
        rig.advance(1000)
    rig.node.latency.note("flush", 7)


def test_off_by_default(rig):
    rig.node.latency.note("fsync", 1000)
    assert rig.run("LATENCY", "LATEST") == []
    assert b"off" in rig.run("LATENCY", "DOCTOR")


def test_latest_and_history(rig):
    start = rig.node.now_ms // 1000
    with_events(rig)
    assert rig.run("LATENCY", "LATEST") == [
        [b"fsync", start + 3, 20, 30], [b"flush", start + 4, 7, 7]]
    assert rig.run("LATENCY", "HISTORY", "fsync") == [
        [start + 1, 10], [start + 2, 30], [start + 3, 20]]
    assert rig.run("LATENCY", "HISTORY", "nosuch") == []


def test_of_one_second_the_worst_counts(rig):
    with_events(rig)
    for ms in (9, 50, 8):
        rig.node.latency.note("turn", ms)
    assert [sample[1] for sample in rig.run("LATENCY", "HISTORY", "turn")] == [50]


def test_history_has_an_end(rig):
    with_events(rig)
    for _ in range(500):
        rig.node.latency.note("turn", 9)
        rig.advance(1000)
    assert len(rig.run("LATENCY", "HISTORY", "turn")) == 160


def test_reset(rig):
    with_events(rig)
    assert rig.run("LATENCY", "RESET", "fsync", "nosuch") == 1
    assert rig.run("LATENCY", "RESET") == 1
    assert rig.run("LATENCY", "LATEST") == []


def test_slow_commands_are_an_event(rig):
    rig.run("CONFIG", "SET", "latency-monitor-threshold", "5")
    row = rig.node.commands[b"get"]
    rig.node.note_slow(row, 12_000, [b"GET", b"a"], rig.client.connection)
    rig.node.note_slow(row, 3_000, [b"GET", b"a"], rig.client.connection)
    assert [event[3] for event in rig.run("LATENCY", "LATEST")] == [12]


def test_the_dispatcher_listens_to_the_smaller_of_both_limits(rig):
    traffic = rig.node.traffic
    assert traffic.slow_usec == 10_000
    rig.run("CONFIG", "SET", "latency-monitor-threshold", "2")
    assert traffic.slow_usec == 2_000
    rig.run("CONFIG", "SET", "slowlog-log-slower-than", "-1", "latency-monitor-threshold", "0")
    assert traffic.slow_usec == -1


def test_graph_and_doctor(rig):
    with_events(rig)
    assert rig.run("LATENCY", "GRAPH", "fsync").startswith(b"fsync - high 30 ms, low 10 ms")
    report = rig.run("LATENCY", "DOCTOR")
    assert b"fsync: 3 samples, 20 ms on average, 30 ms at worst." in report
    assert is_error(rig.run("LATENCY", "GRAPH", "nosuch"),
                    "ERR No samples available for event 'nosuch'")


def test_histogram(rig):
    run_all(rig, "CONFIG RESETSTAT", "ECHO a", "ECHO b", "CLIENT ID")
    rig.run("HELLO", "3")
    reply = rig.run("LATENCY", "HISTOGRAM", "echo", "client", "append", "nosuch")
    assert set(reply) == {b"echo", b"client|id"}
    assert reply[b"echo"][b"calls"] == 2
    counts = reply[b"echo"][b"histogram_usec"]
    assert list(counts.values())[-1] == 2
    assert all(edge & (edge - 1) == 0 for edge in counts)       # powers of two
    assert list(counts) == sorted(counts)
    assert b"config|resetstat" in rig.run("LATENCY", "HISTOGRAM")
