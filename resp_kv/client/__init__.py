"""A client that keeps what plain Redis clients cannot see: versions, contexts and conflicts.

    from resp_kv.client import JSON_SET, Client, union

    with Client(["127.0.0.1:7001", "127.0.0.1:7002"], codec=JSON_SET, resolver=union) as client:
        client.update("cart:42", lambda items: (items or set()) | {"milk"})

Built on redis-py and on nothing else of this project, so that it can be used where no server is
installed. docs/client.md has the whole story.

    codec       values <-> bytes             requests      the algorithms, as steps without any I/O
    resolvers   siblings -> one value        connections   redis-py, without its silent retries
    errors      what may go wrong            sync, aio     Client and AsyncClient: they take the steps
"""

try:
    import redis  # noqa: F401
except ImportError as error:
    raise ImportError(
        "resp_kv.client needs redis-py, which is not installed: pip install 'resp-kv[client]'"
    ) from error

from resp_kv.client.aio import AsyncClient
from resp_kv.client.codec import JSON, JSON_SET, RAW, TEXT, Codec
from resp_kv.client.errors import (
    ClientError,
    Conflict,
    TooManySiblings,
    Unavailable,
    UnknownOutcome,
)
from resp_kv.client.requests import Versions
from resp_kv.client.resolvers import last_write, union
from resp_kv.client.sync import Client

__all__ = [
    "JSON", "JSON_SET", "RAW", "TEXT", "AsyncClient", "Client", "ClientError", "Codec", "Conflict",
    "TooManySiblings", "Unavailable", "UnknownOutcome", "Versions", "last_write", "union",
]
