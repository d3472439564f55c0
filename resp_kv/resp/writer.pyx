"""Replies as bytes: RESP2 or RESP3, appended to one growing buffer per connection.

The compiled commands write straight into the buffer (`bulk`, `integer`, `ok`); all others return a
Python value (resp/values.py) and `encode` writes it. The socket side reads start[sent:size].

Source: Redis serialization protocol specification, RESP2 and RESP3.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove
from resp_kv.resp.numbers cimport write_number

from resp_kv.errors import CommandError
from resp_kv.resp.values import NO_REPLY, NULL_ARRAY, SetOf, Simple, Verbatim

cdef enum:
    FIRST_CAPACITY = 1024
    KEPT_CAPACITY = 64 * 1024
    NUMBER_ROOM = 24


cdef class ReplyBuffer:
    """Bytes [0, size) are written, of which [0, sent) are gone. Grows by doubling."""

    def __dealloc__(self):
        free(self.start)

    cdef int reserve(self, Py_ssize_t extra) except -1:
        cdef Py_ssize_t wanted = self.size + extra
        cdef Py_ssize_t capacity = self.capacity
        cdef char* grown
        if wanted <= capacity:
            return 0
        if capacity == 0:
            capacity = FIRST_CAPACITY
        while capacity < wanted:
            capacity *= 2
        grown = <char*>realloc(self.start, capacity)
        if grown == NULL:
            raise MemoryError
        self.start, self.capacity = grown, capacity
        return 0

    cdef void truncate(self, Py_ssize_t size) noexcept:
        """Take back what was written after the first `size` bytes."""
        self.size = size

    cdef void release(self) noexcept:
        """Everything is sent: start over, and give memory back after a large reply."""
        self.size = self.sent = 0
        if self.capacity > KEPT_CAPACITY:
            free(self.start)
            self.start, self.capacity = NULL, 0

    cdef void compact(self) noexcept:
        """Let go of what is sent, once that is the larger part: a reader that never quite catches up
        would make it grow for ever."""
        if self.sent >= KEPT_CAPACITY and self.sent >= self.size - self.sent:
            memmove(self.start, self.start + self.sent, self.size - self.sent)
            self.size -= self.sent
            self.sent = 0

    cdef int raw(self, const char* text, Py_ssize_t count) except -1:
        self.reserve(count)
        memcpy(self.start + self.size, text, count)
        self.size += count
        return 0

    cdef int header(self, char mark, long long number) except -1:
        """A line of a type mark and a number, such as *3 or :1."""
        cdef char* to
        self.reserve(NUMBER_ROOM)
        to = self.start + self.size
        to[0] = mark
        to += 1 + write_number(to + 1, number)
        to[0], to[1] = b'\r', b'\n'
        self.size = to + 2 - self.start
        return 0

    cdef int integer(self, long long number) except -1:
        return self.header(b':', number)

    cdef int bulk(self, const char* text, Py_ssize_t count) except -1:
        cdef char* to
        self.reserve(count + NUMBER_ROOM + 2)
        self.header(b'$', count)
        to = self.start + self.size
        memcpy(to, text, count)
        to[count], to[count + 1] = b'\r', b'\n'
        self.size += count + 2
        return 0

    cdef int null(self) except -1:
        if self.resp3:
            return self.raw(b"_\r\n", 3)
        return self.raw(b"$-1\r\n", 5)

    cdef int ok(self) except -1:
        return self.raw(b"+OK\r\n", 5)

    cdef int line(self, char mark, bytes text) except -1:
        if b"\r" in text or b"\n" in text:
            text = text.replace(b"\r", b" ").replace(b"\n", b" ")
        self.reserve(PyBytes_GET_SIZE(text) + 3)
        self.start[self.size] = mark
        self.size += 1
        self.raw(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
        return self.raw(b"\r\n", 2)

    cpdef int error(self, text) except -1:
        """An error line; `text` is str (or bytes) with its code word first."""
        return self.line(b'-', text if isinstance(text, bytes)
                         else (<str>text).encode("utf-8", "surrogateescape"))

    cdef int encode(self, object value) except -1:
        """Write any reply value. NO_REPLY writes nothing."""
        cdef type kind = type(value)
        if kind is bytes:
            return self.bulk(PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))
        if value is None:
            return self.null()
        if kind is int:
            return self.header(b':', value)
        if kind is list or kind is tuple:
            return self.encode_many(b'*', value)
        if kind is Simple:
            return self.line(b'+', value.text)
        if kind is bool:
            if self.resp3:
                return self.raw(b"#t\r\n" if value else b"#f\r\n", 4)
            return self.header(b':', value)
        if kind is str:
            return self.encode((<str>value).encode("utf-8", "surrogateescape"))
        if kind is dict:
            return self.encode_map(value)
        if kind is float:
            return self.double(value)
        if kind is set or kind is frozenset:
            return self.encode_many(b'~' if self.resp3 else b'*', value)
        if kind is SetOf:
            return self.encode_many(b'~' if self.resp3 else b'*', value.items)
        if kind is Verbatim:
            return self.verbatim(value)
        if value is NULL_ARRAY:
            return self.raw(b"_\r\n", 3) if self.resp3 else self.raw(b"*-1\r\n", 5)
        if value is NO_REPLY:
            return 0
        if isinstance(value, CommandError):
            return self.error(value.text)
        raise TypeError(f"no RESP form for {kind.__name__}")

    cdef int encode_many(self, char mark, object values) except -1:
        self.header(mark, len(values))
        for value in values:
            self.encode(value)
        return 0

    cdef int encode_map(self, dict values) except -1:
        if self.resp3:
            self.header(b'%', len(values))
        else:
            self.header(b'*', 2 * len(values))
        for name, value in values.items():
            self.encode(name)
            self.encode(value)
        return 0

    def double(self, double number):
        text = double_text(number)
        if self.resp3:
            self.line(b',', text)
        else:
            self.encode(text)
        return 0

    def verbatim(self, value):
        if not self.resp3:
            return self.encode(value.text)
        text = value.form + b":" + value.text
        self.header(b'=', len(text))
        self.raw(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))
        return self.raw(b"\r\n", 2)

    # -- for tests and callers without a socket -----------------------------------------------

    def write(self, value):
        """Append a reply value."""
        self.encode(value)

    def take(self):
        """All unsent bytes; the buffer is empty afterwards."""
        taken = PyBytes_FromStringAndSize(self.start + self.sent, self.size - self.sent) \
            if self.size else b""
        self.release()
        return taken

    @property
    def unsent_bytes(self):
        return self.size - self.sent


def double_text(number):
    """A double in the shortest form that reads back the same, whole numbers without a point."""
    if number != number:
        return b"nan"
    if number in (float("inf"), float("-inf")):
        return b"inf" if number > 0 else b"-inf"
    if number == int(number) and abs(number) < 1e17:
        return b"%d" % int(number)
    return repr(number).encode()
