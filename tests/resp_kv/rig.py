"""A whole node without sockets: real engine in a temporary folder, virtual wall clock.

    rig.run("SET", "a", "1")  -> parsed reply       rig.raw(b"PING\r\n") -> bytes
    rig.new_client()          -> another client     rig.advance(ms)      -> the clock moves

What a server does on threads (cold reads, flushes, fsync) happens on the spot here.
"""

import hiredis
import pytest

from cluster.hlc import Clock
from cluster.keyspace import Keyspace, Writer
from engine import Engine
from resp_kv import commands
from resp_kv.commands.index import CommandIndex
from resp_kv.config import Config
from resp_kv.connection import Connection
from resp_kv.node import Node
from resp_kv.shell.options import engine_options
from resp_kv.shell.store import EngineStore

START_MS = 1_700_000_000_000
NODE_ID = "0123456789abcdef0123456789abcdef01234567"
RESUMES_MAX = 10_000


class ReplyError(Exception):
    """An error reply, so that tests can tell it from a string."""


class RigClient:
    def __init__(self, rig, client_id):
        self.rig = rig
        self.connection = Connection(rig.node, rig.index, rig.node.traffic, client_id)
        self.connection.addr, self.connection.laddr = "127.0.0.1:5000", "127.0.0.1:6379"
        rig.node.clients[client_id] = self.connection
        self.reader = hiredis.Reader(replyError=ReplyError)

    def raw(self, request: bytes) -> bytes:
        """Everything the server answers to these bytes."""
        self.rig.node.current_client = self.connection
        self.connection.feed(request)
        self.rig.settle(self.connection)
        self.rig.node.current_client = None
        return self.connection.take_output()

    def send(self, *words) -> bytes:
        """The raw reply to one command."""
        return self.raw(encode(*words))

    def run(self, *words):
        """The parsed reply: bytes, int, None, list, dict, or a ReplyError instance."""
        self.reader.feed(self.send(*words))
        return self.reader.gets()


class Rig:
    def __init__(self, directory, disk=None, **directives):
        settings = {name.replace("_", "-"): str(value) for name, value in directives.items()}
        self.config = Config(settings)
        self.engine = Engine.open(str(directory), engine_options(self.config), START_MS,
                                  disk)
        self.clock = Clock(START_MS)
        self.clock.recover(self.engine.greatest_hlc)
        self.store = EngineStore(self.engine)
        writer = Writer(self.store, self.clock, 2, self.config.get("max-pair-bytes"))
        keyspaces = [Keyspace(writer, i) for i in range(self.config.get("databases"))]
        table = commands.load()
        self.node = Node(self.config, keyspaces, node_id=NODE_ID, run_id=NODE_ID[::-1],
                         now_ms=START_MS)
        self.index = CommandIndex(table)
        self.clients = 0
        self.client = self.new_client()

    def new_client(self):
        self.clients += 1
        return RigClient(self, self.clients)

    def raw(self, request):
        return self.client.raw(request)

    def send(self, *words):
        return self.client.send(*words)

    def run(self, *words):
        return self.client.run(*words)

    def advance(self, ms):
        self.clock.now_ms += ms
        self.node.now_ms = self.clock.now_ms

    def settle(self, connection):
        """Do what a server does in the background until the client waits for nothing."""
        self.store.commit()
        for _ in range(RESUMES_MAX):
            if not connection.blocked or self.node.pause_mode is not None:
                break
            self.store.load()
            self.run_steps()
            connection.resume()
        else:
            raise AssertionError("a command never finishes")
        self.store.commit()

    def run_steps(self):
        while (step := self.engine.take_step(self.clock.now_ms, self.clock.last + 1)) is not None:
            step.run()
            self.engine.finish(step)
            step.cleanup()

    def flush_to_tables(self):
        """Everything written so far goes to disk, so that the next reads are cold."""
        self.store.commit()
        self.engine.seal()
        self.run_steps()

    def close(self):
        self.engine.close()


def encode(*words) -> bytes:
    """One command in RESP."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        word = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(word), word))
    return b"".join(parts)


@pytest.fixture
def rig(tmp_path):
    made = Rig(tmp_path / "node")
    yield made
    made.close()
