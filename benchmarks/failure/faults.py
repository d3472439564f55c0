"""What is done to one node, and undone: each fault is a row.

    kill    SIGKILL. Its sockets are reset, whoever calls is refused; started again at the end
    pause   SIGSTOP. The kernel still takes what is sent to it, and nobody answers
    cut     packets from and to it vanish, those of clients too (tests/e2e/network.py)
    disk    SIGKILL, its folder emptied, started again a second later with nothing
"""

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass

RESTART_S = 1.0


@dataclass(frozen=True)
class Fault:
    """`open_s`, `closed_s`: how long it lasts while latency, and while throughput is measured."""

    name: str
    strike: Callable
    undo: Callable
    open_s: float
    closed_s: float
    needs_network: bool = False


def kill(cluster, victim):
    cluster.kill(victim)


def start(cluster, victim):
    cluster[victim].start()


def pause(cluster, victim):
    cluster.freeze(victim)


def wake(cluster, victim):
    cluster.thaw(victim)


def cut(cluster, victim):
    cluster.network.isolate(victim)


def heal(cluster, victim):
    cluster.network.heal()


def lose_disk(cluster, victim):
    cluster.kill(victim)
    shutil.rmtree(cluster[victim].data)
    time.sleep(RESTART_S)
    cluster[victim].start(wait=False)


def nothing(cluster, victim):
    cluster[victim].wait_until_up()


FAULTS = (
    Fault("kill", kill, start, 10, 8),
    Fault("pause", pause, wake, 30, 8),
    Fault("cut", cut, heal, 12, 8, needs_network=True),
    Fault("disk", lose_disk, nothing, 12, 8),
)
