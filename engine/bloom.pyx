"""The Bloom filter of engine/bloom.pxd for Python: tests measure its false positives with it."""

from engine.murmur cimport key_hash


cdef class BloomFilter:
    """A filter for about `keys` keys. `bytes(filter)` are the stored lines."""

    cdef bytearray lines
    cdef uint32_t count
    cdef uint8_t probes

    def __init__(self, keys, bits_per_key=10):
        self.count = bloom_lines(keys, bits_per_key)
        self.probes = bloom_probes(bits_per_key)
        self.lines = bytearray(self.count * LINE_BYTES)

    def add(self, bytes key):
        if self.count:
            bloom_add(self.lines, self.count, self.probes, key_hash(key, len(key)))

    def __contains__(self, bytes key):
        return bloom_may_hold(self.lines, self.count, self.probes, key_hash(key, len(key)))

    def __bytes__(self):
        return bytes(self.lines)
