"""`resp-kv local` as a process, for tests with several real nodes.

    with LocalCluster(folder, "--nodes", "3") as cluster:
        cluster.client(1).set("a", "1")        redis-py, node 1
        cluster.kill(2)                        SIGKILL
        cluster.run()                          once more: brings back what is missing

Small memtables, since several nodes share the machine. At the end whatever still runs is killed.
"""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from resp_kv import commands
from tests.e2e.cluster import reached_by, seen_by
from tests.e2e.server import eventually
from tests.e2e.two_servers import PORTS

ROOT = Path(__file__).parents[2]
SETTINGS = ("--set", "memtable-bytes 16mb", "--set", "block-cache-bytes 16mb")
UP = "to try it"
END_S = 120

needs_clusters = pytest.mark.skipif(
    b"kv.ring" not in commands.load(),
    reason="this build has no cluster yet: KV.RING is unknown")


def free_ports(count):
    """A port from which so many in a row are free, and the bus ports above them too.

    All below the ports of outgoing connections, which could take one while its node is down, and none
    that is another node's bus port.
    """
    for port in range(PORTS[0] + os.getpid() * 7 % 8_000, PORTS[1] - count, count):
        try:
            for number in range(port, port + count):
                for each in (number, number + 10_000):
                    with socket.socket() as probe:
                        probe.bind(("127.0.0.1", each))
        except OSError:
            continue
        return port
    raise AssertionError("no free ports")


class LocalCluster:
    def __init__(self, folder, *options, nodes=3):
        self.folder = Path(folder)
        self.numbers = range(1, nodes + 1)
        self.port = free_ports(nodes)
        self.options = options
        self.runs, self.opened = [], []

    def __enter__(self):
        self.run(*self.options, "--port", str(self.port), *SETTINGS)
        return self

    def __exit__(self, *_):
        for client in self.opened:
            client.close()
        for run in self.runs:
            run.kill()
            run.communicate()
        for number in self.numbers:
            try:
                os.kill(self.pid(number), signal.SIGKILL)
            except (OSError, ValueError):
                pass

    # -- `resp-kv local` ----------------------------------------------------------------------

    def start(self, *options):
        """The process, without waiting."""
        run = subprocess.Popen(
            [sys.executable, "-m", "resp_kv", "local", "--dir", str(self.folder), *options], cwd=ROOT,
            text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.runs.append(run)
        return run

    def run(self, *options):
        """The process, when it says that all nodes are ready."""
        run = self.start(*options)
        run.before = until(run, UP)
        return run

    def mend(self):
        """What is missing runs again, and all reach each other, of which `resp-kv local` knows nothing."""
        run, ports = self.run(), {self.port_of(number) for number in self.numbers}
        for number in self.numbers:
            with self.client(number) as client:
                eventually(lambda client=client: reached_by(client) >= ports, END_S)
        return run

    def wait_for_loss(self, number):
        """Until no other node sends it anything more."""
        lost = self.port_of(number)
        for other in self.numbers:
            if other != number:
                with self.client(other) as client:
                    eventually(lambda client=client: lost not in seen_by(client, without={"fail"}), END_S)

    def stop(self, *options):
        """(exit status, output) of `resp-kv local --stop`."""
        run = self.start("--stop", *options)
        out, err = run.communicate(timeout=END_S)
        return run.returncode, out + err

    # -- the nodes ----------------------------------------------------------------------------

    def pid(self, number):
        return int((self.folder / f"node-{number}" / "pid").read_text())

    def kill(self, number):
        os.kill(self.pid(number), signal.SIGKILL)

    def port_of(self, number):
        return self.port + number - 1

    def address(self, number):
        return f"127.0.0.1:{self.port_of(number)}"

    def log(self, number):
        return (self.folder / f"node-{number}" / "node.log").read_text(errors="replace")

    def client(self, number, **options):
        """redis-py; no retries, so that a test sees what happens."""
        client = redis.Redis(port=self.port_of(number), **{
            "socket_timeout": 60, "retry": redis.retry.Retry(redis.backoff.NoBackoff(), 0), **options})
        self.opened.append(client)
        return client


def until(run, text):
    """What it prints up to the line with this text."""
    lines = []
    for line in run.stdout:
        lines.append(line)
        if text in line:
            return "".join(lines)
    raise AssertionError("".join(lines) + run.stderr.read())
