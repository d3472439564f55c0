"""Client: the requests over blocking sockets. It may be used by several threads."""

import time

import redis

from resp_kv.client import connections, requests
from resp_kv.client.codec import TEXT
from resp_kv.client.requests import Habits


class Client:
    """A client of a cluster; every node serves every key.

    nodes      "host:port" or a list of these: the first is used, the next when it cannot be reached
    codec      values <-> bytes (TEXT: str)
    resolver   decides between siblings where a call names no other one
    retries    repetitions of a request that failed and may be repeated
    options    redis-py's options of a connection: password, socket_timeout, db, ...
    """

    def __init__(self, nodes, *, codec=TEXT, resolver=None, retries=5, **options):
        self._habits = Habits(codec, resolver, retries)
        self._addresses = connections.addresses(nodes)
        self._options = connections.checked(options)
        self._nodes = {}
        self._at = 0

    def get_versions(self, key, level=None, timeout_ms=None):
        """Versions: the context and every sibling. `level` is a name such as "ONE" or a number."""
        return self._take(requests.get_versions(self._habits, key, level, timeout_ms))

    def get(self, key, resolver=None, level=None, timeout_ms=None):
        """The value, siblings being resolved; None if absent. Nothing is written."""
        return self._take(requests.get(self._habits, key, resolver, level, timeout_ms))

    def put(self, key, value, context=None, *, level=None, timeout_ms=None, idempotent=False,
            ex=None, px=None, exat=None, pxat=None, keepttl=False):
        """Replace what `context` has seen; the new context. Without one, whatever is there stays as
        a sibling. `idempotent`: repeat even when an earlier try may have happened."""
        return self._take(requests.put(
            self._habits, key, value, context, level=level, timeout_ms=timeout_ms,
            idempotent=idempotent, ex=ex, px=px, exat=exat, pxat=pxat, keepttl=keepttl))

    def delete(self, key, context=None, *, level=None, idempotent=False):
        """Delete what `context` has seen; the new context."""
        return self._take(requests.delete(self._habits, key, context, level=level,
                                          idempotent=idempotent))

    def update(self, key, function, resolver=None, *, retries=None, idempotent=False,
               read_level=None, write_level=None, ex=None, px=None, exat=None, pxat=None,
               keepttl=False):
        """Read, resolve, `function(value)`, write what it returns; the new value.

        None stands for an absent key, both ways. `function` may be called again after a failure.
        `idempotent`: calling it on a value that it already made does no harm, so it is also
        repeated when an earlier write may have happened.
        """
        return self._take(requests.update(
            self._habits, key, function, resolver, retries=retries, idempotent=idempotent,
            read_level=read_level, write_level=write_level, ex=ex, px=px, exat=exat, pxat=pxat,
            keepttl=keepttl))

    def close(self):
        for node in self._nodes.values():
            node.connection_pool.disconnect()
        self._nodes.clear()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def _take(self, steps):
        try:
            step = next(steps)
            while True:
                try:
                    result = self._do(step)
                except redis.RedisError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration as done:
            return done.value

    def _do(self, step):
        match step:
            case requests.Command(words, address):
                return self._node(address or self._addresses[self._at]).execute_command(*words)
            case requests.NextNode():
                self._at = (self._at + 1) % len(self._addresses)
            case requests.Pause(seconds):
                time.sleep(seconds)
            case requests.Call(function, argument):
                return function(argument)

    def _node(self, address):
        if address not in self._nodes:
            self._nodes[address] = connections.node(address, self._options)
        return self._nodes[address]
