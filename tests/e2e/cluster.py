"""Several real nodes as one cluster, started side by side on free ports.

    with Cluster(folder, nodes=3) as cluster:
        cluster[0].client().set("a", "1")         a Node each (server.py): client, link, log
        cluster.kill(1)                           SIGKILL; cluster.start(1) brings it back
        cluster.freeze(1); cluster.thaw(1)        SIGSTOP and SIGCONT
        cluster.wait_for("ok")                    until every running node says cluster_state:ok

    with Network(3) as network, Cluster(folder, network=network) as cluster:
        network.isolate(2)                        each node has an address of its own (network.py)

Nothing watches the nodes, unlike `resp-kv local` (local_cluster.py): what a test does to one of them
is all that happens to it. Little memory, since several nodes share the machine.
"""

import contextlib
import os
import signal

import redis

from tests.e2e.server import Node, eventually

SMALL = ("--memtable-bytes", "16mb", "--block-cache-bytes", "16mb", "--compaction-threads", "1",
         "--reader-threads", "1")
SECRET = "a secret of the tests"


class Cluster:
    def __init__(self, folder, *options, nodes=3, start=True, network=None):
        self.nodes, self.network = [], network
        for number in range(nodes):
            place = folder / f"node{number}"
            place.mkdir(parents=True, exist_ok=True)
            self.nodes.append(self.make_node(place, number, options))
        seeds = " ".join(node.seed for node in self.nodes)
        for node in self.nodes:
            node.options += ("--cluster-seeds", seeds)
        self.wanted = start

    def make_node(self, place, number, options):
        options = (*SMALL, "--cluster-enabled", "yes", "--node-server", f"server-{number}",
                   "--cluster-secret", SECRET, *options)
        where = {}
        if self.network is not None:
            where = {"host": self.network.address(number), "inside": self.network.inside(number)}
            options += ("--bind", where["host"], "--protected-mode", "no")
        node = Node(place, *options, **where)
        taken = {other.port for other in self.nodes}
        while node.port in taken:
            node = Node(place, *options, **where)
        node.seed = f"{node.host}:{node.port + 10_000}"
        return node

    def __enter__(self):
        try:
            if self.wanted:
                for node in self.nodes:
                    node.start(wait=False)
                for node in self.nodes:
                    node.wait_until_up()
                self.wait_for("ok")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for node in self.nodes:
            with contextlib.suppress(OSError):
                self.thaw_process(node)
            node.__exit__()

    def __getitem__(self, number):
        return self.nodes[number]

    def __len__(self):
        return len(self.nodes)

    # -- one node -----------------------------------------------------------------------------

    def kill(self, number):
        self.nodes[number].kill()

    def start(self, number, *options):
        """Back again, and all running nodes agree that it is."""
        self.nodes[number].start(*options)
        self.wait_for("ok")

    def freeze(self, number):
        os.kill(self.nodes[number].process.pid, signal.SIGSTOP)

    def thaw(self, number):
        self.thaw_process(self.nodes[number])

    def thaw_process(self, node):
        if node.process is not None and node.process.poll() is None:
            node.process.send_signal(signal.SIGCONT)

    def running(self):
        return [node for node in self.nodes if node.process is not None
                and node.process.poll() is None]

    # -- all ----------------------------------------------------------------------------------

    def wait_for(self, state):
        """Until every running node says `cluster_state:STATE` and reaches all that run."""
        for node in self.running():
            with node.client() as client:
                eventually(lambda client=client: self.is_settled(client, state))

    def is_settled(self, client, state):
        try:
            if client.cluster("INFO")["cluster_state"] != state:
                return False
            return reached_by(client) >= {node.port for node in self.running()}
        except redis.RedisError:
            return False

    def wait_for_loss(self, *numbers):
        """Until every running node sends these nothing more: a suspect is still asked."""
        lost = {self.nodes[number].port for number in numbers}
        for node in self.running():
            if node.port not in lost:
                with node.client() as client:
                    eventually(lambda client=client: not lost & seen_by(client, without={"fail"}))

    def mend(self):
        """All run and reach each other."""
        for node in self.nodes:
            self.thaw_process(node)
            if node not in self.running():
                node.start(wait=False)
        for node in self.nodes:
            node.wait_until_up()
        self.wait_for("ok")

    def clients(self, **options):
        return [node.client(**options) for node in self.running()]

    def catch_up(self):
        """Every replica has all that was acknowledged, which may be one more than a level asks for: what
        all replicas are asked goes the way of the writes before it."""
        for client in self.clients():
            client.execute_command("KV.GET", "", "LEVEL", "ALL")

    def flush(self):
        """Empty, and so at every node; a connection may not be back yet after a start."""
        with self.nodes[0].client() as client:
            eventually(lambda: accepted(client.flushall))

    @property
    def logs(self):
        return "\n".join(f"node {number} at {node.port}:\n{node.log[-4000:]}"
                         for number, node in enumerate(self.nodes))


def reached_by(client):
    """The ports of the nodes that a node takes for reachable and sound, itself included."""
    return seen_by(client, without={"fail", "fail?"})


def seen_by(client, without):
    """The ports of the nodes that a node has a connection to, and that have none of these flags."""
    return {int(address.rpartition(":")[2]) for address, node in client.cluster("NODES").items()
            if node["connected"] and not without & set(node["flags"].split(","))}


def accepted(command):
    """What it gives, False for an error."""
    try:
        return command()
    except redis.ResponseError:
        return False
