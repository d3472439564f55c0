"""What happened, as one hash over everything and as lines for the eye.

Two runs with one seed must give the same hash: each frame with all its bytes, each reply, each fault.
"""

from collections import deque
from hashlib import blake2b

from cluster.wire import split_frame
from tests.sim.clock import EPOCH_MS

LINES_KEPT = 400_000
STATUS = ("APPLIED", "SUPERSEDED", "REFUSED", "NOTHING", "DRIFTED")


class Trace:
    def __init__(self, loop, keep=False):
        self.loop, self.hash = loop, blake2b(digest_size=16)
        self.lines = deque(maxlen=LINES_KEPT) if keep else None
        self.count = 0

    def note(self, who, what, content=b""):
        """`content` is bytes, a frame or a value; the rest is text."""
        self.count += 1
        self.hash.update(f"{self.loop.now_us} {who} {what} {len(content)} ".encode())
        self.hash.update(content)
        if self.lines is not None:
            self.lines.append((self.loop.now_us, who, what, content))

    def digest(self):
        return self.hash.hexdigest()

    def text(self, from_us=0, to_us=1 << 62, word=None):
        for now_us, who, what, content in self.lines or ():
            if from_us <= now_us <= to_us:
                line = f"{now_us / 1000:12.3f} ms  {who:<8} {what} {describe(content)}"
                if word is None or word in line or who == "faults":
                    yield line


def describe(content):
    """A frame as one line."""
    if not content.startswith(b"*4\r\n"):
        return content[:60].decode("ascii", "backslashreplace")
    _, kind, header, key, body = split_frame(content)
    text = f"{kind}#{header['request']} {name_of(key)} {dot(header['hlc'], header['actor'])}"
    if kind in "AV":
        text += f" {STATUS[header['status']]}"
    if kind == "O":
        text += f" result {header['status']}"
    if header["annotation"] and kind in "AO":
        text += f" newest {dot(header['annotation'], 0)}"
    if header["flags"] & 1:
        text += " tombstone"
    if header["flags"] & 2:
        text += " quiet"
    return f"{text} {body[:40]!r}"


def name_of(stored):
    return stored[6:].decode("ascii", "backslashreplace")


def dot(hlc, actor):
    """A dot for the eye: milliseconds of the run, counter, node, generation, causal or not."""
    if hlc == 0:
        return "-"
    return (f"{(hlc >> 16) - EPOCH_MS}.{hlc & 0xFFFF}@{actor >> 32}"
            f"g{actor >> 1 & 0x7FFFFFFF}{'c' if actor & 1 else ''}")
