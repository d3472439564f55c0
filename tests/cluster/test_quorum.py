"""Counting with bits against a slow twin that counts with sets."""

import random

import pytest

from cluster.quorum import Need


class Twin:
    """The same questions, answered with sets of positions."""

    def __init__(self, groups):
        self.groups = groups

    def is_met(self, answered):
        return all(len(answered & members) >= count for members, count in self.groups)

    def is_possible(self, answered, outstanding):
        return self.is_met(answered | outstanding)

    def counted(self, answered):
        return sum(min(len(answered & members), count) for members, count in self.groups)


def bits(positions):
    return sum(1 << position for position in positions)


def some(chosen, size):
    return {position for position in range(size) if chosen.random() < 0.5}


def test_it_agrees_with_the_twin():
    chosen = random.Random(1)
    for _ in range(50_000):
        size = chosen.randint(1, 9)
        groups = []
        for _ in range(chosen.randint(1, 3)):
            members = some(chosen, size)
            groups.append((members, chosen.randint(0, len(members))))
        need, twin = Need([(bits(members), count) for members, count in groups]), Twin(groups)
        answered, outstanding = some(chosen, size), some(chosen, size)
        assert need.is_met(bits(answered)) == twin.is_met(answered)
        assert need.is_possible(bits(answered), bits(outstanding)) == twin.is_possible(
            answered, outstanding)
        assert need.counted(bits(answered)) == twin.counted(answered)
        assert need.total == sum(count for _, count in groups)


def test_a_quorum_of_three():
    need = Need([(0b111, 2)])
    assert [need.is_met(answered) for answered in range(8)] == [
        False, False, False, True, False, True, True, True]
    assert need.is_possible(0b001, 0b100) and not need.is_possible(0b001, 0)
    assert (need.total, need.counted(0b111), need.counted(0b100)) == (2, 2, 1)
    assert need.pairs() == [(0b111, 2)]


def test_each_group_has_its_own_count():
    need = Need([(0b00111, 2), (0b11000, 2)])
    assert not need.is_met(0b00111) and not need.is_met(0b01011)
    assert need.is_met(0b11011)
    assert not need.is_possible(0b00111, 0b01000)


def test_answers_of_others_do_not_count():
    assert not Need([(0b011, 1)]).is_met(0b100)


@pytest.mark.parametrize("groups", [[], [(0b1, 2)], [(0, 1)], [(0b11, -1)]])
def test_what_can_never_be_met_is_refused(groups):
    with pytest.raises(ValueError):
        Need(groups)


def test_as_many_groups_as_there_is_room_for():
    with pytest.raises(ValueError, match="a level counts 1 to "):
        Need([(1, 1)] * 1000)
