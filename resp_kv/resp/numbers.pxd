"""Decimal digits, as replies and integer values have them."""

from libc.stdint cimport INT64_MAX, int64_t, uint64_t


cdef inline Py_ssize_t write_number(char* to, int64_t number) noexcept nogil:
    """Decimal digits of `number` at `to` (room for 20); returns how many characters."""
    cdef char[24] digits
    cdef Py_ssize_t count = 0, at = 0
    cdef uint64_t rest = 0 - <uint64_t>number if number < 0 else <uint64_t>number
    if number < 0:
        to[0] = b'-'
        at = 1
    while True:
        digits[count] = <char>(48 + rest % 10)
        rest //= 10
        count += 1
        if rest == 0:
            break
    while count:
        count -= 1
        to[at] = digits[count]
        at += 1
    return at


cdef inline bint parse_integer(const char* text, Py_ssize_t size, int64_t* number) noexcept nogil:
    """A 64-bit integer exactly as Redis accepts it: no blanks, no '+', no leading zeros."""
    cdef uint64_t magnitude = 0
    cdef uint64_t limit = <uint64_t>INT64_MAX
    cdef Py_ssize_t i = 0
    cdef bint negative = size > 1 and text[0] == b'-'
    cdef int digit
    if size == 1 and text[0] == b'0':
        number[0] = 0
        return True
    if negative:
        i = 1
        limit += 1
    if size == 0 or size > 20 or not 49 <= text[i] <= 57:
        return False
    while i < size:
        if not 48 <= text[i] <= 57:
            return False
        digit = text[i] - 48
        if magnitude > (limit - digit) // 10:
            return False
        magnitude = magnitude * 10 + digit
        i += 1
    number[0] = <int64_t>(0 - magnitude) if negative else <int64_t>magnitude
    return True


cdef inline int64_t relative_deadline(const char* unit, Py_ssize_t unit_bytes, const char* text,
                                      Py_ssize_t text_bytes, int64_t now_ms) noexcept nogil:
    """The absolute deadline in ms of `EX seconds` or `PX milliseconds`; 0 for anything else."""
    cdef int64_t amount
    if unit_bytes != 2 or (unit[1] | 32) != 120:
        return 0
    if not parse_integer(text, text_bytes, &amount) or amount <= 0 or amount >= <int64_t>1 << 40:
        return 0
    if (unit[0] | 32) == 101:                     # EX
        return now_ms + amount * 1000
    return now_ms + amount if (unit[0] | 32) == 112 else 0
