"""CLUSTER, READONLY, READWRITE, ASKING: the cluster as Redis Cluster clients want to see it.

Every node is told of as the master of the slots it coordinates, and no replicas: clients that are
told of replicas leave out of SCAN whatever they take for one. Who is master of what comes from
cluster_view.py; a node without a cluster owns all slots. The formats are what redis-py, ioredis,
go-redis, Lettuce, redis-cli --cluster and redis-benchmark --cluster take apart: every slot exactly
once, whole ranges, one `myself`.

Placement and membership are the server's own business; the subcommands that would change them are
in cluster_refused.py.
"""

from functools import partial
from typing import NamedTuple

from cluster.slots import slot_of
from resp_kv.cluster_view import DOWN, SUSPECT, UP, NodeLine
from resp_kv.commands.parsing import integer
from resp_kv.commands.scanning import check_complete
from resp_kv.commands.table import arg, command, container
from resp_kv.errors import CommandError
from resp_kv.resp.values import OK, Verbatim

SLOTS = 16384
EPOCH = 1
DISABLED = "ERR This instance has cluster support disabled"

container("cluster", group="cluster", since="3.0.0", complexity="Depends on subcommand.",
          acl_categories=("@slow",), summary="Commands about the cluster.")


def needs_cluster(handler):
    """With `cluster-enabled no` there is nothing to tell, HELP included."""

    def checked(client, args):
        if not client.node.cluster_enabled:
            raise CommandError(DISABLED)
        return handler(client, args)

    return checked


def reading(name, *, arity=2, flags="stale", acl_categories=("@slow",), **documentation):
    """A row for a subcommand that changes nothing."""

    def register(handler):
        return command(f"cluster|{name}", arity=arity, flags=flags, group="cluster",
                       acl_categories=acl_categories, **documentation)(needs_cluster(handler))

    return register


admin_reading = partial(reading, arity=3, flags="admin stale",
                        acl_categories=("@admin", "@slow", "@dangerous"))
CHANGING = ("nondeterministic_output",)
NODE_ID = [arg("node-id", "string")]


class Member(NamedTuple):
    """A node as clients are told of it. `endpoint` None: they keep the address they came by."""

    id: str
    ip: str
    port: int
    bus_port: int
    hostname: str
    endpoint: str | None
    ranges: tuple
    state: str
    is_myself: bool
    is_connected: bool

    @property
    def flags(self):
        """As Redis names them: fail? is one node's opinion, fail the cluster's."""
        mine = "myself," if self.is_myself else ""
        return mine + {DOWN: "master,fail", UP: "master"}.get(self.state, "master,fail?")

    @property
    def health(self):
        return "fail" if self.state == DOWN else "online"


def members(client):
    """Every node as clients are told of it; this one alone while there is no cluster."""
    lines = client.node.cluster.lines() if client.node.cluster is not None else []
    if not lines:
        return [member_of(client, lone_line(client))]
    return [member_of(client, line) for line in lines]


def lone_line(client):
    config = client.node.config
    host, port, bus_port = client.node.announce
    return NodeLine(client.node.node_id, host, port, bus_port,
                    config.get("cluster-announce-hostname"), config.get("node-dc"),
                    config.get("node-rack"), config.get("node-weight"), UP, True,
                    ((0, SLOTS - 1),))


def member_of(client, line):
    config = client.node.config
    ip = line.ip
    if line.is_myself and not config.get("cluster-announce-ip"):
        ip = own_address(client) or line.ip
    endpoint = {"ip": ip, "hostname": line.hostname or "?", "unknown-endpoint": None}
    return Member(line.id, ip, line.port, line.bus_port, line.hostname,
                  endpoint[config.get("cluster-preferred-endpoint-type")], line.ranges,
                  line.state, line.is_myself, line.is_connected)


def own_address(client):
    """The address of ours that this client came to; "" on a Unix socket."""
    host, _, port = client.laddr.rpartition(":")
    return host.strip("[]") if port != "0" else ""


def epoch(client):
    cluster = client.node.cluster
    return cluster.epoch if cluster is not None and cluster.epoch else EPOCH


@reading("info", since="3.0.0", tips=CHANGING, summary="The state of the cluster in numbers.")
def cluster_info(client, args):
    cluster, lines = client.node.cluster, members(client)
    forming = client.node.traffic.replicated and cluster is None
    ready = cluster is None or cluster.settled
    served = 0 if forming else sum([last - first + 1 for line in lines
                                    for first, last in line.ranges])
    down = sum([line.state == DOWN for line in lines])
    fields = {
        "cluster_enabled": 1, "cluster_state": "ok" if served == SLOTS and ready else "fail",
        "cluster_slots_assigned": served, "cluster_slots_ok": served,
        "cluster_slots_pfail": 0, "cluster_slots_fail": SLOTS - served,
        "cluster_known_nodes": len(lines),
        "cluster_size": sum([bool(line.ranges) for line in lines]),
        "cluster_current_epoch": epoch(client), "cluster_my_epoch": epoch(client),
        "cluster_stats_messages_sent": 0, "cluster_stats_messages_received": 0,
        "total_cluster_links_buffer_limit_exceeded": 0, "cluster_members_down": down,
    }
    return Verbatim("".join(f"{name}:{value}\r\n" for name, value in fields.items()))


@reading("myid", since="3.0.0", summary="The id of this node.")
def myid(client, args):
    return client.node.node_id


