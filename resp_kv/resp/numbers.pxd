"""Decimal digits, as replies and integer values have them."""

from libc.stdint cimport int64_t, uint64_t


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
