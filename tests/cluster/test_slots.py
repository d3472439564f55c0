import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.slots import slot_of, stored_key


@pytest.mark.parametrize(("key", "slot"), [
    (b"", 0),
    (b"123456789", 0x31C3),            # the check value of CRC16-XMODEM
    (b"foo", 12182),
    (b"bar", 5061),
    (b"hello", 866),
    (b"somekey", 11058),
    (b"foo{hash_tag}", 2515),
    (b"bar{hash_tag}", 2515),
    (b"hash_tag", 2515),
])
def test_slots_known_from_redis_cluster(key, slot):
    assert slot_of(key) == slot


@pytest.mark.parametrize(("key", "hashed"), [
    (b"{user1000}.following", b"user1000"),
    (b"foo{}{bar}", b"foo{}{bar}"),
    (b"foo{{bar}}zap", b"{bar"),
    (b"foo{bar}{zap}", b"bar"),
    (b"{", b"{"),
    (b"}{", b"}{"),
    (b"{}", b"{}"),
    (b"a}b{c}d", b"c"),
    (b"a{b", b"a{b"),
    (b"\x00{\xff\x00}\n", b"\xff\x00"),
])
def test_hash_tags(key, hashed):
    assert slot_of(key) == binascii.crc_hqx(hashed, 0) % 16384


@given(st.binary(max_size=60).filter(lambda key: b"{" not in key))
def test_crc_against_another_implementation(key):
    assert slot_of(key) == binascii.crc_hqx(key, 0) % 16384


def fnv1a(text):
    hash64 = 0xCBF29CE484222325
    for byte in text:
        hash64 = (hash64 ^ byte) * 0x100000001B3 % 2**64
    return hash64


@given(st.binary(max_size=60), st.integers(0, 255))
def test_a_stored_key_spelled_out(key, database):
    assert stored_key(database, key) == (
        slot_of(key).to_bytes(2, "big") + bytes([fnv1a(key) >> 56, database])
        + len(key).to_bytes(2, "big") + key)


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_order_is_slot_bucket_database_key(one, other):
    def place(database, key):
        return slot_of(key), fnv1a(key) >> 56, database, len(key), key

    for databases in ((0, 0), (0, 1), (7, 3)):
        places = [place(*pair) for pair in zip(databases, (one, other))]
        stored = [stored_key(*pair) for pair in zip(databases, (one, other))]
        assert (places[0] < places[1]) == (stored[0] < stored[1])


def test_the_longest_key():
    key = b"k" * 65529
    assert stored_key(0, key)[6:] == key
    with pytest.raises(ValueError, match="at most 65529 bytes"):
        stored_key(0, key + b"k")
