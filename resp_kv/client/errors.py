"""What may go wrong, told apart by what the caller may do next.

    ClientError
     |- Unavailable       nothing was written: no node, no quorum. Trying again later is safe
     |- UnknownOutcome    a write that may or may not have happened. Repeat it only if twice does no harm
     |- TooManySiblings   nothing was written: the key has as many concurrent versions as it may
     '- Conflict          siblings were found, and there is no resolver to decide

Other mistakes (a wrong password, a bad argument) stay redis-py's own exceptions.
"""

import re

import redis

MAY_HAVE_HAPPENED = "may still take effect"     # in a NOQUORUM of which some replica took the write


class ClientError(Exception):
    pass


class Unavailable(ClientError):
    pass


class UnknownOutcome(ClientError):
    pass


class TooManySiblings(ClientError):
    pass


class Conflict(ClientError):
    """`versions` has the siblings, and the context for a put that resolves them."""

    def __init__(self, key, versions):
        super().__init__(f"{key!r} has {len(versions.values)} concurrent versions and no resolver "
                         "was given")
        self.versions = versions


class NotConnected(redis.ConnectionError):
    """No connection could be made, so certainly nothing was sent."""


def told_by(error: redis.RedisError, *, writing: bool) -> Exception:
    """What an exception of redis-py says about the request; the exception itself when that is
    nothing of ours."""
    text = str(error)
    if isinstance(error, (redis.AuthenticationError, redis.exceptions.AuthorizationError)):
        return error                            # connection errors in redis-py, but no one's fault
    if isinstance(error, (NotConnected, redis.BusyLoadingError, redis.exceptions.MaxConnectionsError,
                          redis.exceptions.ClusterDownError)) or text.startswith("CLUSTERDOWN "):
        return Unavailable(text)
    if isinstance(error, (redis.ConnectionError, redis.TimeoutError, redis.InvalidResponse)):
        return _lost(f"the connection was lost before the reply came ({text})", writing)
    if text.startswith("TIMEOUT "):
        return _lost(text, writing)
    if text.startswith("NOQUORUM "):
        return _lost(text, writing and MAY_HAVE_HAPPENED in text)
    if text.startswith("TOOMANYSIBLINGS "):
        return TooManySiblings(text)
    return error


def moved_to(error: redis.RedisError) -> tuple[str, int] | None:
    """Where a MOVED points, which has a class of its own only in newer versions of redis-py."""
    text = str(error)
    if isinstance(error, redis.exceptions.MovedError):
        text = f"MOVED {text}"
    match = re.fullmatch(r"MOVED \d+ (\S+):(\d+)", text)
    return (match[1], int(match[2])) if match else None


def _lost(text, writing):
    return UnknownOutcome(text) if writing else Unavailable(text)
