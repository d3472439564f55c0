"""The topology document: who is in the cluster, and which members hold which partition.

    {"format": 1, "epoch": 1, "cluster_id": 40 hex, "partitions": 256, "replication": 3 | {"dc": n},
     "distinct_servers": true, "members": [{"node_id": 40 hex, "ip": ..., ...}, ...],
     "placement": [[member, ...], ...]}                        one list for each partition

It is one immutable value; a change makes another one with a greater epoch. Members are sorted by node
id, and everywhere else in the code a member is its index in that list. The first document is computed
by each founder for itself (`found`), so it must come out equal from the same members in any order:
nothing in it may depend on who computes it, or when.

What changes while the cluster runs (liveness, an address after a move to another host) is not in here
but in the gossip rows; the addresses in here are those of the day on which the epoch began, enough to
find the others after a start. Two documents of one cluster are ordered by (epoch, digest): the digest
only matters if founders saw each other with different addresses, and then all settle on the same one.
"""

import json
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha1
from itertools import pairwise
from typing import NamedTuple

from cluster.claim import claim
from cluster.placement import Member as Holder
from cluster.placement import Placement

FORMAT = 1
SLOTS = 16384
MEMBERS_MAX = 1000
REPLICATION_MAX = 100
TEXT_BYTES_MAX = 255  # of an address, a host name, a rack ...; gossip gives its length one byte
DOCUMENT_BYTES_MAX = 1 << 22


class DocumentError(ValueError):
    """This is no topology document, or one of a later version; the text says what is wrong."""


class Member(NamedTuple):
    """One node and where it stands. `server` is the physical machine, whatever number of nodes runs
    on it. `weight` is its share of the data in relation to the others."""

    node_id: str
    ip: str
    port: int
    bus_port: int
    hostname: str = ""
    server: str = ""
    dc: str = "dc1"
    rack: str = "rack1"
    weight: float = 1.0

    @property
    def holder(self):
        """The member as placement sees it. A node that names no server is alone at its address."""
        return Holder(self.node_id, self.server or self.ip, self.dc, self.rack, self.weight)

    def is_at(self, address):
        """Whether (host, bus port) names this node, by ip or by host name."""
        host, bus_port = address
        return bus_port == self.bus_port and host in (self.ip, self.hostname) and host != ""


@dataclass(frozen=True)
class Document:
    epoch: int
    cluster_id: str
    partitions: int
    replication: int | dict  # copies of each key, or of each key in each data centre
    distinct_servers: bool
    members: tuple
    placement: tuple

    @cached_property
    def json(self):
        """Bytes; equal documents have equal bytes."""
        return json.dumps({
            "format": FORMAT, "epoch": self.epoch, "cluster_id": self.cluster_id,
            "partitions": self.partitions, "replication": self.replication,
            "distinct_servers": self.distinct_servers,
            "members": [member._asdict() for member in self.members],
            "placement": self.placement,
        }, separators=(",", ":"), sort_keys=True).encode()

    @cached_property
    def digest(self):
        """Eight bytes that differ when the documents differ."""
        return sha1(self.json).digest()[:8]

    @property
    def version(self):
        return self.epoch, self.digest

    @cached_property
    def indices(self):
        """node id -> member."""
        return {member.node_id: index for index, member in enumerate(self.members)}

    @cached_property
    def placed(self):
        """The placement with its fallbacks (cluster.placement.Placement)."""
        return Placement([member.holder for member in self.members], self.placement)

    def at(self, address):
        """The member whose address was (host, bus port) when this epoch began, or None."""
        for index, member in enumerate(self.members):
            if member.is_at(address):
                return index
        return None


def cluster_id_of(members):
    """The cluster's name follows from its founders."""
    return sha1(",".join(sorted(member.node_id for member in members)).encode()).hexdigest()


def found(members, partitions, replication, place=claim, distinct_servers=True):
    """The first document of a cluster of these members, in any order.

    `place` is called as `claim` is; tests give simpler ones. Raises DocumentError where the members
    do not make a cluster (an id or address twice, no member where the replicas should be, ...).
    """
    # Weights came over the wire as floats, or from the configuration as they were written there.
    members = tuple(sorted(member._replace(weight=float(member.weight)) for member in members))
    check_members(members)
    try:
        placed = place([member.holder for member in members], partitions, replication,
                       distinct_servers=distinct_servers)
    except ValueError as error:
        raise DocumentError(f"the founders cannot make a cluster: {error}") from None
    document = Document(
        epoch=1, cluster_id=cluster_id_of(members), partitions=partitions,
        replication=dict(replication) if isinstance(replication, dict) else replication,
        distinct_servers=distinct_servers, members=members,
        placement=tuple(tuple(replicas) for replicas in placed.replicas))
    return checked(document)


