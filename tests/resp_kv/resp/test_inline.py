import pytest

from resp_kv.resp.inline import split_line


@pytest.mark.parametrize(("line", "words"), [
    (b"", []),
    (b"  \t ", []),
    (b"GET a", [b"GET", b"a"]),
    (b"\tGET\t\ta\x0b\x0cb\x00c ", [b"GET", b"a", b"b", b"c"]),
    (b'SET a ""', [b"SET", b"a", b""]),
    (b"SET a ''", [b"SET", b"a", b""]),
    (b'"a b" c', [b"a b", b"c"]),
    (rb'"\n\r\t\b\a\"\\\q"', [b"\n\r\t\b\a\"\\q"]),
    (rb'"\x00\xfF\xg1\x1"', [b"\x00\xffxg1x1"]),
    (rb"'\n\x00\\ '", [rb"\n\x00\\ "]),
    (rb"'it\'s'", [b"it's"]),
    (b"\"it's\" '\"'", [b"it's", b'"']),
    (b'pre"fix ed"', [b"prefix ed"]),
    (b"a\\ b", [b"a\\", b"b"]),
    ("ключ".encode(), ["ключ".encode()]),
    (b"\xff\xfe", [b"\xff\xfe"]),
])
def test_words(line, words):
    assert split_line(line) == words


@pytest.mark.parametrize("line", [
    b'"', b"'", b'"a', b"a 'b", b'"a"b', b"'a'b", b'"a""b"', rb'"a\"', b'"a\\', rb"'a\'", rb"'a\\'",
])
def test_unbalanced_quotes(line):
    assert split_line(line) is None


def test_every_byte_survives_quoting():
    word = bytes(range(256))
    line = b'"' + b"".join(b"\\x%02x" % byte for byte in word) + b'"'
    assert split_line(line) == [word]
