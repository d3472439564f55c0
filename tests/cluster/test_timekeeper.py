"""Whose clock a node goes by: data-driven, with wall and monotonic milliseconds as they come."""

import pytest

from cluster.timekeeper import Timekeeper

WALL = 1_700_000_000_000
DRIFT = 500
HOUR = 3_600_000


def keeper(members=3):
    made = Timekeeper(members, 0, DRIFT)
    assert made.now_ms(WALL, 1000) == WALL
    return made


def hear(made, mono, *clocks):
    for member, clock in enumerate(clocks, 1):
        made.heard(member, clock, mono)


@pytest.mark.parametrize(("others", "correction"), [
    ([WALL, WALL], 0),
    ([WALL + 500, WALL - 500], 0),                         # near enough
    ([WALL - HOUR, WALL], 0),                              # one other is wrong
    ([WALL - HOUR, WALL - HOUR], -HOUR),                   # we are
    ([WALL + HOUR + 100, WALL + HOUR - 100], HOUR + 100),
    ([WALL - HOUR, WALL + HOUR], 0),                       # nobody agrees with anybody
    ([WALL - HOUR], 0),                                    # one is no majority of three
    ([WALL - HOUR] * 3 + [WALL], -HOUR),
    ([WALL - HOUR] * 2 + [WALL] * 2, 0),
])
def test_the_majority_decides(others, correction):
    made = keeper(max(3, 1 + len(others)))
    hear(made, 1000, *others)
    assert made.correction_ms == correction
    assert made.now_ms(WALL + 50, 1050) == WALL + 50 + correction


@pytest.mark.parametrize("jump", [HOUR, -HOUR, 300, -300])
def test_a_clock_that_is_set_is_not_followed_at_once(jump):
    made = keeper()
    assert made.now_ms(WALL + 100 + jump, 1100) == WALL + 100
    assert made.now_ms(WALL + 200 + jump, 1200) == WALL + 200 and made.jumps == 1
    made.now_ms(WALL + 300 + jump, 1300)
    hear(made, 1300, WALL + 300, WALL + 300)
    assert made.now_ms(WALL + 400 + jump, 1400) - (WALL + 400) in (0, jump if abs(jump) <= DRIFT else 0)


def test_it_is_followed_when_the_others_show_it_too():
    """After the machine was suspended: the monotonic clock stood still, for the others time went on."""
    made = keeper()
    hear(made, 1000, WALL, WALL)
    assert made.now_ms(WALL + HOUR, 1010) == WALL + 10     # what was heard before says nothing
    assert made.heard(1, WALL + HOUR + 20, 1020)
    assert made.correction_ms == 0
    assert made.now_ms(WALL + HOUR + 30, 1030) == WALL + HOUR + 30


def test_a_clock_that_is_set_right_is_followed():
    made = keeper()
    hear(made, 1000, WALL - HOUR, WALL - HOUR)
    assert made.now_ms(WALL + 10, 1010) == WALL - HOUR + 10
    assert made.now_ms(WALL - HOUR + 20, 1020) == WALL - HOUR + 20      # on the old line, which is right
    hear(made, 1020, WALL - HOUR + 20, WALL - HOUR + 20)
    assert made.correction_ms == 0


def test_it_is_slewed_without_a_correction():
    made = keeper()
    for step in range(1, 100):
        assert made.now_ms(WALL + step * 1100, 1000 + step * 1000) == WALL + step * 1100
    assert made.jumps == 0 and made.correction_ms == 0


@pytest.mark.parametrize("frozen_ms", [5_000, 30_000, 90_000])
def test_what_comes_out_of_the_socket_after_a_freeze_is_old(frozen_ms):
    made = keeper()
    hear(made, 1000, WALL, WALL)
    now = 1000 + frozen_ms
    assert made.now_ms(WALL + frozen_ms, now) == WALL + frozen_ms
    for ago in range(frozen_ms, 0, -1000):
        hear(made, now, WALL + frozen_ms - ago, WALL + frozen_ms - ago)
        assert made.correction_ms == 0
    assert made.now_ms(WALL + frozen_ms + 10, now + 10) == WALL + frozen_ms + 10


def test_others_whose_clocks_were_set_back_are_believed_after_a_while():
    made = keeper()
    hear(made, 1000, WALL, WALL)
    for second in range(1, 70):
        made.now_ms(WALL + 1000 * second, 1000 + 1000 * second)
        hear(made, 1000 + 1000 * second, *[WALL - HOUR + 1000 * second] * 2)
    assert made.correction_ms == -HOUR


def test_a_small_difference_is_no_reason_to_move_again():
    made = keeper()
    hear(made, 1000, WALL - HOUR, WALL - HOUR)
    hear(made, 1000, WALL - HOUR + 200, WALL - HOUR + 200)
    assert made.correction_ms == -HOUR
    hear(made, 1000, WALL - HOUR + 300, WALL - HOUR + 300)
    assert made.correction_ms == -HOUR + 300


def test_old_news_counts_no_more():
    made = keeper()
    made.heard(1, WALL - HOUR, 1000)
    made.now_ms(WALL + 100_000, 101_000)
    made.heard(2, WALL + 100_000 - HOUR, 101_000)
    assert made.correction_ms == 0


def test_two_members_cannot_tell_who_is_right():
    made = Timekeeper(2, 1, DRIFT)
    made.now_ms(WALL, 1000)
    assert not made.heard(0, WALL + HOUR, 1000)
    assert made.now_ms(WALL + 10, 1010) == WALL + 10


def test_what_this_node_says_itself_is_no_evidence():
    made = keeper()
    assert not made.heard(0, WALL - HOUR, 1000)
