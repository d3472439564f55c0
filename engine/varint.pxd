"""Numbers as the table format stores them.

A varint is LEB128: seven bits a byte, least significant first, the top bit says that more follow;
at most ten bytes. A signed number is zigzagged first, so that small ones of either sign are short.
Fixed numbers are little-endian and need no alignment.

Every reader takes the end of what it may touch and answers NULL instead of passing it.
"""

from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.string cimport memcpy

cdef enum:
    VARINT_BYTES_MAX = 10


cdef inline char* write_varint(char* at, uint64_t number) noexcept nogil:
    while number >= 0x80:
        at[0] = <char>(number | 0x80)
        at += 1
        number >>= 7
    at[0] = <char>number
    return at + 1


cdef inline const char* read_varint(const char* at, const char* end,
                                    uint64_t* number) noexcept nogil:
    cdef uint64_t found = 0
    cdef uint8_t byte
    cdef int shift = 0
    while at < end and shift < 64:
        byte = <uint8_t>at[0]
        at += 1
        if shift == 63 and byte > 1:
            return NULL                # it would not fit into 64 bits
        found |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            number[0] = found
            return at
        shift += 7
    return NULL


cdef inline uint64_t zigzag(uint64_t difference) noexcept nogil:
    return (difference << 1) ^ (0 - (difference >> 63))


cdef inline uint64_t unzigzag(uint64_t number) noexcept nogil:
    return (number >> 1) ^ (0 - (number & 1))


cdef inline uint32_t load32(const char* at) noexcept nogil:
    cdef uint32_t number
    memcpy(&number, at, 4)             # x86-64 and arm64 are both little-endian
    return number


cdef inline uint64_t load64(const char* at) noexcept nogil:
    cdef uint64_t number
    memcpy(&number, at, 8)
    return number


cdef inline void store32(char* at, uint32_t number) noexcept nogil:
    memcpy(at, &number, 4)


cdef inline void store64(char* at, uint64_t number) noexcept nogil:
    memcpy(at, &number, 8)


cdef inline uint64_t prefix64(const char* key, uint32_t key_bytes) noexcept nogil:
    """The first eight bytes as a big-endian number: it compares as the keys do, ties aside."""
    cdef uint64_t number = 0
    cdef uint32_t i
    if key_bytes >= 8:
        memcpy(&number, key, 8)
        return __builtin_bswap64(number)
    for i in range(key_bytes):
        number |= <uint64_t><uint8_t>key[i] << (56 - 8 * i)
    return number


cdef extern from *:
    uint64_t __builtin_bswap64(uint64_t number) noexcept nogil
