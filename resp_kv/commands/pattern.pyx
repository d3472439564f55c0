"""Glob patterns as KEYS, SCAN and CONFIG GET use them, with Redis's reading of every odd case.

    *       any bytes, or none            [abc] [a-z] [^a]    one byte of a set, or not of it
    ?       one byte                      \\x                 the byte x itself

A set that is not closed ends with the pattern; a range may be given in either order and compares
*signed* bytes; a backslash at the very end stands for itself; an empty string is matched by an
empty pattern only, not even by "*".

Only the last star is ever worth going back to: if what follows it cannot be found, letting an
earlier star take more would not help. So the time is at most pattern length times string length.
"""


def matches(bytes pattern, bytes text):
    """Whether the whole of `text` matches the whole of `pattern`."""
    return _matches(pattern, len(pattern), text, len(text))


cdef bint _matches(const char *pattern, Py_ssize_t size, const char *text, Py_ssize_t length) nogil:
    cdef Py_ssize_t p = 0, t = 0, star = -1, resume = 0, after
    if length == 0:
        return size == 0
    while t < length:
        if p < size and pattern[p] == b"*":
            star, resume = p, t
            p += 1
            continue
        after = _one(pattern, p, size, text[t]) if p < size else -1
        if after >= 0:
            p = after
            t += 1
            continue
        if star < 0:
            return False
        resume += 1
        p, t = star + 1, resume
    while p < size and pattern[p] == b"*":
        p += 1
    return p == size


cdef Py_ssize_t _one(const char *pattern, Py_ssize_t p, Py_ssize_t size, char byte) noexcept nogil:
    """Where the pattern goes on after the part at `p` (no star) took `byte`, or -1."""
    if pattern[p] == b"?":
        return p + 1
    if pattern[p] == b"[":
        return _set(pattern, p + 1, size, byte)
    if pattern[p] == b"\\" and p + 1 < size:
        p += 1
    return p + 1 if pattern[p] == byte else -1


cdef Py_ssize_t _set(const char *pattern, Py_ssize_t p, Py_ssize_t size, char byte) noexcept nogil:
    """The same for a set whose inside begins at `p`."""
    cdef bint inverted = p < size and pattern[p] == b"^", found = False
    cdef char low, high
    if inverted:
        p += 1
    while p < size and pattern[p] != b"]":
        if pattern[p] == b"\\" and p + 1 < size:
            p += 1
            found |= pattern[p] == byte
        elif p + 2 < size and pattern[p + 1] == b"-":
            low, high = pattern[p], pattern[p + 2]
            if low > high:
                low, high = high, low
            found |= low <= byte <= high
            p += 2
        else:
            found |= pattern[p] == byte
        p += 1
    if found == inverted:
        return -1
    return p + 1 if p < size else size
