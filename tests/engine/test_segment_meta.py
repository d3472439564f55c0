import struct

import pytest

from engine.segment_meta import read_index, read_meta


def index_of(places):
    ends, keys = [], b""
    for key, _, _ in places:
        keys += key
        ends.append(len(keys))
    count = len(places)
    return (
        struct.pack(f"<I{count}I", count, *ends)
        + struct.pack(f"<{count}I", *(length for _, _, length in places))
        + struct.pack(f"<{count}Q", *(offset for _, offset, _ in places))
        + keys
    )


PLACES = [(b"b", 0, 100), (b"bb", 100, 50), (b"d", 150, 60)]


def test_an_index_is_read():
    assert read_index(index_of(PLACES), 1000) == PLACES


def test_a_meta_is_a_filter_and_an_index():
    raw = struct.pack("<IB3x", 1, 7) + bytes(64) + index_of(PLACES)
    assert read_meta(raw, 1000) == (1, 7, PLACES)


@pytest.mark.parametrize("raw", [
    b"",
    struct.pack("<I", 0),
    struct.pack("<I", 2**32 - 1),
    index_of(PLACES)[:-1],
    index_of([(b"a", 990, 11)]),
    index_of([(b"a", 2**64 - 1, 11)]),
    index_of([(b"a", 0, 8)]),
    index_of([(b"a", 0, 2**31)]),
    index_of([(b"aa", 0, 10), (b"b", 10, 10)])[:4] + struct.pack("<II", 3, 2)
    + index_of([(b"aa", 0, 10), (b"b", 10, 10)])[12:],
])
def test_an_index_that_points_astray_is_refused(raw):
    with pytest.raises(ValueError):
        read_index(raw, 1000)


@pytest.mark.parametrize("raw", [
    b"",
    struct.pack("<IB3x", 2, 7) + bytes(64) + index_of(PLACES),
    struct.pack("<IB3x", 2**32 - 1, 7) + index_of(PLACES),
    struct.pack("<IB3x", 1, 8) + bytes(64) + index_of(PLACES),
])
def test_a_meta_with_a_wrong_filter_is_refused(raw):
    with pytest.raises(ValueError):
        read_meta(raw, 1000)
