"""The latest slow commands, newest first. Only execution counts, not the time spent in queues.

Arguments are shortened as they come in, so that the log stays small whatever clients send: at most
32 arguments of at most 128 bytes each, and the last one says how much is missing. Passwords do not
come in at all: SLOWLOG GET is for many eyes.
"""

from collections import deque
from typing import NamedTuple

ARGUMENTS_MAX = 32
ARGUMENT_BYTES_MAX = 128
REDACTED = b"(redacted)"
SECRET_DIRECTIVES = frozenset((b"requirepass", b"cluster-secret"))


class SlowCall(NamedTuple):
    id: int
    time_s: int
    usec: int
    args: list
    addr: str
    name: bytes


class SlowLog:
    """`config` gives slowlog-max-len; whether a call was slow is the caller's decision."""

    def __init__(self, config):
        self.config = config
        self.entries = deque()
        self.next_id = 0

    def note(self, ts, usec, args, client):
        """`ts` in seconds; `client` None for work that no client asked for."""
        entry = SlowCall(self.next_id, int(ts), int(usec), shorten(redacted(args)),
                         client.addr if client is not None else "",
                         (client.name if client is not None else b"") or b"")
        self.next_id += 1
        self.entries.appendleft(entry)
        self.trim()

    def trim(self):
        limit = self.config.get("slowlog-max-len")
        while len(self.entries) > limit:
            self.entries.pop()

    def reset(self):
        self.entries.clear()


def redacted(args):
    """The words of a command, with Redis's mark in the place of passwords and of their users."""
    secret = set(secret_positions(args))
    if not secret:
        return args
    return [REDACTED if at in secret else word for at, word in enumerate(args)]


def secret_positions(args):
    name = args[0].upper()
    if name == b"AUTH":
        yield from range(1, len(args))
    elif name == b"HELLO":
        at = 2                                  # behind the version: AUTH user password, SETNAME name
        while at < len(args):
            if args[at].upper() == b"AUTH":
                yield from (at + 1, at + 2)
                at += 1
            at += 2
    elif name == b"CONFIG" and args[1:] and args[1].upper() == b"SET":
        for at in range(2, len(args) - 1, 2):
            if args[at].lower() in SECRET_DIRECTIVES:
                yield at + 1


def shorten(args):
    kept = args if len(args) <= ARGUMENTS_MAX else args[:ARGUMENTS_MAX - 1]
    shown = [argument if len(argument) <= ARGUMENT_BYTES_MAX else
             argument[:ARGUMENT_BYTES_MAX]
             + b"... (%d more bytes)" % (len(argument) - ARGUMENT_BYTES_MAX)
             for argument in kept]
    if len(kept) < len(args):
        shown.append(b"... (%d more arguments)" % (len(args) - len(kept)))
    return shown
