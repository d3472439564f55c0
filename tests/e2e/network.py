"""A network of network namespaces: each node has an address of its own, and packets can be lost.

    root namespace, the clients                     10.B.C.254 on the bridge
        bridge  |-- veth -- namespace of node 0     10.B.C.1
                |-- veth -- namespace of node 1     10.B.C.2 ...

A cut is an address that is resolved wrongly: a permanent entry in the sender's neighbour table names a
hardware address that nobody has, so that frames vanish on the bridge. No reset and no ICMP message tells
the sender, as with a pulled cable, and each direction of each pair can be cut by itself. That needs
`ip` alone, no packet filter and no traffic control, whose kernel modules are often missing.

Needs root and the right to make namespaces: `why_not()` says what is in the way, in words for a skip.
"""

import contextlib
import itertools
import os
import shutil
import subprocess

NOWHERE = "02:00:00:00:00:ff"
CLIENTS = -1                        # the place of those who are in the root namespace


class Network:
    """`count` namespaces; in a `with` block: they are removed at its end."""

    def __init__(self, count):
        self.count = count
        self.tag, self.subnet = free_subnet()
        self.bridge = f"kvb{self.tag}"

    def __enter__(self):
        try:
            ip("link", "add", self.bridge, "type", "bridge")
            ip("addr", "add", f"{self.subnet}.254/24", "dev", self.bridge)
            ip("link", "set", self.bridge, "address", hardware(CLIENTS), "up")
            for place in range(self.count):
                self.add(place)
            for sender, receiver in self.pairs(range(CLIENTS, self.count)):
                self.resolve(sender, receiver, hardware(receiver))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for place in range(self.count):
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("netns", "del", self.namespace(place))
            # What a namespace holds goes in the background; its name must be free at once.
            with contextlib.suppress(subprocess.CalledProcessError):
                ip("link", "del", self.outer(place))
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("link", "del", self.bridge)

    def add(self, place):
        name, outer = self.namespace(place), self.outer(place)
        ip("netns", "add", name)
        ip("link", "add", outer, "type", "veth", "peer", "name", "eth0", "netns", name)
        ip("link", "set", outer, "master", self.bridge, "up")
        ip("-n", name, "link", "set", "lo", "up")
        ip("-n", name, "link", "set", "eth0", "address", hardware(place))
        ip("-n", name, "addr", "add", f"{self.address(place)}/24", "dev", "eth0")
        ip("-n", name, "link", "set", "eth0", "up")

    # -- where things are ---------------------------------------------------------------------

    def namespace(self, place):
        return f"kv{self.tag}-{place}"

    def outer(self, place):
        return f"kv{self.tag}v{place}"

    def address(self, place):
        return f"{self.subnet}.{254 if place == CLIENTS else place + 1}"

    def inside(self, place):
        """What to put in front of a command that is to run there."""
        return ("ip", "netns", "exec", self.namespace(place))

    # -- faults -------------------------------------------------------------------------------

    def cut(self, senders, receivers, both_ways=True):
        """Whatever these send to those vanishes from now on."""
        for sender in senders:
            for receiver in receivers:
                if sender != receiver:
                    self.resolve(sender, receiver, NOWHERE)
                    if both_ways:
                        self.resolve(receiver, sender, NOWHERE)

    def isolate(self, place, clients=True):
        """Cut one off from all others, and from the clients as well."""
        others = range(CLIENTS if clients else 0, self.count)
        self.cut([place], others)

    def unplug(self, place):
        """Its cable; its own machine notices nothing."""
        ip("link", "set", self.outer(place), "down")

    def heal(self):
        for place in range(self.count):
            ip("link", "set", self.outer(place), "up")
        for sender, receiver in self.pairs(range(CLIENTS, self.count)):
            self.resolve(sender, receiver, hardware(receiver))

    def pairs(self, places):
        return itertools.permutations(places, 2)

    def resolve(self, sender, receiver, address):
        there = () if sender == CLIENTS else ("-n", self.namespace(sender))
        device = self.bridge if sender == CLIENTS else "eth0"
        ip(*there, "neigh", "replace", self.address(receiver), "lladdr", address, "dev", device,
           "nud", "permanent")


def hardware(place):
    return f"02:00:00:00:01:{(place + 1) % 256:02x}"


def ip(*words):
    path = shutil.which("ip") or "/usr/sbin/ip"
    subprocess.run([path, *words], check=True, capture_output=True, text=True)


def free_subnet():
    """A tag for names and the first three numbers of addresses, neither in use."""
    for number in range(os.getpid() % 200, 4 * 256):
        second, third = 213 + number // 256 % 4, number % 256
        tag = f"{second - 213:x}{third:02x}"
        if not os.path.exists(f"/sys/class/net/kvb{tag}"):
            return tag, f"10.{second}.{third}"
    raise RuntimeError("no free subnet")


def why_not():
    """Why no namespaces can be made here, or None."""
    if shutil.which("ip") is None and not os.path.exists("/usr/sbin/ip"):
        return "ip is not installed (apt-get install iproute2)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    try:
        with Network(1):
            return None
    except subprocess.CalledProcessError as error:
        return f"network namespaces are not permitted here: {error.stderr.strip()}"
