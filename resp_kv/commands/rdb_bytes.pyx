"""The two byte-by-byte algorithms of DUMP payloads: CRC-64 and LZF decompression.

CRC-64 is the reflected "Jones" polynomial 0xad93d23594c935a9, starting at 0 and not inverted.

LZF (Marc Lehmann's liblzf): a control byte c begins each piece.

    c < 32          c + 1 literal bytes follow
    c >= 32         a copy from the output: length (c >> 5) + 2; if c >> 5 is 7, one more byte is
                    added to the length; distance ((c & 31) << 8 | next byte) + 1 backwards

A copy may overlap its own output: distance 1 repeats one byte.
"""

from libc.stdint cimport uint8_t, uint64_t
from libc.string cimport memcpy

cdef uint64_t POLYNOMIAL = 0x95ac9329ac4bc9b5   # 0xad93d23594c935a9 with its bits reversed
cdef uint64_t[256] CRC64


cdef void _fill_crc64() noexcept:
    cdef uint64_t crc
    cdef int byte, bit
    for byte in range(256):
        crc = byte
        for bit in range(8):  # no-cython-lint
            crc = (crc >> 1) ^ POLYNOMIAL if crc & 1 else crc >> 1
        CRC64[byte] = crc


_fill_crc64()


def crc64(bytes text):
    cdef const uint8_t *p = text
    cdef Py_ssize_t i, count = len(text)
    cdef uint64_t crc = 0
    for i in range(count):
        crc = CRC64[(crc ^ p[i]) & 0xff] ^ (crc >> 8)
    return crc


def lzf_decompressed(bytes text, Py_ssize_t size):
    """The `size` bytes that `text` stands for, or None when it does not."""
    cdef const uint8_t *source = text
    cdef bytearray output = bytearray(size)
    cdef uint8_t *target = output
    cdef Py_ssize_t at = 0, filled = 0, end = len(text), count, start
    while at < end:
        count = source[at] >> 5
        start = source[at] & 31
        at += 1
        if count == 0:
            count = start + 1
            if at + count > end or filled + count > size:
                return None
            memcpy(target + filled, source + at, count)
            at += count
            filled += count
            continue
        if count == 7:
            if at >= end:
                return None
            count += source[at]
            at += 1
        count += 2
        if at >= end:
            return None
        start = filled - ((start << 8) | source[at]) - 1
        at += 1
        if start < 0 or filled + count > size:
            return None
        for start in range(start, start + count):
            target[filled] = target[start]
            filled += 1
    return bytes(output) if filled == size else None
