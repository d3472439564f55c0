"""Frames: what nodes say to each other, as RESP arrays of four bulk strings.

    frame  =  *4  $1 kind   $56 header   $n key   $m body
    header =  request u64 | sender's hlc u64 | hlc u64 | actor u64 | deadline ms u64
              | annotation u64 | time-out ms u32 | level u16 | flags u8 | status u8    (little-endian)

One shape for all kinds: a frame is split by looking at four lengths, without making an object, and
is still readable with redis-cli's protocol tools. What each field means in which kind is in
docs/wire-format.md; the kinds and flags are numbered in wire.pxd. A frame is one immutable bytes
object, so the same one goes to all replicas.

Anything that is not exactly this raises BadFrame: then the connection closes.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.string cimport memcpy


class BadFrame(ValueError):
    """Bytes that are no frame of this protocol."""


cdef inline Py_ssize_t digits(char* to, Py_ssize_t number) noexcept nogil:
    """`$number\\r\\n` at `to`; returns its length."""
    cdef char[24] reverse
    cdef Py_ssize_t count = 0, at = 1
    to[0] = b'$'
    while True:
        reverse[count] = <char>(48 + number % 10)
        number //= 10
        count += 1
        if number == 0:
            break
    while count:
        count -= 1
        to[at] = reverse[count]
        at += 1
    to[at], to[at + 1] = 13, 10
    return at + 2


cdef bytes make_frame(char kind, const Header* header, const char* key, Py_ssize_t key_bytes,
                      const char* body, Py_ssize_t body_bytes):
    """One whole frame."""
    cdef char[24] key_line
    cdef char[24] body_line
    cdef Py_ssize_t key_digits = digits(key_line, key_bytes)
    cdef Py_ssize_t body_digits = digits(body_line, body_bytes)
    cdef Py_ssize_t size = 16 + HEADER_BYTES + 2 + key_digits + key_bytes + 2 \
        + body_digits + body_bytes + 2
    cdef bytes frame = PyBytes_FromStringAndSize(NULL, size)
    cdef char* at = PyBytes_AS_STRING(frame)
    memcpy(at, b"*4\r\n$1\r\n", 8)
    at[8] = kind
    memcpy(at + 9, b"\r\n$56\r\n", 7)
    memcpy(at + 16, header, HEADER_BYTES)
    at += 16 + HEADER_BYTES
    at = line_end(at)
    memcpy(at, key_line, key_digits)
    memcpy(at + key_digits, key, key_bytes)
    at = line_end(at + key_digits + key_bytes)
    memcpy(at, body_line, body_digits)
    memcpy(at + body_digits, body, body_bytes)
    line_end(at + body_digits + body_bytes)
    return frame


cdef inline char* line_end(char* at) noexcept nogil:
    at[0], at[1] = 13, 10
    return at + 2


cdef Py_ssize_t take_frame(const char* text, Py_ssize_t size, Frame* out) except -1:
    """Split the frame that `text` begins with; returns its length, 0 while it is not complete.

    `out` borrows from `text`. Raises BadFrame.
    """
    cdef Py_ssize_t at = 16 + HEADER_BYTES + 2, length
    if size < at:
        if size >= 8:
            check(text, b"*4\r\n$1\r\n", 8)
        return 0
    check(text, b"*4\r\n$1\r\n", 8)
    out.kind = text[8]
    check(text + 9, b"\r\n$56\r\n", 7)
    memcpy(&out.header, text + 16, HEADER_BYTES)
    at = bulk(text, size, at, &out.key_bytes)
    if at == 0:
        return 0
    out.key = text + at
    at = bulk(text, size, at + out.key_bytes + 2, &out.body_bytes)
    if at == 0:
        return 0
    out.body = text + at
    length = at + out.body_bytes + 2
    return length if length <= size else 0


cdef int check(const char* text, const char* wanted, int count) except -1:
    cdef int i
    for i in range(count):
        if text[i] != wanted[i]:
            raise BadFrame("not a frame of the bus protocol")
    return 0


cdef Py_ssize_t bulk(const char* text, Py_ssize_t size, Py_ssize_t at, Py_ssize_t* length) except -1:
    """Place behind `$length\\r\\n`, 0 while that has not come."""
    cdef Py_ssize_t number = 0, first = at + 1
    if at >= size:
        return 0
    if text[at] != b'$':
        raise BadFrame("a bulk string was expected")
    at += 1
    while at < size and 48 <= text[at] <= 57:
        number = number * 10 + text[at] - 48
        if number > FRAME_BYTES_MAX:
            raise BadFrame(f"a part of a frame is longer than {FRAME_BYTES_MAX} bytes")
        at += 1
    if at + 2 > size:
        return 0
    if at == first or text[at] != 13 or text[at + 1] != 10:
        raise BadFrame("a length was expected")
    length[0] = number
    return at + 2


def frame_of(kind, key=b"", body=b"", **fields):
    """A frame from Python: `kind` a one-letter str, `fields` those of the header."""
    cdef Header header
    cdef bytes key_text = key, body_text = body
    fill(&header, fields)
    return make_frame(ord(kind), &header, PyBytes_AS_STRING(key_text), PyBytes_GET_SIZE(key_text),
                      PyBytes_AS_STRING(body_text), PyBytes_GET_SIZE(body_text))


cdef int fill(Header* header, dict fields) except -1:
    header.request = fields.get("request", 0)
    header.sent_hlc = fields.get("sent_hlc", 0)
    header.hlc = fields.get("hlc", 0)
    header.actor = fields.get("actor", 0)
    header.deadline_ms = fields.get("deadline_ms", 0)
    header.annotation = fields.get("annotation", 0)
    header.timeout_ms = fields.get("timeout_ms", 0)
    header.level = fields.get("level", 0)
    header.flags = fields.get("flags", 0)
    header.status = fields.get("status", 0)
    return 0


def split_frame(bytes text):
    """(length, kind, fields, key, body) of the frame that `text` begins with, or None."""
    cdef Frame frame
    cdef Py_ssize_t length = take_frame(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), &frame)
    if length == 0:
        return None
    h = frame.header
    return (length, chr(<unsigned char>frame.kind), dict(h), frame.key[:frame.key_bytes],
            frame.body[:frame.body_bytes])


cdef bytes version_frame(version):
    """A version as a frame that nobody acknowledges: in a bundle, or for a repair."""
    cdef Header header
    cdef bytes key, value
    key, hlc, actor, deadline_ms, annotation, tombstone, value = version
    zero(&header)
    header.hlc, header.actor, header.deadline_ms, header.annotation = (
        hlc, actor, deadline_ms, annotation)
    header.flags = QUIET | (TOMBSTONE if tombstone else 0)
    return make_frame(WRITE, &header, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key),
                      PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))


def split_versions(bytes body):
    """The versions of a bundle. Raises BadFrame."""
    cdef Frame frame
    cdef Py_ssize_t at = 0, size = PyBytes_GET_SIZE(body), length
    changes = []
    while at < size:
        length = take_frame(PyBytes_AS_STRING(body) + at, size - at, &frame)
        if length == 0 or frame.kind != WRITE:
            raise ValueError("a bundle holds whole versions and nothing else")
        changes.append((frame.key[:frame.key_bytes], frame.header.hlc, frame.header.actor,
                        frame.header.deadline_ms, frame.header.annotation,
                        bool(frame.header.flags & TOMBSTONE), frame.body[:frame.body_bytes]))
        at += length
    if not changes:
        raise ValueError("a bundle holds at least one version")
    return changes
