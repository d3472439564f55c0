"""Fake servers, and clients of both kinds that are used in the same words.

`clients` is Client and then AsyncClient behind a front that waits for each call, so that every test
of behaviour runs against both. Pauses before repetitions are cut to nothing.
"""

import asyncio
import inspect

import pytest

from resp_kv.client import AsyncClient, Client, requests
from tests.resp_kv.client.fake_server import FakeServer


class Waiting:
    """An AsyncClient whose methods wait."""

    def __init__(self, *arguments, **options):
        self._runner = asyncio.Runner()
        self._client = AsyncClient(*arguments, **options)

    def __getattr__(self, name):
        method = getattr(self._client, name)

        def call(*arguments, **options):
            async def run():
                result = method(*arguments, **options)
                return await result if inspect.isawaitable(result) else result

            return self._runner.run(run())

        return call

    def close(self):
        self._runner.run(self._client.aclose())
        self._runner.close()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch):
    monkeypatch.setattr(requests, "PAUSE_S", 0.0)


@pytest.fixture
def server():
    with FakeServer() as server:
        yield server


@pytest.fixture(params=[Client, Waiting], ids=["sync", "asyncio"])
def make_client(request):
    made = []

    def make(nodes, **options):
        made.append(request.param(nodes, **options))
        return made[-1]

    yield make
    for client in made:
        client.close()
