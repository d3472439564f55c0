import pytest

from cluster import levels
from cluster.levels import BadLevel
from cluster.plan import Plan


def test_who_holds_a_partition():
    plan = Plan(5, [4, 1, 7], [0, 2], ["a", "b", "a"], 1, "b")
    assert (plan.partition, plan.replicas, plan.fallbacks) == (5, (4, 1, 7), (0, 2))
    assert (plan.mine, plan.count) == (1, 3)
    assert Plan(5, [4, 1, 7], [], ["a"] * 3, 0, "a").mine == -1


def test_needs_are_made_once():
    plan = Plan(0, [0, 1, 2], [], ["a", "b", "a"], 0, "a")
    assert plan.need_of(levels.QUORUM, True) is plan.need_of(levels.QUORUM, True)
    assert plan.need_of(levels.LOCAL_ONE, False).pairs() == [(0b101, 1)]
    with pytest.raises(BadLevel):
        plan.need_of(4, False)


def test_no_more_replicas_than_bits():
    Plan(0, range(32), [], ["a"] * 32, 0, "a")
    with pytest.raises(ValueError, match="at most 32 replicas, not 33"):
        Plan(0, range(33), [], ["a"] * 33, 0, "a")
