import random

import pytest

from engine.bloom import BloomFilter


def test_every_key_that_was_added_passes():
    keys = [b"key%d" % i for i in range(5000)]
    bloom = BloomFilter(len(keys))
    for key in keys:
        bloom.add(key)
    assert all(key in bloom for key in keys)


@pytest.mark.parametrize(("bits_per_key", "share"), [(5, 0.14), (10, 0.02), (16, 0.005)])
def test_few_other_keys_pass(bits_per_key, share):
    chosen = random.Random(1)
    bloom = BloomFilter(5000, bits_per_key)
    for _ in range(5000):
        bloom.add(chosen.randbytes(12))
    false = sum(chosen.randbytes(12) in bloom for _ in range(20_000))
    assert false / 20_000 < share


def test_without_bits_everything_passes():
    bloom = BloomFilter(10, 0)
    bloom.add(b"a")
    assert b"b" in bloom
    assert bytes(bloom) == b""


def test_lines_are_whole_cache_lines():
    assert len(bytes(BloomFilter(52, 10))) == 128
