import mmh3

from cluster.placement import Member
from cluster.ring import POINTS, TOKENS_MAX, Ring, partition_point, tokens_of

A, B, C = (Member(name, f"host-{name}", "dc1", "r1") for name in "abc")


def test_a_token_is_the_hash_of_place_name_and_number():
    assert tokens_of(A, vnodes=2) == sorted(
        mmh3.hash64(text, signed=False)[0] for text in ("dc1/r1/a#0", "dc1/r1/a#1"))


def test_tokens_follow_the_weight():
    assert len(tokens_of(A)) == 64
    assert len(tokens_of(A._replace(weight=2.5))) == 160
    assert len(tokens_of(A._replace(weight=1e-9))) == 1
    assert len(tokens_of(A._replace(weight=1e9))) == TOKENS_MAX


def test_a_heavier_member_keeps_its_tokens_and_gets_more():
    more = tokens_of(A._replace(weight=2.0))
    assert all(token in more for token in tokens_of(A))


def test_a_walk_meets_everybody_once_and_wraps_around():
    ring = Ring([A, B, C], vnodes=4)
    nearest = [(token, index) for index, tokens in enumerate(ring.tokens) for token in tokens]
    nearest.sort()
    for point in (0, nearest[3][0], nearest[3][0] + 1, nearest[-1][0] + 1, POINTS - 1):
        clockwise = [i for t, i in nearest if t >= point] + [i for t, i in nearest if t < point]
        assert ring.walk(point) == list(dict.fromkeys(clockwise))


def test_a_new_member_leaves_the_order_of_the_others():
    for partition in range(50):
        point = partition_point(partition)
        with_c = [index for index in Ring([A, B, C]).walk(point) if index != 2]
        assert Ring([A, B]).walk(point) == with_c


def test_partitions_start_all_over_the_ring():
    quarters = [0] * 4
    for partition in range(256):
        quarters[partition_point(partition) * 4 // POINTS] += 1
    assert min(quarters) > 40
