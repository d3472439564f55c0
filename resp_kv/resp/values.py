"""What a command handler may return, beside plain Python values.

    bytes, str       bulk string (str as UTF-8)        int        integer
    None             null                              bool       RESP3 boolean, RESP2 0 or 1
    list, tuple      array                             float      RESP3 double, RESP2 bulk string
    dict             map, RESP2 a flat array           set        RESP3 set, RESP2 array
    CommandError     an error inside an array (EXEC)   and the classes below

The writer (writer.pyx) turns them into bytes for the protocol version the client has chosen.
"""


class Simple:
    """A status reply such as +OK."""

    __slots__ = ("text",)

    def __init__(self, text):
        self.text = text.encode() if isinstance(text, str) else text

    def __repr__(self):
        return f"Simple({self.text!r})"


class Verbatim:
    """Text with a three-letter format: RESP3 verbatim string, RESP2 bulk string."""

    __slots__ = ("form", "text")

    def __init__(self, text, form="txt"):
        self.text = text.encode() if isinstance(text, str) else text
        self.form = form.encode()


class SetOf:
    """RESP3 set of any values in the given order, RESP2 array."""

    __slots__ = ("items",)

    def __init__(self, items):
        self.items = items


class _Singleton:
    __slots__ = ("name",)

    def __init__(self, name):
        self.name = name

    def __repr__(self):
        return self.name


OK = Simple("OK")
QUEUED = Simple("QUEUED")
NULL_ARRAY = _Singleton("NULL_ARRAY")
NO_REPLY = _Singleton("NO_REPLY")
