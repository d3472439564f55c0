"""AsyncClient: the requests over asyncio. Methods and arguments are those of Client."""

import asyncio
import inspect

import redis

from resp_kv.client import connections, requests
from resp_kv.client.codec import TEXT
from resp_kv.client.requests import Habits


class AsyncClient:
    """As Client; resolvers and functions may be coroutine functions. It belongs to one event loop."""

    def __init__(self, nodes, *, codec=TEXT, resolver=None, retries=5, **options):
        self._habits = Habits(codec, resolver, retries)
        self._addresses = connections.addresses(nodes)
        self._options = connections.checked(options)
        self._nodes = {}
        self._at = 0

    async def get_versions(self, key, level=None, timeout_ms=None):
        return await self._take(requests.get_versions(self._habits, key, level, timeout_ms))

    async def get(self, key, resolver=None, level=None, timeout_ms=None):
        return await self._take(requests.get(self._habits, key, resolver, level, timeout_ms))

    async def put(self, key, value, context=None, *, level=None, timeout_ms=None, idempotent=False,
                  ex=None, px=None, exat=None, pxat=None, keepttl=False):
        return await self._take(requests.put(
            self._habits, key, value, context, level=level, timeout_ms=timeout_ms,
            idempotent=idempotent, ex=ex, px=px, exat=exat, pxat=pxat, keepttl=keepttl))

    async def delete(self, key, context=None, *, level=None, idempotent=False):
        return await self._take(requests.delete(self._habits, key, context, level=level,
                                                idempotent=idempotent))

    async def update(self, key, function, resolver=None, *, retries=None, idempotent=False,
                     read_level=None, write_level=None, ex=None, px=None, exat=None, pxat=None,
                     keepttl=False):
        return await self._take(requests.update(
            self._habits, key, function, resolver, retries=retries, idempotent=idempotent,
            read_level=read_level, write_level=write_level, ex=ex, px=px, exat=exat, pxat=pxat,
            keepttl=keepttl))

    async def aclose(self):
        for node in self._nodes.values():
            await node.connection_pool.disconnect()
        self._nodes.clear()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.aclose()

    async def _take(self, steps):
        try:
            step = next(steps)
            while True:
                try:
                    result = await self._do(step)
                except redis.RedisError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(result)
        except StopIteration as done:
            return done.value

    async def _do(self, step):
        match step:
            case requests.Command(words, address):
                node = self._node(address or self._addresses[self._at])
                return await node.execute_command(*words)
            case requests.NextNode():
                self._at = (self._at + 1) % len(self._addresses)
            case requests.Pause(seconds):
                await asyncio.sleep(seconds)
            case requests.Call(function, argument):
                result = function(argument)
                return await result if inspect.isawaitable(result) else result

    def _node(self, address):
        if address not in self._nodes:
            self._nodes[address] = connections.async_node(address, self._options)
        return self._nodes[address]
