"""Reply values as bytes, and commands as bytes, for those that pass them on to another node."""

from resp_kv.resp.parser cimport Parser
from resp_kv.resp.writer cimport ReplyBuffer


def encoded_reply(value, bint resp3):
    """A handler's reply value (resp/values.py) as it goes to the client."""
    cdef ReplyBuffer out = ReplyBuffer()
    out.resp3 = resp3
    out.encode(value)
    return out.take()


def encoded_commands(commands):
    """Lists of words as RESP, one behind the other."""
    parts = []
    for words in commands:
        parts.append(b"*%d\r\n" % len(words))
        parts += [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
    return b"".join(parts)


def decoded_commands(bytes text):
    """The same the other way."""
    return Parser(1 << 30).commands(text)
