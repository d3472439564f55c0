"""Keys, values and orders, the same for every store.

Keys are those of LevelDB's db_bench: 16 decimal digits. Values are like its values too: pieces of one
long text of which every 100 bytes are 50 random bytes twice, so that they compress to about a half.
Everything comes from a seed.
"""

import random
from itertools import accumulate

KEY_BYTES = 16
TEXT_BYTES = 4 << 20
PIECE_BYTES = 100


def key_of(number):
    return b"%016d" % number


def values_of(value_bytes, seed=1):
    """A list of values to be used in turn; together they are 4 MB, far more than a block."""
    source = random.Random(seed)
    text = bytearray()
    while len(text) < TEXT_BYTES + value_bytes:
        text += bytes(32 + byte % 95 for byte in source.randbytes(PIECE_BYTES // 2)) * 2
    return [
        bytes(text[at : at + value_bytes]) for at in range(0, TEXT_BYTES, max(value_bytes, 1))
    ]


class Scrambled:
    """A permutation of range(count) that needs no memory: number i -> its place."""

    def __init__(self, count):
        self.count = count
        self.bits = max(2, (count - 1).bit_length())
        self.half, self.mask = self.bits // 2, (1 << self.bits) - 1

    def __call__(self, number):
        half, mask = self.half, self.mask
        while True:                     # each round is a bijection of 2^bits: walk until it fits
            for factor in (0x9E3779B1, 0x85EBCA77):
                number ^= number >> half
                number = number * factor & mask
            number ^= number >> half
            if number < self.count:
                return number


def ascending(count):
    return map(key_of, range(count))


def permuted(count):
    """Every key once, in scattered order."""
    return map(key_of, map(Scrambled(count), range(count)))


def uniform(count, operations, seed):
    """Any key, again and again."""
    draw = random.Random(seed).random
    return (key_of(int(draw() * count)) for _ in range(operations))


def missing(count, operations, seed):
    """Keys that are not there, between those that are."""
    draw = random.Random(seed).random
    return (key_of(int(draw() * count)) + b"." for _ in range(operations))


def zipf(count, operations, seed, exponent=0.99):
    """Few keys often, many seldom, as in YCSB; the frequent ones lie scattered."""
    source = random.Random(seed)
    weights = list(accumulate((rank + 1) ** -exponent for rank in range(count)))
    place = Scrambled(count)
    while operations > 0:
        share = min(operations, 10_000)
        for rank in source.choices(range(count), cum_weights=weights, k=share):
            yield key_of(place(rank))
        operations -= share
