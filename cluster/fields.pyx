"""Numbers and dots as states and contexts store them, and a reader that never passes the end.

    number := LEB128, seven bits a byte, least significant first, at most ten bytes, the shortest form
    dot    := hlc:u64 actor:u64, little-endian; the hlc is not 0

A reader consumes from `Input` and raises Malformed where the bytes do not follow the grammar. Writers
know beforehand how much they will write, so they only advance.
"""


class Malformed(ValueError):
    """Bytes that do not follow the grammar; the text says what is wrong."""


cdef uint8_t take_byte(Input* source) except? 0:
    if source.at == source.end:
        raise Malformed("cut short")
    source.at += 1
    return source.at[-1]


cdef uint64_t take_u64(Input* source) except? 0:
    cdef uint64_t number = 0
    cdef int i
    if source.end - source.at < 8:
        raise Malformed("cut short")
    for i in range(8):
        number |= <uint64_t>source.at[i] << (8 * i)
    source.at += 8
    return number


cdef int take_dot(Input* source, Dot* out) except -1:
    """A dot; its hlc is never 0, which stands for "none"."""
    out.hlc = take_u64(source)
    out.actor = take_u64(source)
    if out.hlc == 0:
        raise Malformed("a dot without a timestamp")
    return 0


cdef uint64_t take_number(Input* source) except? 0:
    cdef uint64_t number = 0
    cdef uint8_t byte
    cdef int shift
    for shift in range(0, 64, 7):
        byte = take_byte(source)
        if (shift == 63 and byte > 1) or (byte == 0 and shift > 0):
            break
        number |= <uint64_t>(byte & 0x7F) << shift
        if byte < 0x80:
            return number
    raise Malformed("a number that is too long")


cdef Py_ssize_t take_count(Input* source, Py_ssize_t bytes_each) except -1:
    """A count of things of at least `bytes_each`: never more than the remaining bytes can hold."""
    cdef uint64_t count = take_number(source)
    if count > <uint64_t>((source.end - source.at) // bytes_each):
        raise Malformed(f"{count} entries do not fit into {source.end - source.at} bytes")
    return <Py_ssize_t>count


cdef char* put_u64(char* at, uint64_t number) noexcept nogil:
    cdef int i
    for i in range(8):
        at[i] = <char>(number >> (8 * i))
    return at + 8


cdef char* put_dot(char* at, Dot dot) noexcept nogil:
    return put_u64(put_u64(at, dot.hlc), dot.actor)


cdef char* put_number(char* at, uint64_t number) noexcept nogil:
    while number >= 0x80:
        at[0] = <char>(number | 0x80)
        at += 1
        number >>= 7
    at[0] = <char>number
    return at + 1


cdef int number_bytes(uint64_t number) noexcept nogil:
    cdef int count = 1
    while number >= 0x80:
        count += 1
        number >>= 7
    return count