def from_json(text):
    """The document in these bytes; raises DocumentError, naming what is wrong."""
    if len(text) > DOCUMENT_BYTES_MAX:
        raise DocumentError(f"a topology document of {len(text)} bytes; the limit is {DOCUMENT_BYTES_MAX}")
    try:
        fields = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DocumentError(f"the topology document is not JSON: {error}") from None
    need(isinstance(fields, dict) and "format" in fields, "it has no format")
    if fields["format"] != FORMAT:
        raise DocumentError(f"the topology document has format {fields['format']!r}, this version of "
                            f"resp-kv reads format {FORMAT}: use a newer one")
    try:
        return checked(Document(
            epoch=fields["epoch"], cluster_id=fields["cluster_id"], partitions=fields["partitions"],
            replication=fields["replication"], distinct_servers=fields["distinct_servers"],
            members=tuple(Member(**member) for member in fields["members"]),
            placement=tuple(tuple(replicas) for replicas in fields["placement"])))
    except (KeyError, TypeError) as error:
        raise DocumentError(f"the topology document is damaged: {error}") from None


def need(condition, complaint):
    if not condition:
        raise DocumentError(f"the topology document is damaged: {complaint}")


def is_number(value, least, most):
    return type(value) is int and least <= value <= most


def is_id(value):
    return isinstance(value, str) and len(value) == 40 and not value.strip("0123456789abcdef")


def checked(document):
    """The same document, if every part of it is what it should be."""
    need(is_number(document.epoch, 1, (1 << 32) - 1), "epoch")
    need(is_id(document.cluster_id), "cluster_id")
    need(is_number(document.partitions, 1, SLOTS), f"partitions must be 1 to {SLOTS}")
    need(type(document.distinct_servers) is bool, "distinct_servers")
    check_replication(document.replication)
    check_members(document.members)
    check_placement(document.placement, document.partitions, len(document.members))
    return document


def check_replication(replication):
    if not isinstance(replication, dict):
        need(is_number(replication, 1, REPLICATION_MAX), f"replication must be 1 to {REPLICATION_MAX}")
        return
    need(replication, "replication names no data centre")
    for dc, copies in replication.items():
        need(isinstance(dc, str) and is_number(copies, 1, REPLICATION_MAX), "replication")


def check_members(members):
    need(1 <= len(members) <= MEMBERS_MAX, f"there must be 1 to {MEMBERS_MAX} members")
    for member in members:
        check_member(member)
    ids = [member.node_id for member in members]
    need(all(one < other for one, other in pairwise(ids)), "members must be sorted, none twice")
    addresses = {}
    for member in members:
        other = addresses.setdefault((member.ip, member.bus_port), member.node_id)
        need(other == member.node_id, f"{other} and {member.node_id} have the same address "
                                      f"{member.ip}:{member.bus_port}")


def check_member(member):
    """The same member; raises DocumentError if a field is not what it should be."""
    need(is_id(member.node_id), "a node id is 40 hexadecimal digits")
    for name in ("ip", "hostname", "server", "dc", "rack"):
        text = getattr(member, name)
        need(isinstance(text, str) and text.isprintable() and len(text.encode()) <= TEXT_BYTES_MAX,
             f"{name} of {member.node_id}")
    need(member.ip, f"{member.node_id} has no address")
    for name in ("port", "bus_port"):
        need(is_number(getattr(member, name), 1, 65535), f"{name} of {member.node_id}")
    need(type(member.weight) in (int, float) and 0 < member.weight < 1e6, f"weight of {member.node_id}")
    return member


def check_placement(replicas_of, partitions, members):
    need(len(replicas_of) == partitions, f"{len(replicas_of)} placements of {partitions} partitions")
    for partition, replicas in enumerate(replicas_of):
        need(replicas and all(is_number(member, 0, members - 1) for member in replicas)
             and len(dict.fromkeys(replicas)) == len(replicas), f"placement of partition {partition}")
