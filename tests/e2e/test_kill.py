"""Kill -9 at random moments under load: nothing acknowledged is lost, nothing deleted comes back.

KILL_ROUNDS and KILL_SEED lengthen and repeat a run.
"""

import os
import random

import pytest

from tests.e2e.torture import Round

ROUNDS = int(os.environ.get("KILL_ROUNDS", "24"))
SEED = os.environ.get("KILL_SEED", "1")
SMALL = ("--memtable-bytes", "1mb", "--block-cache-bytes", "2mb", "--log-bytes-max", "4mb",
         "--table-bytes-max", "1mb")


@pytest.mark.timeout(600)
def test_kill_at_random_moments(make_node):
    """So little memory that flushes and compactions run all the time."""
    chance = random.Random(SEED)
    node = make_node(*SMALL, start=False)
    models = {database: {} for database in range(4)}
    acknowledged = steps = 0
    current = None
    for number in range(ROUNDS):
        node.start("--appendfsync", chance.choice(["always", "everysec"]))
        if number:
            models = current.compare()
        current = Round(node, models, f"{SEED}/{number}")
        current.load(chance.uniform(0.05, 0.9))
        steps += node.client().info("engine").get("flushes", 0)
        if chance.random() < 0.8:
            node.kill()
        else:
            assert node.stop() == 0, node.log[-2000:]
        acknowledged += current.end()
    node.start()
    current.compare()
    assert acknowledged > 100 * ROUNDS
    assert steps > 0, "the load was too small: nothing was flushed"
    assert "damaged" not in node.log


def test_kill_twice_while_starting(make_node):
    """A recovery that dies half-way is as good as none."""
    chance = random.Random(SEED)
    node = make_node(*SMALL)
    current = Round(node, {0: {}, 1: {}}, SEED)
    current.load(1)
    node.kill()
    current.end()
    for _ in range(4):
        node.start(wait=False)
        try:
            node.process.wait(chance.uniform(0.3, 0.8))
        except Exception:
            node.kill()
    node.start()
    current.compare()
