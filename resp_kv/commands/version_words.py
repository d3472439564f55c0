"""The words of KV.GET, KV.SET and KV.DEL behind key and value, and what they ask of the replicas.

    CONTEXT ctx                 what this write replaces (opaque bytes, from KV.GET or KV.SET)
    LEVEL l | R n | W n         a level by name or number, or a number of replicas
    EX PX EXAT PXAT | KEEPTTL   as in SET
    TIMEOUT ms                  instead of the read and write time-outs of the connection

Each may stand once, in any order. They are looked at twice: before the command is routed, since
the level decides who runs it and a bad word must be refused before anything is done, and by the
handler, wherever that runs.
"""

from typing import NamedTuple

from cluster import levels
from cluster.execution import Levels
from cluster.versions import BadContext, parse_context
from resp_kv.commands import parsing
from resp_kv.commands.table import arg
from resp_kv.errors import CommandError, SyntaxFault

TIMEOUT_MS_MAX = 600_000
ONE = 1
DEADLINES = {                    # token: seconds, absolute
    b"EX": (True, False), b"PX": (False, False), b"EXAT": (True, True), b"PXAT": (False, True),
}

CONTEXT = arg("context", "string", "CONTEXT", flags=["optional"])
TIMEOUT = arg("timeout-ms", "integer", "TIMEOUT", flags=["optional"])


def level_words(token):
    """The documentation of LEVEL and its short form, R or W."""
    return arg("consistency", "oneof", flags=["optional"], args=[
        arg("level", "string", "LEVEL"), arg("replicas", "integer", token)])


class Demand(NamedTuple):
    """What one command asks of the replicas; None: what its connection does.

    anywhere  any replica may coordinate this write
    """

    read: int | None = None
    write: int | None = None
    timeout_ms: int | None = None
    named: bool = False          # the client gave a level or a time-out
    anywhere: bool = False

    def over(self, usual):
        return Levels(usual.read if self.read is None else self.read,
                      usual.write if self.write is None else self.write,
                      self.timeout_ms or usual.read_timeout_ms,
                      self.timeout_ms or usual.write_timeout_ms)


class Words:
    """`token`: b"R" or b"W". `expire`: None or (token, text), checked by `deadline_ms`.

    Raises CommandError.
    """

    __slots__ = ("token", "context", "level", "timeout_ms", "expire", "keep_deadline")

    def __init__(self, words, token, *, expiring=False):
        self.token = token
        self.context = self.level = self.timeout_ms = self.expire = None
        self.keep_deadline = False
        words = iter(words)
        for word in words:
            name = word.upper()
            if expiring and name == b"KEEPTTL" and not self.keep_deadline and self.expire is None:
                self.keep_deadline = True
                continue
            text = next(words, None)
            if text is None:
                raise SyntaxFault()
            if expiring and name in DEADLINES and not self.keep_deadline and self.expire is None:
                self.expire = (name, text)
            else:
                self.take(name, text)

    def take(self, name, text):
        writing = self.token == b"W"
        if name == b"CONTEXT" and writing and self.context is None:
            self.context = checked_context(text)
        elif name in (b"LEVEL", self.token) and self.level is None:
            self.level = level_of(text, writing) if name == b"LEVEL" else count_of(name, text)
        elif name == b"TIMEOUT" and self.timeout_ms is None:
            self.timeout_ms = timeout_of(text)
        else:
            raise SyntaxFault()

    def deadline_ms(self, client, name):
        """0 for none."""
        if self.expire is None:
            return 0
        token, text = self.expire
        seconds, absolute = DEADLINES[token]
        return parsing.deadline(client, text, seconds=seconds, absolute=absolute, name=name)

    @property
    def demand(self):
        """A causal write is put on top of what its coordinator has itself, so it needs no more than
        that read; and it says itself what it has seen, so any replica may be its coordinator."""
        named = self.level is not None or self.timeout_ms is not None
        if self.token == b"R":
            return Demand(self.level, None, self.timeout_ms, named)
        causal = self.context is not None
        return Demand(ONE if causal and not self.keep_deadline else None, self.level,
                      self.timeout_ms, named, causal)


def checked_context(text):
    try:
        parse_context(text)
    except BadContext as error:
        raise CommandError(f"ERR {error}") from None
    return text


def level_of(text, writing):
    try:
        return levels.code_of(text, writing=writing)
    except levels.BadLevel as error:
        raise CommandError(f"ERR {error}") from None


def count_of(name, text):
    count = parsing.integer_or_none(text)
    if count is None or not 1 <= count <= levels.REPLICAS_MAX:
        raise CommandError(f"ERR {name.decode()} takes a number of replicas, 1 to "
                           f"{levels.REPLICAS_MAX}; names of levels come after LEVEL")
    return count


def timeout_of(text):
    timeout_ms = parsing.integer_or_none(text)
    if timeout_ms is None or not 1 <= timeout_ms <= TIMEOUT_MS_MAX:
        raise CommandError(f"ERR TIMEOUT takes milliseconds, 1 to {TIMEOUT_MS_MAX}")
    return timeout_ms


def check_lone(client, demand):
    """On a node of its own no plan refuses what one copy cannot give."""
    if client.node.traffic.replicated:
        return
    dc = client.node.config.get("node-dc")
    check_level(demand.read, (dc,), dc)
    check_level(demand.write, (dc,), dc)


def check_level(code, places, here):
    """Raises CommandError for a level that so many replicas cannot give. None is possible."""
    if code is None:
        return
    try:
        levels.need(code, places, here)
    except levels.BadLevel as error:
        raise CommandError(f"ERR {error}") from None
