"""The two sides: three resp-kv nodes that hold three copies, and a Redis primary with two replicas.

Each is a group of processes on 127.0.0.1 which is loaded as one and whose CPU time is counted as one.
Redis is set up in its favour where there was a choice: no rewrite of the append-only file, no limit
that cuts off a replica that lags behind, replicas attached before the data comes (so no full
synchronization is measured; `check` makes sure that there was none).
"""

import contextlib
import re
import subprocess
import time

from benchmarks.server.servers import Server, redis, resp_kv

NODES = 3
BUS_OFFSET = 10_000
READY_S_MAX = 120
IDLE_S = 5
SLOTS = 16_384
FOR_REPLICATION = ("--auto-aof-rewrite-percentage", "0", "--repl-diskless-sync-delay", "0",
                   "--client-output-buffer-limit", "replica 0 0 0")


class Store:
    """`servers`; the first one is whom a plain client talks to."""

    def __init__(self, name, servers):
        self.name, self.servers = name, servers

    @property
    def port(self):
        return self.servers[0].port

    @property
    def ports(self):
        return [server.port for server in self.servers]

    def cpu_seconds(self):
        """Of each process, in order."""
        return [server.cpu_seconds() for server in self.servers]

    def errors(self):
        """Error replies so far, of all servers."""
        return sum(int(server.info("stats")["total_error_replies"]) for server in self.servers)

    def idle_share(self):
        """CPU of all processes together that nobody asks for anything, in cores."""
        before, began = sum(self.cpu_seconds()), time.monotonic()
        time.sleep(IDLE_S)
        return (sum(self.cpu_seconds()) - before) / (time.monotonic() - began)

    def settle(self):
        for server in self.servers:
            server.settle()


class Cluster(Store):
    """Three nodes, N=3: every node holds every key."""

    def set_levels(self, level):
        for server in self.servers:
            for directive in ("read-consistency", "write-consistency"):
                if server.ask(f"CONFIG SET {directive} {level}") != b"+OK\r\n":
                    raise RuntimeError(f"{server.name} refuses {directive} {level}")

    def owners(self):
        """16384 bytes: the place among `ports` of the node that clients are told for each slot."""
        table = bytearray(SLOTS)
        for line in self.servers[0].ask("CLUSTER NODES").decode().splitlines():
            words = line.split()
            place = self.ports.index(int(re.search(r":(\d+)", words[1])[1]))
            for part in words[8:]:
                first, _, last = part.partition("-")
                for slot in range(int(first), int(last or first) + 1):
                    table[slot] = place
        return bytes(table)

    def tags(self):
        """The hash tags that redis-benchmark --cluster puts into its keys, one for each node. Asks
        it, and so wants a store without such keys; a key of each stays."""
        subprocess.run(["redis-benchmark", "--cluster", "-p", str(self.port), "-t", "set", "-q",
                        "-n", "1000", "-r", "1"], check=True, capture_output=True)
        found = []
        for server in self.servers:
            with server.connect() as sock:
                sock.sendall(b"KEYS *\r\n")
                time.sleep(1)
                found += re.findall(rb"key:(\{\w+\}+):\d{12}", sock.recv(65536))
        if len(set(found)) != len(self.servers):
            raise RuntimeError(f"expected a key of redis-benchmark on each node, found {found}")
        return sorted(found)

    def check(self):
        for server in self.servers:
            if "cluster_state:ok" not in server.ask("CLUSTER INFO").decode():
                raise RuntimeError(f"{server.name} lost the others")


class Replicated(Store):
    """A Redis primary and two replicas."""

    def check(self):
        stats = self.servers[0].info("stats")
        if int(stats["sync_full"]) != NODES - 1:
            raise RuntimeError("a replica was cut off and copied everything again meanwhile")


@contextlib.contextmanager
def both(port, directives):
    """A running Cluster on port to port + 2 and a Replicated on the three behind it."""
    with contextlib.ExitStack() as running:
        seeds = " ".join(f"127.0.0.1:{port + BUS_OFFSET + i}" for i in range(NODES))
        nodes = [running.enter_context(Server(
            f"node-{i + 1}", resp_kv(
                "--bind", "127.0.0.1", "--cluster-enabled", "yes", "--cluster-seeds", seeds,
                "--node-server", f"n{i + 1}", "--node-rack", f"n{i + 1}",
                "--replication-factor", str(NODES), *directives),
            port + i)) for i in range(NODES)]
        wait_until("the cluster is founded", lambda: all(
            b"cluster_state:ok" in node.ask("CLUSTER INFO") for node in nodes))
        port += NODES
        primary = running.enter_context(Server("primary", redis(*FOR_REPLICATION), port))
        replicas = [running.enter_context(Server(
            f"replica-{i}", redis(*FOR_REPLICATION, "--replicaof", f"127.0.0.1 {primary.port}"),
            port + i)) for i in range(1, NODES)]
        wait_until("Redis's replicas are attached", lambda: all(
            replica.info("replication")["master_link_status"] == "up" for replica in replicas))
        yield Cluster("resp-kv", nodes), Replicated("redis", [primary, *replicas])


def wait_until(what, is_true):
    deadline = time.monotonic() + READY_S_MAX
    while not is_true():
        if time.monotonic() > deadline:
            raise RuntimeError(f"waited {READY_S_MAX} s until {what}")
        time.sleep(0.1)
