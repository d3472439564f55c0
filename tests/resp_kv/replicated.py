"""Three nodes with clients and no sockets: connections, lines and replicators over coordinators.

    nodes.clients[1].run("SET", "a", "1")      through node 1; node 0 is first replica of every key

The network and the clocks are those of tests/cluster/nodes.py: one queue, `hold`, `cut`, `down`.
"""

import hiredis
import pytest

from resp_kv.connection import Connection
from resp_kv.replicator import Replicator
from tests.cluster import nodes as plain
from tests.resp_kv.rig import ReplyError, Rig, encode

ROUNDS_MAX = 10_000


class Client:
    def __init__(self, nodes, node):
        self.nodes, self.node = nodes, node
        node.clients_made += 1
        self.connection = Connection(node.rig.node, node.rig.index, node.rig.node.traffic,
                                     1000 + node.clients_made)
        node.rig.node.clients[self.connection.id] = self.connection

    def send(self, *words, go=True):
        return self.raw(encode(*words), go)

    def raw(self, text, go=True):
        """What has come so far, in bytes."""
        self.connection.feed(text)
        return self.output(go)

    def output(self, go=True):
        if go:
            self.nodes.run()
        return self.connection.take_output()

    def pipeline(self, *commands):
        """The parsed replies."""
        return parsed(self.raw(b"".join(encode(*words.split()) for words in commands)))

    def run(self, *words):
        [reply] = parsed(self.send(*words))
        return reply

    def close(self):
        """As the driver does when the socket ends."""
        self.connection.closed = self.connection.closing = True
        self.connection.line.close()


def parsed(text):
    reader = hiredis.Reader(replyError=ReplyError)
    reader.feed(text)
    replies = []
    while (reply := reader.gets()) is not False:
        replies.append(reply)
    return replies


class Node(plain.Node):
    clients_made = 0

    def open(self, folder):
        self.rig = Rig(folder, memtable_bytes="1mb", block_cache_bytes="1mb")
        self.clock, self.engine, self.store = self.rig.clock, self.rig.engine, self.rig.store


class Replicated(plain.Nodes):
    node_class = Node

    def __init__(self, folder, count=3, replicas=None):
        super().__init__(folder, count, replicas)
        for node in self.nodes:
            node.replicator = Replicator(node.rig.node, node.coordinator, siblings_max=100)
            node.rig.node.use_replicator(node.replicator, True)
        self.clients = [Client(self, node) for node in self.nodes]

    def new_client(self, number):
        return Client(self, self.nodes[number])

    def run(self):
        for _ in range(ROUNDS_MAX):
            super().run()
            woken = [connection for node in self.nodes for connection in node.rig.node.traffic.woken]
            if not woken:
                return self
            for node in self.nodes:
                node.rig.node.traffic.woken.clear()
            for connection in woken:
                if not connection.closed:
                    connection.resume_line()
        raise AssertionError("it never ends")

    def pass_ms(self, ms):
        for node in self.nodes:
            node.rig.node.now_ms += ms
        return super().pass_ms(ms)


@pytest.fixture
def nodes(tmp_path):
    made = Replicated(tmp_path)
    yield made
    made.close()
