"""What a claim promises, one membership at a time. tests/property/test_placement.py draws many."""

import pytest

from cluster.claim import Member, Placement, claim
from cluster.shares import replica_shares
from cluster.spread import Spread

GOLDEN = "cbe eca bce ade aed cae eda ace eca eac bed deb deb bed edb ceb"
GOLDEN_JOINED = "cbe efa ebc ade aed cae eaf fac efc fac bfd deb deb bed edf ceb"


def members(text):
    """"a b@h1 c:2 d/r1 x/dc2/r1" -> members called a, b (on host h1), c (of weight 2), ..."""
    found = []
    for word in text.split():
        word, _, weight = word.partition(":")
        word, _, place = word.partition("/")
        name, _, server = word.partition("@")
        dc, _, rack = place.rpartition("/")
        found.append(Member(name, server or f"host-{name}", dc, rack, float(weight or 1)))
    return found


def lists(placement):
    """The replicas by name, one word for each partition."""
    return " ".join("".join(placement.members[i].name for i in r) for r in placement.replicas)


def loads(placement):
    return {m.name: load for m, load in zip(placement.members, placement.loads())}


def firsts(placement):
    return {m.name: count for m, count in zip(placement.members, placement.firsts())}


def moved(old, new):
    """How many replicas stand where they did not stand before."""
    before, after = ([{p.members[i].name for i in r} for r in p.replicas] for p in (old, new))
    return sum(len(now - then) for then, now in zip(before, after))


def shares(text, replication, **flags):
    found = sorted(members(text))
    spread = Spread(found, replication, **flags)
    weights = [member.weight for member in found]
    return [round(x, 3) for x in replica_shares(spread, weights)[:len(found)]]


def test_golden():
    """A change of these lists moves the data of every cluster that is founded anew."""
    placement = claim(members("a b c d e:2"), 16, 3)
    assert lists(placement) == GOLDEN
    assert loads(placement) == {"a": 8, "b": 8, "c": 8, "d": 8, "e": 16}
    assert firsts(placement) == {"a": 3, "b": 3, "c": 3, "d": 2, "e": 5}
    assert lists(claim(members("a b c d e:2 f"), 16, 3, placement)) == GOLDEN_JOINED


def test_one_node_alone_holds_everything():
    placement = claim(members("a"), 256, 3)
    assert placement.replicas == ((0,),) * 256
    assert placement.fallbacks(0) == ()


def test_the_order_of_the_list_is_irrelevant():
    some = members("a b c:3 d@h e@h f/r2 g/dc2/r1")
    assert claim(some, 64) == claim(reversed(some), 64) == claim(iter(some), 64)


def test_three_equal_nodes_share_first_places():
    placement = claim(members("a b c"), 256, 3)
    assert loads(placement) == {"a": 256, "b": 256, "c": 256}
    assert sorted(placement.firsts()) == [85, 85, 86]


def test_weights():
    placement = claim(members("a b c:2 d:4"), 256, 1)
    assert loads(placement) == {"a": 32, "b": 32, "c": 64, "d": 128}
    assert firsts(placement) == loads(placement)


def test_a_server_heavier_than_all_others_holds_one_replica_of_each_partition():
    assert shares("a b c d:100", 2) == [0.333, 0.333, 0.333, 1.0]
    placement = claim(members("a b c d:100"), 256, 2)
    assert loads(placement)["d"] == 256
    assert firsts(placement)["d"] in (248, 249)  # by weight: first places have no such bound


def test_processes_of_one_host_share_one_place():
    placement = claim(members("a@h b@h c d"), 64, 3)
    assert loads(placement) == {"a": 32, "b": 32, "c": 64, "d": 64}
    assert all(not (0 in replicas and 1 in replicas) for replicas in placement.replicas)


def test_fewer_servers_than_replicas():
    some = members("a@h b@h c@h")
    assert {len(replicas) for replicas in claim(some, 16, 3).replicas} == {1}
    local = claim(some, 16, 3, distinct_servers=False)
    assert {len(replicas) for replicas in local.replicas} == {3}


