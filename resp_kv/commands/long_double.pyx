"""Sums of C's long double, for INCRBYFLOAT.

Redis computes in the processor's widest floating point type (80 bits on x86-64), which Python
does not have: 0.1 + 0.2 gives 0.3 there, and 0.30000000000000004 in a double.
"""

from libc.errno cimport ERANGE, errno
from libc.stdlib cimport free, malloc

cdef extern from "<math.h>" nogil:
    bint is_nan "isnan" (long double)
    bint is_infinite "isinf" (long double)

cdef extern from "<stdlib.h>" nogil:
    long double strtold(const char *text, char **end)

cdef extern from "<stdio.h>" nogil:
    int snprintf(char *text, size_t size, const char *form, ...)

cdef enum:
    TEXT_BYTES = 5120      # longer than any long double in print


def add(bytes left, bytes right):
    """The text of left + right, or None for a sum that is no finite number.

    ValueError when one of them is not the text of a number; `left` is looked at first.
    """
    cdef long double total = _parsed(left) + _parsed(right)
    if is_nan(total) or is_infinite(total):
        return None
    return _text(total)


cdef long double _parsed(bytes text) except? -1:
    cdef const char *start = text
    cdef char *end = NULL
    cdef Py_ssize_t length = len(text)
    cdef long double number
    global errno
    if length == 0 or length >= TEXT_BYTES or start[0] in b" \t\n\v\f\r":
        raise ValueError(text)
    errno = 0  # no-cython-lint
    number = strtold(start, &end)
    if end - start != length or is_nan(number):
        raise ValueError(text)
    if errno == ERANGE and (is_infinite(number) or number == 0):
        raise ValueError(text)
    return number


cdef bytes _text(long double number):
    """Seventeen decimals at most, no trailing zeros, no negative zero."""
    cdef char *buffer = <char *>malloc(TEXT_BYTES)
    if buffer == NULL:
        raise MemoryError()
    try:
        length = snprintf(buffer, TEXT_BYTES, "%.17Lf", number)
        text = buffer[:length]
    finally:
        free(buffer)
    text = text.rstrip(b"0").rstrip(b".") if b"." in text else text
    return b"0" if text == b"-0" else text
