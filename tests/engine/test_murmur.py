"""The inline hash against the mmh3 package."""

import random

import mmh3

from engine.memtable import hash_of


def test_every_length_agrees_with_mmh3():
    draw = random.Random(1)
    for length in range(200):
        key = draw.randbytes(length)
        assert hash_of(key) == mmh3.hash64(key, 0, True, signed=False)[0], length


def test_known_values():
    assert hash_of(b"") == 0
    assert hash_of(b"hello") == mmh3.hash64(b"hello", signed=False)[0]