@reading("myshardid", since="7.2.0", tips=CHANGING,
         summary="The id of this node's shard: that of the node itself.")
def myshardid(client, args):
    return client.node.node_id


@reading("nodes", since="3.0.0", tips=CHANGING,
         complexity="O(N) where N is the total number of Cluster nodes",
         summary="One line about each node: id, address, flags, slots.")
def nodes(client, args):
    return Verbatim("".join([node_line(client, member) for member in members(client)]))


def node_line(client, member):
    name = f",{member.hostname}" if member.hostname else ""
    link = "connected" if member.is_connected and member.state in (UP, SUSPECT) else "disconnected"
    slots = "".join([f" {first}-{last}" for first, last in member.ranges])
    return (f"{member.id} {member.ip}:{member.port}@{member.bus_port}{name} {member.flags} - 0 0 "
            f"{epoch(client)} {link}{slots}\n")


@reading("slots", since="3.0.0", flags="loading stale", tips=CHANGING, deprecated_since="7.0.0",
         replaced_by="`CLUSTER SHARDS`", doc_flags=("deprecated",),
         history=(("4.0.0", "Node ids."), ("7.0.0", "A map of further names of each node.")),
         complexity="O(N) where N is the total number of Cluster nodes",
         summary="Ranges of slots with the node that serves each.")
def slots(client, args):
    rows = [[first, last, [member.endpoint, member.port, member.id, other_names(client, member)]]
            for member in members(client) for first, last in member.ranges]
    return sorted(rows, key=lambda row: row[0])


def other_names(client, member):
    kind = client.node.config.get("cluster-preferred-endpoint-type")
    names = {} if kind == "ip" else {"ip": member.ip}
    if kind != "hostname" and member.hostname:
        names["hostname"] = member.hostname
    return names


@reading("shards", since="7.0.0", flags="loading stale", tips=CHANGING,
         complexity="O(N) where N is the total number of cluster nodes",
         summary="Every shard with its slots and its node.")
def shards(client, args):
    return [shard(member) for member in members(client)]


def shard(member):
    node = {"id": member.id, "port": member.port, "ip": member.ip, "endpoint": member.endpoint}
    if member.hostname:
        node["hostname"] = member.hostname
    node |= {"role": "master", "replication-offset": 0, "health": member.health}
    return {"slots": [edge for edges in member.ranges for edge in edges], "nodes": [node]}


@reading("keyslot", arity=3, since="3.0.0", args=[arg("key", "string")],
         complexity="O(N) where N is the number of bytes in the key",
         summary="The slot of a key.")
def keyslot(client, args):
    return slot_of(args[2])


@reading("countkeysinslot", arity=3, since="3.0.0", args=[arg("slot", "integer")],
         complexity="O(N) where N is the number of keys in the slot",
         summary="How many keys of the selected database are in a slot.")
def countkeysinslot(client, args):
    slot = integer(args[2])
    if not 0 <= slot < SLOTS:
        raise CommandError("ERR Invalid slot")
    check_complete(client)
    return client.keyspace.slot_count(slot)


@reading("getkeysinslot", arity=4, since="3.0.0", tips=CHANGING,
         args=[arg("slot", "integer"), arg("count", "integer")],
         complexity="O(N) where N is the number of requested keys",
         summary="Some keys of the selected database that are in a slot.")
def getkeysinslot(client, args):
    slot, count = integer(args[2]), integer(args[3])
    if not 0 <= slot < SLOTS or count < 0:
        raise CommandError("ERR Invalid slot or number of keys")
    check_complete(client)
    return client.keyspace.slot_keys(slot, count)


def known_node(client, word):
    shown = word.decode("utf-8", "surrogateescape")
    if not any(member.id == shown for member in members(client)):
        raise CommandError(f"ERR Unknown node {shown}")


def replicas(client, args):
    known_node(client, args[2])
    return []


REPLICAS = dict(args=NODE_ID, tips=CHANGING,
                complexity="O(N) where N is the number of replicas.",
                summary="The replicas of a node: every node is told of as a master.")
admin_reading("replicas", since="5.0.0", **REPLICAS)(replicas)
admin_reading("slaves", since="3.0.0", deprecated_since="5.0.0",
              replaced_by="`CLUSTER REPLICAS`", doc_flags=("deprecated",), **REPLICAS)(replicas)


@reading("links", since="7.0.0", tips=CHANGING,
         complexity="O(N) where N is the total number of Cluster nodes",
         summary="The connections to other nodes: none.")
def links(client, args):
    return []


@admin_reading("count-failure-reports", since="3.0.0", args=NODE_ID, tips=CHANGING,
               complexity="O(N) where N is the number of failure reports",
               summary="How many nodes report a node as failing.")
def count_failure_reports(client, args):
    known_node(client, args[2])
    return 0


def mode_command(name, since, summary, flags="loading stale fast"):
    return lambda handler: command(
        name, arity=1, flags=flags, group="cluster", since=since, summary=summary,
        acl_categories=("@fast", "@connection"))(needs_cluster(handler))


@mode_command("readonly", "3.0.0", "Lets this connection read from any one copy.")
def readonly(client, args):
    client.readonly = True
    return OK


@mode_command("readwrite", "3.0.0", "Takes READONLY back.")
def readwrite(client, args):
    client.readonly = False
    return OK


@mode_command("asking", "3.0.0", "Accepted; no node ever answers ASK.", flags="fast")
def asking(client, args):
    client.asking = True
    return OK
