"""How a cluster comes into being: the nodes named in `cluster-seeds` meet, and each computes the same
topology document.

The founders are the seeds and, should its own address not be among them, this node. Each meets every
other one, directly, and says

    its plan   a hash of the founders' addresses, the partitions and the replication
    its view   a hash of who stands at each address, once it has met them all

and founds the cluster when everybody's last word is the plan and the view that it has itself. The
plans must be equal, or a node that names one more seed than the others would found a cluster of its
own. The views must be, or a founder that lost its disk and came back as another node in just that
minute would be a member under two names. With both, any two nodes that found compute equal bytes: the
document is a function of plan and view.

No vote is needed, and nobody leads. A founder that hears the others too late gets the document from
one that has it.
"""

import json
from hashlib import sha1
from typing import NamedTuple

from cluster.claim import claim
from cluster.document import check_member, found
from cluster.gossip_format import Newcomer

FOUNDERS_MAX = 200
INCOMPLETE = bytes(8)


class Settings(NamedTuple):
    """What is fixed when a cluster is founded."""

    partitions: int = 256
    replication: int | dict = 3
    distinct_servers: bool = True


def hash_of(value):
    return sha1(json.dumps(value, sort_keys=True).encode()).digest()[:8]


class Founding:
    """`seeds` are (host, bus port) pairs; `place` is the placement function (see document.found)."""

    def __init__(self, me, generation, seeds, settings, place=claim):
        if len(seeds) > FOUNDERS_MAX:
            raise ValueError(f"{len(seeds)} cluster-seeds; the limit is {FOUNDERS_MAX}")
        self.me, self.generation = check_member(me._replace(weight=float(me.weight))), generation
        self.settings, self.place = settings, place
        own = [seed for seed in seeds if me.is_at(seed)] or [(me.ip, me.bus_port)]
        self.own = own[0]
        others = [tuple(seed) for seed in seeds if not me.is_at(seed)]
        self.others = sorted(dict.fromkeys(others))  # addresses of the other founders
        self.words = {}                              # address -> the last Newcomer from there
        self.plan = hash_of([sorted([*self.others, self.own]), *settings])

    def word(self):
        """What this node says at a meeting."""
        return Newcomer(self.plan, self.view(), self.generation, self.me)

    def members(self):
        return sorted([self.me, *(word.place for word in self.words.values())])

    def view(self):
        return INCOMPLETE if len(self.words) < len(self.others) else hash_of(self.members())

    def hear(self, newcomer):
        """The last word of a node counts, and at an address that of the last node."""
        for address in self.others:
            if newcomer.place.is_at(address):
                self.words[address] = newcomer

    def to_meet(self):
        """Addresses of founders that do not agree yet, as far as this node knows."""
        view = self.view()
        if view == INCOMPLETE:
            return [address for address in self.others if address not in self.words]
        return [address for address in self.others if self.words[address].view != view]

    def complaint(self):
        """Why it does not go on, in a sentence, or nothing."""
        for (host, port), word in sorted(self.words.items()):
            if word.plan != self.plan:
                return (f"the node at {host}:{port} has other cluster-seeds, cluster-partitions or "
                        "replication-factor than this one: they must be the same on every founder")
        return ""

    def waiting_for(self):
        return ", ".join(f"{host}:{port}" for host, port in self.others if (host, port) not in self.words)

    def document(self):
        """The document, once there is one; else None. Raises DocumentError where the founders cannot
        make a cluster."""
        if len(self.words) < len(self.others) or self.to_meet() or self.complaint():
            return None
        partitions, replication, distinct = self.settings
        return found(self.members(), partitions, replication, self.place, distinct)
