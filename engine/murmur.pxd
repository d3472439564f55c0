"""MurmurHash3_x64_128 with seed 0, its low 64 bits: the one hash of a key in the engine.

The memtable and the bloom filters share it, so that a point read hashes its key once. Written by
Austin Appleby and put in the public domain; inline here because a call through Python's mmh3
would cost more than the lookup it serves. tests/engine/test_murmur.py compares the two.
Bytes are read little-endian, which is what every machine we run on does natively.
"""

from libc.stdint cimport uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy


cdef inline uint64_t rotate_left(uint64_t x, int by) noexcept nogil:
    return (x << by) | (x >> (64 - by))


cdef inline uint64_t finish_mix(uint64_t k) noexcept nogil:
    k ^= k >> 33
    k *= <uint64_t>0xff51afd7ed558ccd
    k ^= k >> 33
    k *= <uint64_t>0xc4ceb9fe1a85ec53
    k ^= k >> 33
    return k


cdef inline uint64_t key_hash(const char* key, uint32_t key_bytes) noexcept nogil:
    cdef uint64_t c1 = <uint64_t>0x87c37b91114253d5
    cdef uint64_t c2 = <uint64_t>0x4cf5ad432745937f
    cdef uint64_t h1 = 0, h2 = 0, k1, k2
    cdef uint32_t blocks = key_bytes >> 4, tail = key_bytes & 15, i
    for i in range(blocks):  # no-cython-lint
        memcpy(&k1, key, 8)
        memcpy(&k2, key + 8, 8)
        key += 16
        h1 ^= rotate_left(k1 * c1, 31) * c2
        h1 = (rotate_left(h1, 27) + h2) * 5 + 0x52dce729
        h2 ^= rotate_left(k2 * c2, 33) * c1
        h2 = (rotate_left(h2, 31) + h1) * 5 + 0x38495ab5
    if tail > 8:
        k2 = 0
        for i in range(8, tail):
            k2 |= <uint64_t><uint8_t>key[i] << ((i - 8) * 8)
        h2 ^= rotate_left(k2 * c2, 33) * c1
        tail = 8
    if tail:
        k1 = 0
        if tail == 8:
            memcpy(&k1, key, 8)
        else:
            for i in range(tail):
                k1 |= <uint64_t><uint8_t>key[i] << (i * 8)
        h1 ^= rotate_left(k1 * c1, 31) * c2
    h1 ^= key_bytes
    h2 ^= key_bytes
    h1 += h2
    h2 += h1
    h1 = finish_mix(h1)
    h2 = finish_mix(h2)
    return h1 + h2
