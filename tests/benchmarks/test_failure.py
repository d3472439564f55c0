"""The failure benchmark's arithmetic: what it makes of what clients saw."""

import xml.etree.ElementTree

import pytest

from benchmarks.failure import measure, report
from benchmarks.failure.load import ERROR, OK, UNKNOWN, WRONG, History, Result, whole_reply
from benchmarks.failure.picture import picture


def result_of(*commands):
    """`commands` are (ended, latency, node, outcome)."""
    result = Result(0.0)
    for ended_s, latency_s, node, outcome in commands:
        result.ended_s.append(ended_s)
        result.latency_s.append(latency_s)
        result.node.append(node)
        result.outcome.append(outcome)
        if outcome != OK:
            result.texts.append((ended_s, node, outcome, "text"))
    return result


@pytest.fixture
def outage():
    """100 commands a second; none from 5 to 6.5 s, 50 a second after that, until 10 s."""
    return result_of(*((at / 100, 0.001, at % 3, OK) for at in range(1000)
                       if at < 500 or (at >= 650 and at % 2 == 0)))


def test_how_long_until_throughput_is_back(outage):
    found = measure.recovery(outage, 5.0, 10.0)
    assert found["before"] == pytest.approx(100) and found["capacity"] == pytest.approx(50)
    assert found["back_s"] == pytest.approx(1.5) and found["below_s"] == pytest.approx(1.5)
    assert found["lowest"] == 0


def test_latency_leaves_out_the_node_that_is_struck():
    result = result_of((1.0, 0.1, 0, OK), (1.0, 0.9, 1, OK), (1.0, 0.2, 2, OK), (9.0, 0.5, 0, OK))
    found = measure.latency(result, 0.0, 5.0, without=1)
    assert found["max"] == pytest.approx(200) and found["p50"] == pytest.approx(200)


def test_only_what_was_in_flight_at_the_victim_is_no_error():
    result = result_of((1.0, 0.1, 1, UNKNOWN), (1.0, 0.1, 0, UNKNOWN), (1.0, 0.1, 1, ERROR),
                       (1.0, 0.1, 0, WRONG))
    own, errors, stale = measure.failures(result, victim=1)
    assert (own, len(errors), len(stale)) == (1, 2, 1)


def test_what_is_lost():
    history = History({b"a": 5, b"b": 5, b"c": 5}, {b"a": 6, b"b": 6, b"c": 6}, {b"c": {3}})
    assert measure.lost(history, {b"a": 6, b"b": 4, b"c": 3}) == [b"b"]


@pytest.mark.parametrize("text, whole", [
    (b"+OK\r\n", True), (b"+OK", False), (b"$-1\r\n", True), (b"$3\r\nab", False), (b"$3\r\nabc\r\n", True)])
def test_replies(text, whole):
    assert whole_reply(text) == (text if whole else None)


def test_the_picture_is_well_formed(outage):
    text = picture("kill, one of 3 nodes", (outage, 5.0, 10.0), (outage, 5.0, 10.0), 1)
    assert xml.etree.ElementTree.fromstring(text).tag.endswith("svg")


def test_what_was_missed_is_said():
    row = {"fault": "kill", "nodes": 3, "lost": 2, "stale": [], "errors": ["x"], "back_s": None,
           "normal_ms": {"p99.9": 1.0}, "fault_ms": {"p99.9": 20.0}}
    assert len(report.missed(row)) == 4
    assert report.sparkline([0, 4, 8], 1) == "▁|▅█"
