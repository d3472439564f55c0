"""Real nodes, random faults and concurrent clients for as long as one likes, then a judgement.

    python -m tests.soak --minutes 10 --seed 7       prints each fault with its time, and the seed
    make soak MINUTES=60

Faults (faults.py) and commands (clients.py) are drawn from the seed; when they meet is up to the machine, so
a seed makes a run alike, not the same. At the end everything is healed, and then demanded (history.py,
watch.py): every node answers every key alike and rightly, each replica has it itself, items of carts are
all there, no node died by itself or logged a bug, memory and file descriptors stayed in bounds.

The quorum is strict in runs with an even seed, and every read is judged at once. With a sloppy one (odd
seeds) sides that are cut off go on by themselves, so only what is found at the end is judged.
"""

import argparse
import contextlib
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

import redis

from tests.e2e.cluster import Cluster
from tests.e2e.network import Network, why_not
from tests.e2e.server import eventually
from tests.soak.clients import Client, union
from tests.soak.faults import Faults
from tests.soak.history import History
from tests.soak.watch import Watch

CLIENTS = 6
PAUSE_S = 0.004
FAULTS_SHOWN = 20


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="tests.soak", description=__doc__.split("\n")[0])
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--nodes", type=int, default=3)
    parser.add_argument("--level", default="QUORUM", help="ONE shows that the judge finds what is wrong")
    parser.add_argument("--keep", action="store_true", help="leave data and logs behind")
    options = parser.parse_args(arguments)
    seed = random.randrange(1 << 30) if options.seed is None else options.seed
    faults = soak(options.minutes * 60, seed, options.nodes, options.level, options.keep)
    print("\n".join(faults[:FAULTS_SHOWN]) or "clean", flush=True)
    if faults:
        print(f"{len(faults)} faults; again: python -m tests.soak --minutes {options.minutes} --seed {seed} "
              f"--nodes {options.nodes}")
    sys.exit(1 if faults else 0)


def soak(seconds, seed, nodes=3, level="QUORUM", keep=False):
    """What is wrong, in sentences."""
    began = time.monotonic()

    def say(text):
        print(f"{time.monotonic() - began:7.1f} s  {text}", flush=True)

    strict = seed % 2 == 0
    folder = Path(tempfile.mkdtemp(prefix="soak-"))
    reason = why_not()
    print(f"seed {seed}, {nodes} nodes, sloppy-quorum {'no' if strict else 'yes'}"
          + (f", no cuts: {reason}" if reason else "") + (f", {folder}" if keep else ""), flush=True)
    try:
        with contextlib.ExitStack() as running:
            network = None if reason else running.enter_context(Network(nodes))
            cluster = running.enter_context(Cluster(
                folder, "--sloppy-quorum", "no" if strict else "yes", "--read-consistency", level,
                "--write-consistency", level, nodes=nodes, network=network))
            return run(cluster, seconds, seed, strict, say)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)


def run(cluster, seconds, seed, strict, say):
    history, watch = History(), Watch(cluster)
    clients = [Client(number, cluster.nodes, history, seed, strict, PAUSE_S) for number in range(CLIENTS)]
    for thread in (*clients, watch):
        thread.start()
    faults = Faults(cluster, random.Random(seed), say)
    try:
        faults.run_until(time.monotonic() + seconds)
    finally:
        for thread in (*clients, watch):
            thread.stopping.set()
        for thread in (*clients, watch):
            thread.join(60)
    faults.settle()
    say(f"{history.operations} commands, {history.errors} errors; faults {faults.done}; at most "
        f"{max(watch.rss_bytes) >> 20} MB and {max(watch.descriptors)} descriptors a node")
    judge(cluster, history)
    return (history.faults + watch.faults()
            + [f"{client.name} crashed: {client.crash!r}" for client in clients if client.crash])


def judge(cluster, history):
    """What every node finds now, and then what each has itself."""
    began = time.monotonic()
    for number, node in enumerate(cluster.nodes):
        with node.client() as client:
            for key, register in history.registers.items():
                value = eventually(lambda client=client, key=key: answered(client.get, key))[0]
                history.blame(f"{key} at node {number}", register.fault(value, began))
            for key, cart in history.carts.items():
                _, siblings = eventually(
                    lambda client=client, key=key: answered(client.execute_command, "KV.GET", key))[0]
                history.blame(f"{key} at node {number}", cart.fault(union(siblings), cart.acknowledged))
    try:
        eventually(lambda: not differing(cluster, history), 60)
    except AssertionError:
        history.faults += [f"{key}: replicas differ" for key in differing(cluster, history)]


def differing(cluster, history):
    """Keys of which the nodes have different versions themselves (with three nodes all are replicas)."""
    seen = {}
    for node in cluster.nodes:
        with node.client() as client:
            client.execute_command("KV.CONSISTENCY", "READ", "ONE")
            for key in [*history.registers, *history.carts]:
                seen.setdefault(key, set()).add(repr(client.execute_command("KV.GET", key)[1]))
    return sorted(key for key, found in seen.items() if len(found) > 1)


def answered(command, *words):
    """(The reply,), or None for an error."""
    try:
        return (command(*words),)
    except redis.ResponseError:
        return None
