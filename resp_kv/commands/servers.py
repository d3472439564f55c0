"""The members of the cluster, and the writers of versions, as KV commands name them.

A version names its writer by an actor (cluster/versions.pyx): 32 bits of the node id and the
generation, which is new at every start. As text that is `8 hex digits.generation`, e.g. 1f0c9a3e.7.
"""

from cluster.hlc import wall_ms
from resp_kv.commands.cluster import lone_line
from resp_kv.errors import CommandError


def dot_words(hlc, actor):
    """[version, server]: the two halves of a dot."""
    return [hlc, f"{actor >> 32:08x}.{(actor & 0xFFFFFFFF) >> 1}"]


def time_of(hlc):
    """Milliseconds since 1970."""
    return wall_ms(hlc)


def server_of(client, actor):
    """The node id of a member; of a node that is none any more what is known of its id."""
    start = f"{actor >> 32:08x}"
    return next((line.id for line in lines(client) if line.id.startswith(start)), start)


def lines(client):
    """A NodeLine for every member; this node alone if there is no cluster."""
    cluster = client.node.cluster
    if cluster is not None:
        return cluster.lines()
    if client.node.traffic.replicated:
        raise CommandError("CLUSTERDOWN the cluster is not formed yet: see CLUSTER INFO")
    return [lone_line(client)]


def line_of(client, member):
    return lines(client)[member]


def address_of(line):
    return f"{line.ip or line.hostname or '127.0.0.1'}:{line.port}"
