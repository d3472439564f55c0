"""Frames: made and split again, complete or not, and what is none. (Hostile bytes: tests/fuzz.)"""

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.wire import BadFrame, frame_of, split_frame

NUMBERS = {"request": 64, "sent_hlc": 64, "hlc": 64, "actor": 64, "deadline_ms": 64, "annotation": 64,
           "timeout_ms": 32, "level": 16, "flags": 8, "status": 8}
HEADERS = st.fixed_dictionaries({name: st.integers(0, (1 << bits) - 1) for name, bits in NUMBERS.items()})


@given(st.sampled_from("WARVFOXYTDGHICJE"), st.binary(max_size=300), st.binary(max_size=3000), HEADERS,
       st.binary(max_size=50))
def test_a_frame_comes_back(kind, key, body, header, rest):
    frame = frame_of(kind, key, body, **header)
    assert split_frame(frame + rest) == (len(frame), kind, header, key, body)


def test_a_frame_is_resp():
    reader = hiredis.Reader()
    reader.feed(frame_of("W", b"key", b"body", hlc=5))
    kind, header, key, body = reader.gets()
    assert (kind, len(header), key, body) == (b"W", 56, b"key", b"body")


def test_part_of_a_frame_is_no_frame_yet():
    frame = frame_of("W", b"key" * 5, b"body" * 30)
    for length in range(len(frame)):
        assert split_frame(frame[:length]) is None, length


def test_a_missing_field_is_nothing():
    _, _, header, key, body = split_frame(frame_of("R"))
    assert (set(header.values()), key, body) == ({0}, b"", b"")


@pytest.mark.parametrize("text", [
    b"*3\r\n$1\r\nW\r\n$56\r\n", b"PING\r\n\r\n", b"*4\r\n$2\r\nWW\r\n", b"\x00" * 8,
    frame_of("W").replace(b"$56", b"$55"), frame_of("W").replace(b"$0\r\n", b"$-1\r\n"),
    frame_of("W").replace(b"$0\r\n", b"#0\r\n"), frame_of("W").replace(b"$0\r\n", b"$\r\n\r\n"),
    frame_of("W").replace(b"$0\r\n", b"$67108865\r\n"),
    frame_of("W").replace(b"$0\r\n", b"$99999999999999999999\r\n"),
    frame_of("W").replace(b"$0\r\n", b"$0 \r\n"),
], ids=range(11))
def test_what_is_no_frame(text):
    with pytest.raises(BadFrame):
        split_frame(text + bytes(100))


def test_the_longest_part():
    """64 MB may still come; one byte more may not."""
    head = frame_of("W")[:-len(b"$0\r\n\r\n$0\r\n\r\n")]
    assert split_frame(head + b"$67108864\r\n") is None
    with pytest.raises(BadFrame, match="longer than 67108864 bytes"):
        split_frame(head + b"$67108865\r\n")


@pytest.mark.parametrize(("name", "value"), [("request", -1), ("request", 1 << 64), ("level", 1 << 16),
                                             ("flags", 256)])
def test_numbers_that_do_not_fit(name, value):
    with pytest.raises(OverflowError):
        frame_of("W", **{name: value})
