"""Hostile bytes on the bus: only BadFrame, and any split of the bytes means the same.

Streams of mostly right frames are damaged and given to the splitter and to a Link, whole and in
pieces. FUZZ_SECONDS (20) is the time of each test, FUZZ_SEED repeats a run; a failure names seed,
case and bytes.
"""

import os
import random
import time

import pytest

from cluster.wire import BadFrame, frame_of, split_frame
from resp_kv.shell.link import Link
from resp_kv.shell.peers import Peers

SECONDS = float(os.environ.get("FUZZ_SECONDS", "20")) / 4
SEED = os.environ.get("FUZZ_SEED", "1")
KINDS = "WARVFOXYTDGPQHICJE?\x00"
FRAGMENTS = [b"*4\r\n$1\r\n", b"$56\r\n", b"$0\r\n\r\n", b"$-1\r\n", b"$67108865\r\n", b"$99999999999\r\n",
             b"*3\r\n", b"\r\n", b"\r", b"$", b"0", b"\x00" * 8, b"\xff" * 56, b"PING\r\n", b"$1\r\nG\r\n"]
GREETINGS = [b"{}", b"[]", b"null", b"[" * 5000, b'{"protocol": 1}', b'{"protocol": 1e999}', b"\xff",
             b'{"protocol": 1, "node": "x", "generation": 1e999, "nonce": 1, "clock_ms": 1}',
             b'{"protocol": 1, "node": [1], "generation": "1", "nonce": null, "clock_ms": "x"}',
             b'{"protocol": 1, "cluster": {}, "node": "x", "generation": 1, "nonce": "n", "clock_ms": 0}',
             b'{"error": 5}', b'{"proof": "\xc3\xa9"}', b'{"proof": 0}', b'{"proof": "00"}']


class Streams:
    """Damaged streams of frames; the same seed gives the same streams."""

    def __init__(self, seed, kinds=KINDS):
        self.random, self.kinds = random.Random(seed), kinds

    def next(self):
        stream = bytearray().join(self.frame() for _ in range(self.random.randint(1, 6)))
        for _ in range(self.random.choice([0, 0, 1, 1, 2, 5])):
            self.damage(stream)
        return bytes(stream)

    def frame(self):
        kind = self.random.choice(self.kinds)
        body = self.random.choice(GREETINGS) if kind in "HICJE" else self.some_bytes()
        return frame_of(kind, self.some_bytes(), body, request=self.number(64), hlc=self.number(64),
                        actor=self.number(64), deadline_ms=self.number(64), timeout_ms=self.number(32),
                        level=self.number(16), flags=self.number(8), status=self.number(8))

    def some_bytes(self):
        return self.random.choice([b"", b"a", b"*4\r\n$1\r\nW\r\n", self.random.randbytes(
            self.random.choice([1, 10, 100, 5000]))])

    def number(self, bits):
        return self.random.choice([0, 1, (1 << bits) - 1, self.random.getrandbits(bits)])

    def damage(self, stream):
        at = self.random.randrange(len(stream) + 1)
        to = min(len(stream), at + self.random.choice([1, 1, 2, 10, 100]))
        way = self.random.randrange(5)
        if way == 0 and at < len(stream):
            stream[at] ^= 1 << self.random.randrange(8)
        elif way == 1:
            del stream[at:to]
        elif way == 2:
            stream[at:at] = stream[at:to]
        elif way == 3:
            stream[at:at] = self.random.choice(FRAGMENTS)
        else:
            stream[at:to] = self.random.randbytes(to - at)

    def pieces(self, stream):
        """The same bytes in pieces: single ones, or of any size."""
        size = self.random.choice([1, 1, 7, 100, 3000])
        at = 0
        while at < len(stream):
            to = at + self.random.randint(1, size)
            yield stream[at:to]
            at = to


def cases(kinds=KINDS):
    streams, end, case = Streams(f"{SEED} {kinds}", kinds), time.monotonic() + SECONDS, 0
    while time.monotonic() < end:
        case += 1
        yield f"seed {SEED}, case {case}", streams, streams.next()


def frames_of(pieces):
    """(frames, the text of the error that ended them or None) when bytes come in pieces."""
    frames, rest = [], b""
    try:
        for piece in pieces:
            rest += piece
            while (found := split_frame(rest)) is not None:
                frames.append(found[1:])
                rest = rest[found[0]:]
    except BadFrame as error:
        return frames, str(error)
    return frames, None


def test_splitting():
    for name, streams, stream in cases():
        whole = frames_of([stream])
        assert frames_of(streams.pieces(stream)) == whole, (name, stream)


class Listener:
    """What a Link tells of, as tuples."""

    def __init__(self):
        self.heard = []

    def greeted(self, link, kind, body):
        self.heard.append((kind, body))

    def gossiped(self, link, clock_ms, body):
        self.heard.append(("G", body))


def heard_by_a_link(pieces):
    """What was told, and the error's text, of a link that is ready and has no coordinator."""
    listener = Listener()
    link = Link(listener, False, ("127.0.0.1", 5))
    link.ready = True
    try:
        for piece in pieces:
            link.feed(piece)
    except BadFrame as error:
        return listener.heard, str(error)
    return listener.heard, None


def test_a_link():
    for name, streams, stream in cases():
        whole = heard_by_a_link([stream])
        assert heard_by_a_link(streams.pieces(stream)) == whole, (name, stream)


class Shell:
    """As much of a ClusterShell as the handshake needs."""

    cluster_id, node_id, generation, now_ms = "", "0" * 40, 1, 1_700_000_000_000

    def link_ready(self, link):
        raise AssertionError("a stranger without the secret was taken in")

    link_lost = take_gossip = heard_clock = link_ready


class Driver:
    """Collects what would be sent."""

    def __init__(self):
        self.sent = []

    def send_link(self, link, frame):
        self.sent.append(frame)

    def flush_now(self):
        pass

    def close_link(self, link, reason=""):
        link.closed = True


@pytest.mark.parametrize("outgoing", [False, True])
def test_a_handshake_with_a_stranger(outgoing):
    """Never ready, never anything but BadFrame; a frame of another kind ends it."""
    from resp_kv.shell.peers import Greeting

    for name, streams, stream in cases("HHHIIICCCJEG"):
        peers = Peers(Shell(), Driver(), None, "secret")
        link = Link(peers, outgoing, ("127.0.0.1", 5))
        link.state = Greeting()
        try:
            for piece in streams.pieces(stream):
                if link.closed:
                    break
                link.feed(piece)
        except BadFrame:
            continue
        except Exception:
            raise AssertionError((name, stream)) from None
        assert not link.ready, (name, stream)
