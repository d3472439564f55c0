"""CRC32C (Castagnoli, RFC 3720 appendix B.4) of bytes in memory, for code that holds no GIL.

The library is Google's, with the processor's own instructions where it has them (engine/libraries). Where
its package came without it, a table does, at a tenth of the speed.
"""

from libc.stdint cimport uint8_t, uintptr_t

from engine.libraries import addresses, crc32c_library

ctypedef uint32_t (*extend_t)(uint32_t crc, const void* at, size_t size) noexcept nogil

cdef object library = crc32c_library()
cdef uint32_t[256] table
cdef extend_t extend = by_table


cdef uint32_t crc32c(const void* at, size_t size) noexcept nogil:
    return extend(0, at, size)


cdef uint32_t by_table(uint32_t crc, const void* at, size_t size) noexcept nogil:
    cdef const uint8_t* byte = <const uint8_t*>at
    cdef size_t i
    crc = ~crc
    for i in range(size):
        crc = table[(crc ^ byte[i]) & 0xFF] ^ (crc >> 8)
    return ~crc


cdef void fill_table() noexcept:
    cdef uint32_t i, value
    for i in range(256):
        value = i
        for _ in range(8):
            value = (value >> 1) ^ (0x82F63B78 if value & 1 else 0)
        table[i] = value


fill_table()
if library is not None:
    extend = <extend_t><uintptr_t>addresses(library, ["crc32c_extend"])["crc32c_extend"]


def both_ways(bytes raw):
    """The checksum by the library, if there is one, and by the table: for a test."""
    return extend(0, <const char*>raw, len(raw)), by_table(0, <const char*>raw, len(raw))
