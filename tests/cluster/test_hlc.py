import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.hlc import Clock, ClockDrift, wall_ms

NOW = 1_700_000_000_000


def test_a_stamp_tells_the_time():
    clock = Clock(NOW)
    assert wall_ms(clock.stamp()) == NOW
    clock.now_ms += 5
    assert clock.stamp() == (NOW + 5) << 16


def test_stamps_of_one_millisecond_count_up():
    clock = Clock(NOW)
    assert [clock.stamp() - (NOW << 16) for _ in range(3)] == [0, 1, 2]


def test_a_busy_millisecond_runs_into_the_next():
    clock = Clock(NOW, last=(NOW << 16) + 65535)
    assert clock.stamp() == (NOW + 1) << 16
    clock.now_ms += 1
    assert clock.stamp() == ((NOW + 1) << 16) + 1


def test_a_wall_clock_that_jumps_back_does_not_take_the_stamps_along():
    clock = Clock(NOW)
    before = clock.stamp()
    clock.now_ms = NOW - 1_000_000
    assert clock.stamp() == before + 1


def test_what_was_seen_is_passed():
    clock = Clock(NOW)
    clock.observe((NOW + 400) << 16)
    assert clock.stamp() == ((NOW + 400) << 16) + 1
    clock.observe(5)
    assert clock.stamp() == ((NOW + 400) << 16) + 2


def test_a_clock_too_far_ahead_is_refused_and_leaves_no_trace():
    clock = Clock(NOW, drift_ms_max=500)
    clock.observe((NOW + 500) << 16)
    with pytest.raises(ClockDrift, match="501 ms ahead.*max-clock-drift 500 ms"):
        clock.observe((NOW + 501) << 16)
    assert clock.last == (NOW + 500) << 16


def test_what_is_on_disk_counts_however_far_ahead():
    clock = Clock(NOW)
    clock.recover((NOW + 10**9) << 16)
    assert wall_ms(clock.stamp()) == NOW + 10**9
    clock.recover(5)
    assert wall_ms(clock.stamp()) == NOW + 10**9


@given(st.lists(st.tuples(st.sampled_from(["tick", "time", "observe"]),
                          st.integers(-1000, 1000)), max_size=60))
def test_stamps_only_grow_past_everything_seen(history):
    clock = Clock(NOW)
    past = 0
    for what, amount in history:
        if what == "time":
            clock.now_ms += amount
        elif what == "observe":
            seen = max(0, (clock.now_ms + amount) << 16)
            try:
                clock.observe(seen)
                past = max(past, seen)
            except ClockDrift:
                assert amount > 500
        else:
            stamp = clock.stamp()
            assert stamp > past
            past = stamp