def test_counts_of_data_centres():
    some = members("a/x/r b/x/r c/x/r d/y/r e/y/r f/z/r")
    for replicas in claim(some, 64, {"x": 2, "y": 1, "nowhere": 3}).replicas:
        assert sorted(some[i].dc for i in replicas) == ["x", "x", "y"]


def test_a_number_is_spread_over_data_centres_evenly():
    some = members("a/x/r b/x/r c/x/r d/y/r e/y/r")
    placement = claim(some, 64, 3)
    for replicas in placement.replicas:
        assert sum(some[i].dc == "x" for i in replicas) in (1, 2)
    assert max(placement.loads()) <= 39
    for replicas in claim(some, 64, 4).replicas:
        assert sum(some[i].dc == "x" for i in replicas) == 2


def test_racks_are_distinct_as_long_as_there_are_enough():
    some = members("a/r1 b/r1 c/r1 d/r2 e/r2 f/r3")
    for replicas in claim(some, 64, 3).replicas:
        assert sorted(some[i].rack for i in replicas) == ["r1", "r2", "r3"]
    for replicas in claim(some, 64, 4).replicas:
        assert sorted(some[i].rack for i in replicas) in (
            ["r1", "r1", "r2", "r3"], ["r1", "r2", "r2", "r3"])


def test_nothing_moves_when_nothing_changes():
    some = members("a b:2 c d/r2 e/r2 f/dc2/r:3")
    placement = claim(some, 256, 3)
    assert claim(some, 256, 3, placement) == placement


def test_a_newcomer_gets_its_share_and_nobody_else_anything():
    old = claim(members("a b c d"), 256, 3)
    new = claim(members("a b c d e"), 256, 3, old)
    assert loads(new)["e"] in (153, 154)
    assert moved(old, new) == loads(new)["e"]
    assert sorted(new.loads())[0] >= 152 and sorted(new.loads())[-1] <= 155


def test_the_replicas_of_a_leaver_go_and_others_stay():
    old = claim(members("a b c d e"), 256, 3)
    new = claim(members("a b d e"), 256, 3, old)
    assert moved(old, new) == loads(old)["c"]
    assert new.loads() == [192] * 4


def test_more_and_fewer_replicas():
    some = members("a b c d")
    two = claim(some, 256, 2)
    three = claim(some, 256, 3, two)
    assert moved(two, three) == 256
    assert moved(three, claim(some, 256, 2, three)) == 0


def test_fallbacks_are_the_rest_other_servers_first():
    some = members("a@h1 b@h1 c@h2 d@h2 e@h3 f@h3")
    placement = claim(some, 64, 2)
    for partition, replicas in enumerate(placement.replicas):
        fallbacks = placement.fallbacks(partition)
        assert sorted(replicas + fallbacks) == list(range(6))
        servers = [some[i].server for i in replicas + fallbacks]
        assert len(set(servers[:3])) == 3  # three servers: two of replicas, then the third


def test_a_placement_from_a_document_has_the_same_fallbacks():
    placement = claim(members("a b c d e"), 16, 2)
    again = Placement(placement.members, placement.replicas)
    assert again == placement
    assert [again.fallbacks(p) for p in range(16)] == [placement.fallbacks(p) for p in range(16)]


@pytest.mark.parametrize(("text", "arguments", "error"), [
    ("", (256, 3), "needs a member"),
    ("a a", (256, 3), "two members are called a"),
    ("a:0", (256, 3), "weight of a is 0.0"),
    ("a:inf", (256, 3), "weight of a is inf"),
    ("a:nan", (256, 3), "weight of a is nan"),
    ("a", (100, 3), "power of two"),
    ("a", (256, 0), "replication must be at least 1"),
    ("a", (256, {}), "replication must be at least 1"),
    ("a", (256, {"x": 2, "y": -1}), "replication must be at least 1"),
    ("a@h/r1 b@h/r2", (256, 3), "server h is said to be in two racks: /r1 and /r2"),
])
def test_what_makes_no_sense_is_refused(text, arguments, error):
    with pytest.raises(ValueError, match=error):
        claim(members(text), *arguments)


def test_the_number_of_partitions_is_for_good():
    with pytest.raises(ValueError, match="stays 256, it cannot become 128"):
        claim(members("a"), 128, 3, claim(members("a"), 256, 3))
