"""Requests out of bytes: RESP arrays of bulk strings, and inline commands.

The parser owns no bytes. `parse(text, count)` looks at one command at the start of the caller's
buffer: COMPLETE leaves its words in argv (pointers into that buffer) and its length in `used`;
INCOMPLETE remembers how far it came, so that the caller may append and call again with the same
command start, wherever the buffer lies by then. No byte is looked at twice, however small the
pieces, so a large value in pieces is linear work.

Words are held as offsets until the command is complete. Limits are Redis's: 64 KB for an inline
line, `bulk_bytes_max` (proto-max-bulk-len) for a word, 1,048,576 words, and while the client is not
`trusted` (not yet authenticated) 10 words of 16 KB.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, realloc
from libc.string cimport memchr

from resp_kv.errors import ProtocolError
from resp_kv.resp.inline import split_line

cdef enum:
    LINE_BYTES_MAX = 64 * 1024
    WORDS_MAX = 1024 * 1024
    UNTRUSTED_WORDS_MAX = 10
    UNTRUSTED_BULK_MAX = 16384
    KEPT_WORDS = 1024


cdef inline bint plain_number(const char* start, const char* end, bint unfinished) noexcept nogil:
    """Whether the digits between are a number as Redis takes it: no leading zero, and some digit
    unless it is `unfinished`. So a length line is short, and never waited for in vain.
    """
    return (unfinished if end == start else start[0] != b'0' or end == start + 1)


cdef class Parser:
    def __init__(self, bulk_bytes_max=512 * 1024 * 1024, trusted=True):
        self.bulk_bytes_max, self.trusted = bulk_bytes_max, trusted
        self.bulk = -1

    def __dealloc__(self):
        free(self.argv)

    cdef void restart(self) noexcept:
        self.argc = self.remaining = self.at = self.used = self.counted = 0
        self.bulk = -1

    cdef int add(self, const char* text, Py_ssize_t size) except -1:
        cdef Py_ssize_t capacity = self.capacity
        cdef Arg* grown
        if self.argc == capacity:
            capacity = 16 if capacity == 0 else capacity * 2
            grown = <Arg*>realloc(self.argv, capacity * sizeof(Arg))
            if grown == NULL:
                raise MemoryError
            self.argv, self.capacity = grown, capacity
        self.argv[self.argc].text, self.argv[self.argc].size = text, size
        self.argc += 1
        return 0

    cdef Py_ssize_t wanted(self) noexcept:
        """Bytes from the command's start that the word under way needs at least."""
        return self.at + self.bulk + 2 if self.bulk >= 0 else 0

    cdef int parse(self, const char* text, Py_ssize_t count) except -1:
        """COMPLETE or INCOMPLETE; raises ProtocolError. COMPLETE with argc 0 is an empty command."""
        cdef long long size
        cdef Py_ssize_t i
        cdef const char* p
        cdef const char* end = text + count
        if self.used:
            self.restart()
        if self.counted == 0:
            if count == 0:
                return INCOMPLETE
            if text[0] != b'*':
                return self.parse_inline(text, count)
            if self.parse_header(text, count) == INCOMPLETE:
                return INCOMPLETE
            if self.remaining == 0:
                self.used = self.at
                return COMPLETE
        while self.remaining:
            if self.bulk < 0:
                p = text + self.at
                if p >= end:
                    return INCOMPLETE
                if p[0] != b'$':
                    raise ProtocolError(f"Protocol error: expected '$', got '{chr(p[0] & 255)}'")
                p += 1
                size = 0
                while p < end and 48 <= p[0] <= 57 and size <= self.bulk_bytes_max:
                    size = size * 10 + (p[0] - 48)
                    p += 1
                if p == end and plain_number(text + self.at + 1, p, True):
                    return INCOMPLETE
                if (p == end or p[0] != b'\r' or not plain_number(text + self.at + 1, p, False)
                        or size > self.bulk_bytes_max):
                    raise ProtocolError("Protocol error: invalid bulk length")
                if p + 1 == end:
                    return INCOMPLETE
                if size > UNTRUSTED_BULK_MAX and not self.trusted:
                    raise ProtocolError("Protocol error: unauthenticated bulk length")
                self.bulk = size
                self.at = p + 2 - text
            if count - self.at < self.bulk + 2:
                return INCOMPLETE
            self.add(<const char*>self.at, self.bulk)
            self.at += self.bulk + 2
            self.bulk = -1
            self.remaining -= 1
        for i in range(self.argc):
            self.argv[i].text = text + <Py_ssize_t>self.argv[i].text
        self.used = self.at
        return COMPLETE

    cdef int parse_header(self, const char* text, Py_ssize_t count) except -1:
        """The line '*<number of words>': sets `remaining` and `at`."""
        cdef Py_ssize_t i = 1
        cdef long long words = 0
        cdef bint negative
        if count > 1 and text[1] == b'-':
            i = 2
        negative = i == 2
        while i < count and 48 <= text[i] <= 57 and words <= WORDS_MAX:
            words = words * 10 + (text[i] - 48)
            i += 1
        if i >= count and plain_number(text + 1 + negative, text + i, True):
            return INCOMPLETE
        if (i >= count or text[i] != b'\r' or words > WORDS_MAX
                or not plain_number(text + 1 + negative, text + i, False)):
            raise ProtocolError("Protocol error: invalid multibulk length")
        if i + 1 == count:
            return INCOMPLETE
        if words > UNTRUSTED_WORDS_MAX and not negative and not self.trusted:
            raise ProtocolError("Protocol error: unauthenticated multibulk length")
        self.remaining = 0 if negative else words
        self.at = i + 2
        self.counted = 1
        self.argc = 0
        if self.capacity > KEPT_WORDS and words <= KEPT_WORDS:
            free(self.argv)
            self.argv, self.capacity = NULL, 0
        return COMPLETE

    # -- inline commands ----------------------------------------------------------------------

    cdef int parse_inline(self, const char* text, Py_ssize_t count) except -1:
        cdef const char* found = <const char*>memchr(text + self.at, b'\n', count - self.at)
        cdef Py_ssize_t size
        if found == NULL:
            if count > LINE_BYTES_MAX:
                raise ProtocolError("Protocol error: too big inline request")
            self.at = count
            return INCOMPLETE
        size = found - text
        if size > LINE_BYTES_MAX:
            raise ProtocolError("Protocol error: too big inline request")
        self.argc = 0
        self.used = size + 1
        if size and text[size - 1] == b'\r':
            size -= 1
        if memchr(text, b'"', size) == NULL and memchr(text, b"'", size) == NULL:
            self.split_plain(text, size)
        else:
            self.split_quoted(PyBytes_FromStringAndSize(text, size))
        return COMPLETE

    cdef int split_plain(self, const char* text, Py_ssize_t count) except -1:
        cdef Py_ssize_t i = 0, start
        while i < count:
            while i < count and (text[i] == 32 or 9 <= text[i] <= 13 or text[i] == 0):
                i += 1
            start = i
            while i < count and not (text[i] == 32 or 9 <= text[i] <= 13 or text[i] == 0):
                i += 1
            if i > start:
                self.add(text + start, i - start)
        return 0

    cdef int split_quoted(self, bytes line) except -1:
        words = split_line(line)
        if words is None:
            raise ProtocolError("Protocol error: unbalanced quotes in request")
        self.inline_words = words
        for word in words:
            self.add(PyBytes_AS_STRING(word), PyBytes_GET_SIZE(word))
        return 0

    # -- for tests ----------------------------------------------------------------------------

    def commands(self, bytes text):
        """(all complete commands at the start of `text` as lists of bytes, bytes they took)."""
        cdef const char* start = PyBytes_AS_STRING(text)
        cdef Py_ssize_t at = 0, count = PyBytes_GET_SIZE(text), i
        found = []
        while self.parse(start + at, count - at) == COMPLETE:
            at += self.used
            found.append([PyBytes_FromStringAndSize(self.argv[i].text, self.argv[i].size)
                          for i in range(self.argc)])
        return found, at
