"""The client's algorithms, as generators that say what to do and are told how it went.

A generator yields a step: Command (send it, give back the reply, or throw redis-py's exception into the
generator), NextNode, Pause, Call. So the blocking and the asyncio client share one text, and a test
can play both sides of it without a socket.

**What is repeated.** A read, always. A write only if it certainly did not happen: no connection could be
made, CLUSTERDOWN, NOQUORUM with nothing taken, TOOMANYSIBLINGS (after reading again). A write whose
fate is unknown (TIMEOUT, a connection lost before the reply, NOQUORUM after some replica took it) is
repeated only when the caller says that it is idempotent; even then the repetition does not know of the
first try, so both may be there as siblings, which the next reader's resolver sees.

**update** is read, resolve, change, write with the context of what was read. A concurrent update is
not overwritten: both become siblings. After a failure it begins with reading again.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis

from resp_kv.client.codec import TEXT, Codec
from resp_kv.client.errors import (
    ClientError,
    Conflict,
    TooManySiblings,
    Unavailable,
    UnknownOutcome,
    moved_to,
    told_by,
)

PAUSE_S = 0.02                   # before the first repetition, doubled for each further one
PAUSE_S_MAX = 1.0


@dataclass(frozen=True, slots=True)
class Command:
    """`address` is where MOVED sent us; None: the node that is used now."""

    words: tuple
    address: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True)
class NextNode:
    pass


@dataclass(frozen=True, slots=True)
class Pause:
    seconds: float


@dataclass(frozen=True, slots=True)
class Call:
    """Code of the application, which may be a coroutine function for the asyncio client."""

    function: Callable
    argument: Any


@dataclass(frozen=True, slots=True)
class Versions:
    """What is stored under a key: no value, one, or concurrent ones (siblings), the latest write
    first; None stands for a delete. A put with this context replaces exactly these."""

    context: bytes
    values: list

    @property
    def in_conflict(self):
        return len(self.values) > 1


@dataclass(frozen=True, slots=True)
class Habits:
    """What one client does where a call does not say otherwise."""

    codec: Codec = TEXT
    resolver: Callable[[list], Any] | None = None
    retries: int = 5


def get_versions(habits, key, level=None, timeout_ms=None):
    words = ("KV.GET", key, *_level("R", level), *_timeout(timeout_ms))
    context, siblings = yield from _repeated(words, habits.retries, writing=False)
    values = [None if text is None else habits.codec.decode(text) for text in siblings]
    return Versions(context, values)


def get(habits, key, resolver=None, level=None, timeout_ms=None):
    versions = yield from get_versions(habits, key, level, timeout_ms)
    return (yield from _resolved(habits, key, versions, resolver))


def put(habits, key, value, context=None, *, level=None, timeout_ms=None, idempotent=False,
        **expiry):
    words = ("KV.SET", key, habits.codec.encode(value), *_context(context), *_level("W", level),
             *_expiry(**expiry), *_timeout(timeout_ms))
    return (yield from _repeated(words, habits.retries, writing=True, idempotent=idempotent))


def delete(habits, key, context=None, *, level=None, idempotent=False):
    words = ("KV.DEL", key, *_context(context), *_level("W", level))
    return (yield from _repeated(words, habits.retries, writing=True, idempotent=idempotent))


def update(habits, key, function, resolver=None, *, retries=None, idempotent=False,
           read_level=None, write_level=None, **expiry):
    once = Habits(habits.codec, habits.resolver, 0)
    retries = habits.retries if retries is None else retries
    for failures in range(1, retries + 2):
        versions = yield from get_versions(habits, key, read_level)
        value = yield Call(function, (yield from _resolved(habits, key, versions, resolver)))
        try:
            if value is not None:
                yield from put(once, key, value, versions.context, level=write_level, **expiry)
            elif versions.values:
                yield from delete(once, key, versions.context, level=write_level)
            return value
        except ClientError as error:
            # Reading again tells the siblings that are too many, and the write replaces them.
            repeatable = isinstance(error, TooManySiblings) or _may_repeat(error, idempotent)
            if failures > retries or not repeatable:
                raise
            yield from _before_repetition(error, failures)


def _resolved(habits, key, versions, resolver):
    resolver = resolver or habits.resolver
    if not versions.in_conflict:
        return versions.values[0] if versions.values else None
    if resolver is None:
        raise Conflict(key, versions)
    return (yield Call(resolver, versions.values))


def _repeated(words, retries, *, writing, idempotent=False):
    """The reply to a command, repeated as far as that is safe."""
    failures, address = 0, None
    while True:
        try:
            return (yield Command(words, address))
        except redis.RedisError as error:
            failures += 1
            address = moved_to(error)
            if address is not None and failures <= retries:
                continue
            outcome = told_by(error, writing=writing)
            if outcome is error:
                raise
            if failures > retries or not _may_repeat(outcome, idempotent):
                raise outcome from error
        yield from _before_repetition(outcome, failures)


def _may_repeat(error, idempotent):
    return isinstance(error, Unavailable) or (idempotent and isinstance(error, UnknownOutcome))


def _before_repetition(error, failures):
    if not isinstance(error, TooManySiblings):
        yield NextNode()
    # Clients that failed together should not come back together.
    yield Pause(min(PAUSE_S_MAX, PAUSE_S * 2 ** (failures - 1)) * random.uniform(0.5, 1))


def _level(letter, level):
    if level is None:
        return ()
    return ("LEVEL", level) if isinstance(level, str) else (letter, level)


def _context(context):
    return () if context is None else ("CONTEXT", context)


def _timeout(timeout_ms):
    return () if timeout_ms is None else ("TIMEOUT", timeout_ms)


def _expiry(ex=None, px=None, exat=None, pxat=None, keepttl=False):
    given = [(name, number) for name, number in
             (("EX", ex), ("PX", px), ("EXAT", exat), ("PXAT", pxat)) if number is not None]
    if len(given) + keepttl > 1:
        raise TypeError("at most one of ex, px, exat, pxat and keepttl")
    return ("KEEPTTL",) if keepttl else sum(given, ())
