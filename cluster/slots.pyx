"""Slots, Merkle buckets and the order of keys in storage.

A key's slot is CRC16 (XMODEM polynomial 0x1021) of the key, or of its {hash tag}, modulo 16384, as
the Redis Cluster specification has it, so that cluster clients route correctly. Its bucket is one
byte of FNV-1a 64 over the whole key: the leaf of the Merkle tree.

    stored key:  slot u16 | bucket u8 | database u8 | key length u16 | key | subkey
                 (big-endian)                                        (subkey: collections, later)

Bytewise order is then slot, bucket, database, key, subkey. Partitions are runs of slots, so a
partition, a slot and a bucket each are one contiguous range: cheap to scan, stream, compare and
drop. The length before the key keeps all subkeys of a key together without escaping; that keys of
one bucket are ordered by length first harms nobody, since buckets already scatter them.
Prefixes from 0x4000 up belong to no slot: the node keeps its own records there.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memchr, memcpy

cdef uint16_t[256] CRC16
cdef uint64_t FNV_OFFSET = 0xCBF29CE484222325
cdef uint64_t FNV_PRIME = 0x100000001B3


cdef void fill_crc16() noexcept:
    cdef int byte, bit
    cdef uint16_t crc
    for byte in range(256):
        crc = <uint16_t>(byte << 8)
        for bit in range(8):  # no-cython-lint
            crc = <uint16_t>((crc << 1) ^ 0x1021) if crc & 0x8000 else <uint16_t>(crc << 1)
        CRC16[byte] = crc


fill_crc16()


cdef uint16_t crc16(const uint8_t* text, Py_ssize_t count) noexcept nogil:
    cdef uint16_t crc = 0
    cdef Py_ssize_t i
    for i in range(count):
        crc = <uint16_t>((crc << 8) ^ CRC16[((crc >> 8) ^ text[i]) & 0xFF])
    return crc


cdef uint16_t key_slot(const uint8_t* key, Py_ssize_t key_bytes) noexcept nogil:
    """Slot of a key: of the text between the first '{' and the next '}' if that is not empty."""
    cdef const uint8_t* opened = <const uint8_t*>memchr(key, 123, key_bytes)
    cdef const uint8_t* closed
    if opened != NULL:
        closed = <const uint8_t*>memchr(opened + 1, 125, key + key_bytes - opened - 1)
        if closed != NULL and closed > opened + 1:
            return crc16(opened + 1, closed - opened - 1) & (SLOTS - 1)
    return crc16(key, key_bytes) & (SLOTS - 1)


cdef uint32_t encode_key(
        uint8_t* out, int database, const uint8_t* key, uint32_t key_bytes) noexcept nogil:
    """Write the stored key of `key` to `out` (PREFIX_BYTES + key_bytes long); return its length."""
    cdef uint16_t slot = key_slot(key, key_bytes)
    cdef uint64_t hash64 = FNV_OFFSET
    cdef uint32_t i
    for i in range(key_bytes):
        hash64 = (hash64 ^ key[i]) * FNV_PRIME
    out[0] = <uint8_t>(slot >> 8)
    out[1] = <uint8_t>slot
    out[2] = <uint8_t>(hash64 >> 56)
    out[3] = <uint8_t>database
    out[4] = <uint8_t>(key_bytes >> 8)
    out[5] = <uint8_t>key_bytes
    memcpy(out + PREFIX_BYTES, key, key_bytes)
    return PREFIX_BYTES + key_bytes


def slot_of(bytes key):
    """Slot 0..16383 of a key, hash tags respected."""
    return key_slot(<const uint8_t*>PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key))


def stored_key(int database, bytes key):
    """The stored key of `key` in physical database 0..255, as bytes. The key has at most 65,529 bytes."""
    cdef Py_ssize_t size = PyBytes_GET_SIZE(key)
    if size > KEY_BYTES_MAX:
        raise ValueError(f"a key has at most {KEY_BYTES_MAX} bytes, not {size}")
    cdef bytes prefix_and_key = bytes(PREFIX_BYTES + size)
    encode_key(<uint8_t*>PyBytes_AS_STRING(prefix_and_key), database,
               <const uint8_t*>PyBytes_AS_STRING(key), <uint32_t>size)
    return prefix_and_key
