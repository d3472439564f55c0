"""The rejected driver, to measure against: one uvloop transport and protocol per client.

    python -m benchmarks.server.transport_variant --port 7000 --dir DIRECTORY      serves
    python -m benchmarks.server.transport_variant --compare                        measures

It serves with the same Connection, engine and commands; only how bytes get in and out differs: uvloop
reads into a BufferedProtocol's buffer, each read runs its commands, the log is written once per
loop iteration from call_soon, then each connection's replies go to transport.write. It is not complete
(no limits, no cold reads, no fsync, no flush): SET and GET on data in memory only. Input and output
are copied once more than in the driver, some 0.1 us per read. What follows from the measurement
stands in docs/decisions/0001-driver.md.
"""

import argparse
import asyncio
import statistics
import time

import uvloop

from benchmarks.server.load import fill, run
from benchmarks.server.servers import Server, free_port, resp_kv
from resp_kv import commands
from resp_kv.commands.index import CommandIndex
from resp_kv.config import read
from resp_kv.connection import Connection
from resp_kv.shell.server import Server as Node

READ_BYTES = 64 * 1024


class Batch:
    """The connections that ran commands in this iteration of the loop: log first, then replies."""

    def __init__(self, node, loop):
        self.node, self.loop, self.talking = node, loop, []
        self.index = CommandIndex(commands.load())

    def add(self, client):
        if not self.talking:
            self.loop.call_soon(self.finish)
        self.talking.append(client)

    def finish(self):
        talking, self.talking = self.talking, []
        self.node.engine.commit()
        for client in talking:
            client.transport.write(client.connection.take_output())


class Client(asyncio.BufferedProtocol):
    def __init__(self, node, batch):
        self.node, self.batch = node, batch
        self.connection = Connection(node.node, batch.index, node.node.traffic, id(self))
        self.buffer = bytearray(READ_BYTES)

    def connection_made(self, transport):
        self.transport = transport

    def get_buffer(self, sizehint):
        return self.buffer

    def buffer_updated(self, count):
        self.node.clock.now_ms = int(time.time() * 1000)
        self.connection.feed(bytes(memoryview(self.buffer)[:count]))
        self.batch.add(self)


async def serve(config):
    node = Node(config)
    node.loop = asyncio.get_running_loop()
    node.open()
    batch = Batch(node, node.loop)
    server = await node.loop.create_server(lambda: Client(node, batch), "127.0.0.1",
                                           config.get("port"))
    await server.serve_forever()


def compare(options):
    def variant(port, directory):
        return [*resp_kv()(port, directory)[:1], "-m", "benchmarks.server.transport_variant",
                "--port", str(port), "--dir", directory]

    servers = [Server("epoll", resp_kv(), free_port()), Server("transport", variant, free_port())]
    try:
        for server in servers:
            fill(server, options.keys, 100)
        usec = {}
        for _ in range(options.rounds):
            for test, depth in (("set", 1), ("get", 1), ("set", 16), ("get", 16)):
                for server in servers:
                    requests = options.requests * (5 if depth > 1 else 1)
                    before = server.cpu_seconds()
                    result = run(server.port, test, requests, pipeline=depth, clients=50,
                                 value_bytes=100, keys=options.keys)
                    usec.setdefault((test, depth), {}).setdefault(server.name, []).append(
                        ((server.cpu_seconds() - before) * 1e6 / requests,
                         requests / result.seconds / 1000))
        print(f"{'medians':12}{'CPU us/op':>24}{'thousand/s':>24}\n"
              f"{'':12}{'epoll':>12}{'transport':>12}{'epoll':>12}{'transport':>12}")
        for (test, depth), found in usec.items():
            columns = [statistics.median(sample[field] for sample in found[server.name])
                       for field in (0, 1) for server in servers]
            print(f"{test.upper()} P={depth:<7}" + "".join(f"{number:12.2f}" for number in columns))
    finally:
        for server in servers:
            server.stop()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--compare", action="store_true")
    parser.add_argument("--port", default="7000")
    parser.add_argument("--dir", default="./data")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=100_000)
    parser.add_argument("--keys", type=int, default=300_000)
    options = parser.parse_args()
    if options.compare:
        compare(options)
    else:
        config = read(["--port", options.port, "--dir", options.dir])
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(serve(config))


if __name__ == "__main__":
    main()
