"""Faults at random, from a seed: drawn one after the other, so that some overlap.

    kill     SIGKILL, started again after a while      stop     SIGTERM, the same
    freeze   SIGSTOP                                   cut      one is cut off, from clients too or not
    oneway   packets between two vanish in one direction
    wipe     SIGKILL, the disk emptied, started again; only when all is well, and alone

A disk may be lost only when its copies are elsewhere: two disks at once, or one while another node is behind,
lose what was acknowledged, and nobody promises otherwise.
"""

import contextlib
import shutil
import time

import redis

from tests.e2e.server import eventually

KINDS = (("kill", 5), ("freeze", 4), ("cut", 4), ("oneway", 2), ("stop", 1), ("wipe", 2))
LASTS_S = (0.3, 12.0)
PAUSE_S = (0.5, 6.0)
SETTLE_S = 180


class Faults:
    """`say(text)` prints a line with the time."""

    def __init__(self, cluster, random, say):
        self.cluster, self.random, self.say = cluster, random, say
        self.under_way = []                # (when it ends, what ends it, name)
        self.done = {}

    def run_until(self, end):
        """Strike and undo until then, and be whole again."""
        due = time.monotonic() + self.random.uniform(*PAUSE_S)
        while (now := time.monotonic()) < end:
            for fault in [fault for fault in self.under_way if fault[0] <= now]:
                self.undo(fault)
            if now >= due:
                self.strike()
                due = time.monotonic() + self.random.uniform(*PAUSE_S)
            time.sleep(0.05)
        self.undo_all()

    def strike(self):
        names = [name for name, _ in KINDS if self.cluster.network or name not in ("cut", "oneway")]
        weights = [weight for name, weight in KINDS if name in names]
        name = self.random.choices(names, weights)[0]
        victim, lasts_s = self.random.randrange(len(self.cluster)), self.random.uniform(*LASTS_S)
        other = (victim + self.random.randrange(1, len(self.cluster))) % len(self.cluster)
        clients = self.random.random() < 0.5
        busy = {which for _, _, _, which in self.under_way}
        if victim in busy or len(self.under_way) >= 2:
            return
        self.done[name] = self.done.get(name, 0) + 1
        if name == "wipe":
            self.undo_all()
            self.wipe(victim)
            return
        self.say(f"{name} {victim}, {lasts_s:.1f} s" + (
            f", packets to {other}" if name == "oneway" else
            f", clients {'too' if clients else 'stay'}" if name == "cut" else ""))
        undo = getattr(self, name)(victim, other, clients)
        self.under_way.append((time.monotonic() + lasts_s, undo, name, victim))

    def undo(self, fault):
        _, undo, name, victim = fault
        self.under_way.remove(fault)
        self.say(f"  end of {name} {victim}")
        undo()

    def undo_all(self):
        for fault in list(self.under_way):
            self.undo(fault)
        self.settle()

    # -- each gives what undoes it ------------------------------------------------------------

    def kill(self, victim, other, clients):
        self.cluster.kill(victim)
        return lambda: self.cluster[victim].start(wait=False)

    def stop(self, victim, other, clients):
        status = self.cluster[victim].stop()
        assert status == 0, f"node {victim} ended with status {status} at SIGTERM"
        return lambda: self.cluster[victim].start(wait=False)

    def freeze(self, victim, other, clients):
        self.cluster.freeze(victim)
        return lambda: self.cluster.thaw(victim)

    def cut(self, victim, other, clients):
        self.cluster.network.isolate(victim, clients)
        return self.heal

    def oneway(self, victim, other, clients):
        self.cluster.network.cut([victim], [other], both_ways=False)
        return self.heal

    def heal(self):
        self.cluster.network.heal()
        for fault in [fault for fault in self.under_way if fault[2] in ("cut", "oneway")]:
            self.under_way.remove(fault)           # all cuts end together
            self.say(f"  end of {fault[2]} {fault[3]}")

    def wipe(self, victim):
        self.say(f"wipe {victim}")
        self.cluster.kill(victim)
        shutil.rmtree(self.cluster[victim].data)
        time.sleep(self.random.uniform(0, 5))
        self.cluster[victim].start(wait=False)
        self.settle()
        self.say(f"  {victim} has all again")

    def settle(self):
        """All run, reach each other, and owe each other nothing."""
        self.cluster.mend()
        eventually(lambda: all(is_settled(node) for node in self.cluster.nodes), SETTLE_S)


def is_settled(node):
    """No hints are kept, nothing is copied, and every partition was compared since."""
    with contextlib.suppress(redis.RedisError), node.client() as client:
        rows = client.execute_command("KV.HINTS")
        if any(row.get("count", row.get(b"count")) for row in rows):
            return False
        return int(client.info("cluster").get("repair_partitions_refilling", 0)) == 0
    return False
