"""Hostile bytes: only documented protocol errors, and any split of the bytes means the same.

Streams of mostly sensible commands are damaged and given once whole and once in pieces. FUZZ_SECONDS
(20) is the time of each test, FUZZ_SEED repeats a run; a failure names seed, case and bytes.
"""

import os
import random
import re
import time

import hiredis
import pytest

from resp_kv.errors import ProtocolError
from resp_kv.resp.parser import Parser
from tests.e2e.random_commands import Commands
from tests.resp_kv.rig import Rig, encode

SECONDS = float(os.environ.get("FUZZ_SECONDS", "20")) / 2
SEED = os.environ.get("FUZZ_SEED", "1")
DOCUMENTED = re.compile(
    r"Protocol error: (invalid multibulk length|invalid bulk length|expected '\$', got '.'|"
    r"unbalanced quotes in request|too big inline request|"
    r"unauthenticated multibulk length|unauthenticated bulk length)", re.DOTALL)
FRAGMENTS = [b"\r\n", b"\r", b"\n", b"$", b"*", b"$-1\r\n", b"*-1\r\n", b"*0\r\n", b"$0\r\n\r\n", b"\"", b"'",
             b"\\", b"*1\r\n", b"$1048577\r\n", b"*1048577\r\n", b"0", b"9" * 30, b"\x00", b"\xff" * 5,
             b"PING\r\n", b"GET 'a b\r\n", b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n", b"\r\n\r\n", b"-1", b" "]
# What answers by chance or by the clock, and what is slow here.
LEFT_OUT = {b"RANDOMKEY", b"OBJECT", b"FLUSHDB", b"FLUSHALL", b"SWAPDB"}


class Streams:
    """Damaged streams of commands; the same seed gives the same streams."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.commands = Commands(seed)

    def next(self):
        stream = bytearray()
        for _ in range(self.random.randint(1, 12)):
            stream += self.command()
        for _ in range(self.random.choice([0, 0, 1, 1, 1, 2, 5])):
            self.damage(stream)
        return bytes(stream)

    def command(self):
        words = self.commands.next()
        while not words or words[0].upper() in LEFT_OUT:
            words = self.commands.next()
        if self.random.random() < 0.15:
            return b" ".join(self.quoted(word) for word in words) + self.random.choice(
                [b"\r\n", b"\n"])
        if self.random.random() < 0.05:
            words = self.random.choice([[b"MULTI"], [b"EXEC"], [b"DISCARD"], [b"HELLO", b"3"],
                                        [b"HELLO", b"2"], [b"RESET"], [b"QUIT"],
                                        [b"CLIENT", b"REPLY", b"SKIP"], [b"SELECT", b"1"]])
        return encode(*words)

    def quoted(self, word):
        if word and all(0x21 <= byte <= 0x7E and byte not in b"\"'" for byte in word):
            return word
        return b'"' + b"".join(b"\\x%02x" % byte for byte in word) + b'"'

    def damage(self, stream):
        at = self.random.randrange(len(stream) + 1)
        to = min(len(stream), at + self.random.choice([1, 1, 2, 10, 100]))
        way = self.random.randrange(6)
        if way == 0 and stream:
            stream[at % len(stream)] ^= 1 << self.random.randrange(8)
        elif way == 1:
            del stream[at:to]
        elif way == 2:
            stream[at:at] = self.random.choice(FRAGMENTS)
        elif way == 3:
            stream[at:at] = stream[self.random.randrange(len(stream) + 1):][:to - at]
        elif way == 4:
            del stream[at:]
        else:
            stream[at:to] = self.random.randbytes(to - at)

    def pieces(self, stream):
        """The stream cut up: into single bytes, at random places, or into halves."""
        way = self.random.randrange(3)
        if way == 0:
            return [stream[i:i + 1] for i in range(len(stream))]
        cuts = sorted(self.random.randrange(len(stream) + 1)
                      for _ in range(1 if way == 1 else self.random.randint(1, 30)))
        return [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)])]


def cases(seconds):
    """(number, streams, stream) until the time is over."""
    streams = Streams(SEED)
    end = time.monotonic() + seconds
    number = 0
    while time.monotonic() < end:
        number += 1
        yield number, streams, streams.next()
    assert number > 100, f"only {number} cases in {seconds} s"


# -- the parser by itself -------------------------------------------------------------------------


def parsed(pieces, trusted):
    """(commands, unread bytes or the protocol error); those of a failing piece are not counted."""
    parser, kept, found = Parser(trusted=trusted), b"", []
    try:
        for piece in pieces:
            kept += piece
            commands, used = parser.commands(kept)
            found += commands
            kept = kept[used:]
    except ProtocolError as error:
        return found, str(error)
    return found, kept


@pytest.mark.timeout(300)
@pytest.mark.parametrize("trusted", [True, False])
def test_the_parser_knows_no_other_errors(trusted):
    for number, streams, stream in cases(SECONDS / 2):
        pieces = streams.pieces(stream)
        whole, in_pieces = parsed([stream], trusted), parsed(pieces, trusted)
        told = f"FUZZ_SEED={SEED} case {number}: {stream!r} in {[len(p) for p in pieces]}"
        assert whole[1] == in_pieces[1], told
        if isinstance(whole[1], str):
            assert DOCUMENTED.fullmatch(whole[1]), told
        else:
            assert whole[0] == in_pieces[0], told


# -- a connection ---------------------------------------------------------------------------------


@pytest.mark.timeout(300)
def test_whole_and_in_pieces_get_the_same_replies(tmp_path):
    one, other = Rig(tmp_path / "one"), Rig(tmp_path / "other")
    for number, streams, stream in cases(SECONDS):
        pieces = streams.pieces(stream)
        told = f"FUZZ_SEED={SEED} case {number}: {stream!r} in {[len(p) for p in pieces]}"
        whole, in_pieces = one.new_client(), other.new_client()
        expected = whole.raw(stream)
        assert b"".join([in_pieces.raw(piece) for piece in pieces]) == expected, told
        closed = whole.connection.closing
        assert in_pieces.connection.closing == closed, told
        check_replies(expected, closed, told)
        for rig, client in ((one, whole), (other, in_pieces)):
            del rig.node.clients[client.connection.id]
        if number % 50 == 0:
            assert everything(one) == everything(other), told
    one.close()
    other.close()


def check_replies(text, closed, told):
    """Well-formed to the last byte; a protocol error comes last and closes."""
    reader = hiredis.Reader(replyError=str, errors="surrogateescape")
    reader.feed(text + b"+END\r\n")
    found = []
    while (reply := reader.gets()) is not False:
        found.append(reply)
    assert found[-1] == b"END", told
    errors = [reply for reply in found[:-1] if isinstance(reply, str) and "Protocol error" in reply]
    for error in errors:
        assert DOCUMENTED.fullmatch(error.removeprefix("ERR ")), told
        assert closed and error is found[-2], told


def everything(rig):
    client = rig.new_client()
    found = {}
    for database in (0, 1, 2, 15):
        client.run("SELECT", database)
        for key in client.run("KEYS", "*"):
            found[database, key] = client.run("GET", key), client.run("PEXPIRETIME", key)
    del rig.node.clients[client.connection.id]
    return found
