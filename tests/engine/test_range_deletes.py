import pytest

from engine.range_deletes import NONE, RangeDeleteRecord, RangeDeletes


@pytest.mark.parametrize(
    "key, dot, hidden",
    [
        (b"b", (9, 9), True),
        (b"b\0", (9, 9), True),
        (b"a", (9, 9), False),  # before the start
        (b"d", (9, 9), False),  # the end is not included
        (b"c", (10, 4), True),  # same hlc, smaller actor
        (b"c", (10, 5), False),  # the same dot is not smaller
        (b"c", (11, 0), False),
    ],
)
def test_bounds_and_dots(key, dot, hidden):
    ranges = RangeDeletes([RangeDeleteRecord(b"b", b"d", 10, 5)])
    assert ranges.hides(key, *dot) is hidden


def test_an_empty_end_is_no_bound():
    ranges = RangeDeletes([RangeDeleteRecord(b"b", b"", 10, 0)])
    assert ranges.hides(b"\xff" * 40, 1, 0) and not ranges.hides(b"a", 1, 0)


def test_a_mask_spares_other_bytes_and_short_keys():
    ranges = RangeDeletes([RangeDeleteRecord(b"", b"", 10, 0, offset=2, byte=7)])
    assert ranges.hides(b"ab\x07x", 1, 0)
    assert not ranges.hides(b"ab\x08x", 1, 0)
    assert not ranges.hides(b"ab", 1, 0)


def test_sets_are_immutable():
    first = RangeDeleteRecord(b"a", b"b", 1, 0)
    one = NONE.added(first)
    assert len(NONE) == 0 and len(one) == 1
    assert one.added(RangeDeleteRecord(b"a", b"b", 1, 0)) is one
    two = one.added(RangeDeleteRecord(b"x", b"y", 2, 0))
    assert len(one) == 1 and [item.hlc for item in two] == [1, 2]
    assert [item.hlc for item in two.without([first])] == [2]
