"""Connections of redis-py that never do anything twice by themselves.

redis-py repeats a command when its connection breaks or its time is over. That is harmless for GET,
and it doubles an INCR; here the requests decide, so its retries are off. And a connection that
could not be made must look different from one that broke after the command was sent: only then may a
write be repeated.
"""

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from resp_kv.client.errors import NotConnected

# Longer than the server's own time-outs: it knows better what became of a request.
OPTIONS = {"socket_timeout": 10.0, "socket_connect_timeout": 2.0}
NO_RETRIES = 0


class Connection(redis.Connection):
    def connect(self):
        try:
            super().connect()
        except redis.AuthenticationError:
            raise
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise NotConnected(str(error)) from error


class AsyncConnection(redis.asyncio.Connection):
    async def connect(self):
        try:
            await super().connect()
        except redis.AuthenticationError:
            raise
        except (redis.ConnectionError, redis.TimeoutError) as error:
            raise NotConnected(str(error)) from error


def node(address, options):
    """A redis.Redis for one node. Errors of commands are redis-py's, or NotConnected."""
    host, port = address
    return redis.Redis(connection_pool=redis.ConnectionPool(
        connection_class=Connection, host=host, port=port,
        retry=Retry(NoBackoff(), NO_RETRIES), **{**OPTIONS, **options}))


def async_node(address, options):
    host, port = address
    return redis.asyncio.Redis(connection_pool=redis.asyncio.ConnectionPool(
        connection_class=AsyncConnection, host=host, port=port,
        retry=AsyncRetry(NoBackoff(), NO_RETRIES), **{**OPTIONS, **options}))


def addresses(nodes):
    """(host, port) of each node of "host:port", or of an iterable of these; ValueError."""
    found = [_address(text) for text in ([nodes] if isinstance(nodes, str) else nodes)]
    if not found:
        raise ValueError("at least one node is needed, such as '127.0.0.1:7001'")
    return found


def checked(options):
    """Options for redis-py, without those that this client must decide itself."""
    for name in ("decode_responses", "retry", "retry_on_timeout", "retry_on_error"):
        if options.get(name):
            raise TypeError(f"{name} is decided by resp_kv.client: see codec and retries")
    return {name: value for name, value in options.items() if value is not None}


def _address(text):
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal():
        raise ValueError(f"{text!r} is no address such as '127.0.0.1:7001'")
    return host.strip("[]"), int(port)
