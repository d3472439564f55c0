"""The failure detector in whole clusters on a virtual clock: 5 % of the messages lost, each node paused
for 200 ms now and then. Nothing here depends on the speed of the machine.

GOSSIP_HOURS=24 runs the search for false declarations that long (in simulated hours, for 5 nodes)."""

import os
from random import Random

import pytest

from cluster.detector import DOWN
from tests.cluster.gossip_rig import cluster, downs

HOURS = float(os.environ.get("GOSSIP_HOURS", "0.3"))
DETECTED_WITHIN_MS = 8000
BYTES_PER_SECOND_MAX = 4500


def pause_now_and_then(network):
    """Every node stands still for 200 ms, every ten seconds on average."""
    def pause(node):
        if network.nodes.get(node.env.address) is node:
            network.pause(node, 200)
            network.at(network.random.expovariate(1 / 10_000), pause, node)
    for node in list(network.nodes.values()):
        network.at(network.random.expovariate(1 / 10_000), pause, node)


def rough_cluster(count, seed, **options):
    network, nodes = cluster(count, seed=seed, loss=0.05, delay_ms=(1, 50), **options)
    pause_now_and_then(network)
    return network, nodes


def declared(nodes):
    return [change for node in nodes for change in node.events.changes if change[3] == DOWN]


@pytest.mark.parametrize(("count", "seeds", "refuses"), [
    (2, 20, True), (2, 20, False), (3, 20, True), (3, 20, False), (10, 6, True), (10, 6, False),
    (30, 2, False), (100, 1, False)])
def test_a_killed_node_is_declared_down_everywhere(count, seeds, refuses):
    for seed in range(seeds):
        network, nodes = rough_cluster(count, seed, refuses=refuses, settle_ms=7000 + seed * 97)
        victims = 2 if 3 < count < 100 else 1
        for _ in range(victims):
            victim = network.random.choice(nodes)
            nodes.remove(victim)
            network.kill(victim)
            took = network.run_until(
                lambda: all(node.detector.states[victim.index] == DOWN for node in nodes), DETECTED_WITHIN_MS)  # noqa: B023
            assert took is not None, f"seed {seed}: {len(downs(nodes))} of {len(nodes)} know"
        assert len(downs(nodes)) == len(nodes) * victims  # and nobody else


@pytest.mark.parametrize(("count", "hours"),
                         [(3, HOURS / 2), (5, HOURS), (30, HOURS / 60), (100, HOURS / 360)])
def test_nobody_is_declared_down_who_lives(count, hours):
    network, nodes = rough_cluster(count, seed=count)
    network.run(hours * 3_600_000)
    assert declared(nodes) == []


@pytest.mark.parametrize("seed", range(3))
def test_a_node_cut_off_in_one_direction(seed):
    """Whom nobody hears is down; who hears nobody declares nobody down."""
    for mute in (True, False):
        network, nodes = rough_cluster(7, seed, refuses=False)
        ill = network.random.choice(nodes)
        address = ill.env.address
        network.cut = lambda source, target: (source if mute else target) == address  # noqa: B023
        network.run(60_000)
        # An answer goes nowhere either, so whom nobody hears is down. Whom nothing reaches is heard.
        wanted = [(node.index, ill.index) for node in nodes if node is not ill] if mute else []
        assert sorted(downs(nodes)) == sorted(wanted)
        network.cut = lambda source, target: False
        network.run(20_000)
        assert downs(nodes) == []


@pytest.mark.parametrize("seed", range(3))
def test_one_broken_line_between_two_is_no_reason(seed):
    network, nodes = rough_cluster(5, seed, refuses=False)
    pair = [node.env.address for node in nodes[:2]]
    network.cut = lambda source, target: source in pair and target in pair
    network.run(120_000)
    assert declared(nodes) == []


@pytest.mark.parametrize("count", [3, 5, 20])
def test_an_isolated_node_declares_nobody_down_and_comes_back(count):
    network, nodes = rough_cluster(count, seed=count, refuses=False)
    alone = nodes[1]
    network.cut = lambda source, target: (source == alone.env.address) != (target == alone.env.address)
    network.run(120_000)
    assert declared([alone]) == []
    assert sorted(downs(nodes)) == [(node.index, alone.index) for node in nodes if node is not alone]
    network.cut = lambda source, target: False
    network.run(15_000 + count * 1000)
    assert downs(nodes) == []
    assert declared([alone]) == []


def test_two_halves_find_each_other_again():
    network, nodes = rough_cluster(10, seed=4, refuses=False)
    left = [node.env.address for node in nodes[:4]]
    network.cut = lambda source, target: (source in left) != (target in left)
    network.run(30_000)
    assert len(downs(nodes)) == 2 * 4 * 6
    network.cut = lambda source, target: False
    network.run(30_000)
    assert downs(nodes) == []


def test_a_third_of_a_large_cluster_dies_at_once():
    network, nodes = rough_cluster(60, seed=5)
    victims = network.random.sample(nodes, 20)
    for victim in victims:
        network.kill(victim)
    rest = [node for node in nodes if node not in victims]
    network.run(15_000)
    assert len(downs(rest)) == 20 * 40


def bytes_per_second(count):
    """Of one node, once it is quiet; with generations and heartbeats as after years of service."""
    random = Random(count)
    network, nodes = cluster(count, settle_ms=0, seed=1)
    for node in nodes:
        node.generation = node.table.rows[node.index].generation = random.randint(2, 300)
        node.table.rows[node.index].heartbeat += random.randint(0, 300)
    network.run(4000)
    before = sum(node.bytes_sent for node in nodes)
    network.run(2000)
    return (sum(node.bytes_sent for node in nodes) - before) / count / 2


def test_traffic_of_a_node_is_bounded_whatever_the_size_of_the_cluster():
    """It grows until a message carries `marks_max` heartbeats, and hardly from there on."""
    sent = {count: bytes_per_second(count) for count in (5, 100, 200)}
    print("\nbytes sent per node and second:", {count: round(bytes_) for count, bytes_ in sent.items()})
    assert max(sent.values()) < BYTES_PER_SECOND_MAX
    assert sent[200] < 1.6 * sent[100]


def test_one_seed_is_one_history():
    def history():
        network, nodes = rough_cluster(10, seed=9)
        network.kill(nodes[3])
        network.run(10_000)
        return [(node.bytes_sent, node.events.changes) for node in nodes]
    assert history() == history()
