import pytest

from resp_kv.commands import parsing
from resp_kv.errors import CommandError


@pytest.mark.parametrize("text", [b"0", b"1", b"-1", b"10", b"9223372036854775807",
                                  b"-9223372036854775808"])
def test_canonical_integers(text):
    assert parsing.integer(text) == int(text)


@pytest.mark.parametrize("text", [
    b"", b"-", b"+1", b"-0", b"00", b"01", b"-01", b" 1", b"1 ", b"1\n", b"1\x00", b"1_0", b"1.0",
    b"1e1", b"0x1", "١".encode(), b"9223372036854775808", b"-9223372036854775809", b"1" * 5000])
def test_everything_else(text):
    assert parsing.integer_or_none(text) is None
    with pytest.raises(CommandError, match="value is not an integer or out of range"):
        parsing.integer(text)
    with pytest.raises(CommandError, match="ERR my own words"):
        parsing.integer(text, "ERR my own words")


@pytest.mark.parametrize(("start", "end", "length", "within"), [
    (0, -1, 5, (0, 4)), (1, 2, 5, (1, 2)), (-2, -1, 5, (3, 4)), (0, 100, 5, (0, 4)),
    (3, 2, 5, None), (-1, -2, 5, None), (-8, -9, 5, (0, 0)), (0, 0, 0, None),
    (-100, -100, 5, (0, 0)), (5, 9, 5, None)])
def test_clamped_ranges(start, end, length, within):
    assert parsing.clamped_range(start, end, length) == within


def test_crossed_ranges():
    assert parsing.crossed(-1, -2)
    assert not parsing.crossed(-2, -1)
    assert not parsing.crossed(-1, 0)
    assert not parsing.crossed(3, 2)
