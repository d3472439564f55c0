import re

import pytest

from resp_kv.errors import ProtocolError
from resp_kv.resp.parser import Parser
from tests.resp_kv.rig import encode

LINE_BYTES_MAX = 64 * 1024


def parse(text, **limits):
    """(commands, unread rest)."""
    commands, used = Parser(**limits).commands(text)
    return commands, text[used:]


def parse_in_pieces(text, size):
    """As a connection does it: what is not yet a whole command is handed over again, longer."""
    parser, kept, found = Parser(), b"", []
    for at in range(0, len(text), size):
        kept += text[at:at + size]
        commands, used = parser.commands(kept)
        found += commands
        kept = kept[used:]
    return found, kept


@pytest.mark.parametrize(("text", "commands"), [
    (b"*1\r\n$4\r\nPING\r\n", [[b"PING"]]),
    (b"*2\r\n$3\r\nGET\r\n$0\r\n\r\n", [[b"GET", b""]]),
    (b"*2\r\n$3\r\nGET\r\n$2\r\n\r\n\r\n", [[b"GET", b"\r\n"]]),
    (b"*1\r\n$1\r\na\r\n*1\r\n$1\r\nb\r\n", [[b"a"], [b"b"]]),
    (b"*0\r\n*-1\r\n*1\r\n$1\r\na\r\n", [[], [], [b"a"]]),
    (b"PING\r\n", [[b"PING"]]),
    (b"PING\n", [[b"PING"]]),
    (b"  SET \t a\x001 \r\n", [[b"SET", b"a", b"1"]]),
    (b"SET a \"b c\"\r\n", [[b"SET", b"a", b"b c"]]),
    (b"\r\n\n*1\r\n$1\r\na\r\n", [[], [], [b"a"]]),
    (b"PING\r\n*1\r\n$4\r\nPING\r\nPING\r\n", [[b"PING"]] * 3),
    (b"", []),
])
def test_complete_commands(text, commands):
    assert parse(text) == (commands, b"")


@pytest.mark.parametrize("text", [
    b"*", b"*1", b"*1\r", b"*1\r\n", b"*1\r\n$", b"*1\r\n$4", b"*1\r\n$4\r", b"*1\r\n$4\r\n",
    b"*1\r\n$4\r\nPIN", b"*1\r\n$4\r\nPING", b"*1\r\n$4\r\nPING\r", b"PING", b"PING\r", b"*2\r\n$1\r\na\r\n",
])
def test_an_unfinished_command_stays_unread(text):
    assert parse(text) == ([], text)
    assert parse(b"*1\r\n$1\r\na\r\n" + text) == ([[b"a"]], text)


@pytest.mark.parametrize(("text", "error"), [
    (b"*x\r\n", "invalid multibulk length"),
    (b"*\r\n", "invalid multibulk length"),
    (b"*-\r\n", "invalid multibulk length"),
    (b"*1x\r\n", "invalid multibulk length"),
    (b"*01\r\n", "invalid multibulk length"),
    (b"*1048577\r\n", "invalid multibulk length"),
    (b"*99999999999999999999999999\r\n", "invalid multibulk length"),
    (b"*1\r\nPING\r\n", "expected '$', got 'P'"),
    (b"*1\r\n:4\r\n", "expected '$', got ':'"),
    (b"*1\r\n$x\r\n", "invalid bulk length"),
    (b"*1\r\n$\r\n", "invalid bulk length"),
    (b"*1\r\n$-1\r\n", "invalid bulk length"),
    (b"*1\r\n$4 \r\n", "invalid bulk length"),
    (b"*1\r\n$04\r\nPING\r\n", "invalid bulk length"),
    (b"*1\r\n$536870913\r\n", "invalid bulk length"),
    (b"*1\r\n$99999999999999999999999999\r\n", "invalid bulk length"),
    (b"SET \"a\r\n", "unbalanced quotes in request"),
    (b"SET 'a'b\r\n", "unbalanced quotes in request"),
    (b"a" * (LINE_BYTES_MAX + 1), "too big inline request"),
    (b"a" * (LINE_BYTES_MAX + 1) + b"\r\n", "too big inline request"),
])
def test_protocol_errors_in_the_words_of_redis(text, error):
    with pytest.raises(ProtocolError, match="^Protocol error: " + re.escape(error)):
        parse(text)
    with pytest.raises(ProtocolError, match="^Protocol error: " + re.escape(error)):
        parse_in_pieces(text, 1)


def test_the_longest_inline_command_is_taken():
    word = b"a" * (LINE_BYTES_MAX - 1)
    assert parse(word + b"\r\n") == ([[word]], b"")
    assert parse_in_pieces(word + b"\r\n", 1000) == ([[word]], b"")


def test_commands_before_an_error_are_kept_by_the_caller():
    parser = Parser()
    assert parser.commands(b"*1\r\n$1\r\na\r\n*1\r\n$1") == ([[b"a"]], 11)
    with pytest.raises(ProtocolError):
        parser.commands(b"*1\r\n$1x")


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_pieces_give_the_same_commands(size):
    text = (encode("SET", "key", b"\x00\r\n$5" * 50) + b"PING\r\n\r\n" + encode("MGET", *range(40))
            + b"SET 'a b' \"\\x00\"\r\n" + encode("") + b"*0\r\n" + encode("X" * 1000))
    assert parse_in_pieces(text, size) == parse(text)
    assert len(parse(text)[0]) == 8


def test_a_word_up_to_the_limit_and_not_beyond():
    assert parse(encode("x" * 100), bulk_bytes_max=100) == ([[b"x" * 100]], b"")
    with pytest.raises(ProtocolError, match="invalid bulk length"):
        parse(encode("x" * 101), bulk_bytes_max=100)


def test_strangers_get_ten_words_of_16_kilobytes():
    ten = encode(*["w"] * 10)
    assert parse(ten, trusted=False) == ([[b"w"] * 10], b"")
    with pytest.raises(ProtocolError, match="unauthenticated multibulk length"):
        parse(encode(*["w"] * 11), trusted=False)
    big = encode("x" * 16384)
    assert parse(big, trusted=False) == ([[b"x" * 16384]], b"")
    with pytest.raises(ProtocolError, match="unauthenticated bulk length"):
        parse(encode("x" * 16385), trusted=False)


def test_trust_can_come_between_two_commands():
    parser = Parser(trusted=False)
    assert parser.commands(encode("AUTH", "secret")) == ([[b"AUTH", b"secret"]], 26)
    parser.trusted = True
    assert parser.commands(encode(*["w"] * 50))[0] == [[b"w"] * 50]


def test_a_million_words_and_small_ones_after_them():
    parser = Parser()
    many = b"*1048576\r\n" + b"$1\r\nx\r\n" * 1048576
    commands, used = parser.commands(many)
    assert (len(commands), len(commands[0]), used) == (1, 1048576, len(many))
    assert parser.commands(encode("PING"))[0] == [[b"PING"]]
