"""Whatever three replicas hold, after a repair each holds the merge of all: nothing more, nothing less.

The merge of states (cluster.versions) is the model; that the exchange finds every difference, sends it and
stores it is what is tested here.
"""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.versions import State, merge
from tests.cluster.repair_rig import EPOCH_MS, Cluster

KEYS = [b"key:%d" % number for number in range(6)] + [b"{tag}%d" % number for number in range(4)]
nodes = st.sets(st.integers(0, 2), min_size=1).map(sorted)
writes = st.tuples(
    st.sampled_from(["set", "delete", "expiring", "causal", "causal delete", "flush"]),
    nodes, st.sampled_from(KEYS))


def write(cluster, number, kind, some, key):
    if kind == "flush":
        cluster.nodes[some[0]].engine.flush()
    elif kind == "delete":
        cluster.store(some, key, tombstone=True)
    elif kind == "expiring":
        cluster.store(some, key, b"%d" % number, deadline_ms=EPOCH_MS + 1000 * number)
    elif kind == "set":
        cluster.store(some, key, b"%d" % number)
    else:
        cluster.store_causal(some[0], key, b"%d" % number, kind == "causal delete")


def merged(cluster):
    contents = [cluster.contents(number) for number in range(3)]
    expected = {}
    for held in contents:
        for key, state in held.items():
            expected[key] = merge(expected.get(key, State()), state)
    return expected


@settings(max_examples=40, deadline=None)
@given(st.lists(writes, max_size=40), st.integers(0, 2), st.integers(0, 1000))
def test_everybody_ends_with_the_merge(history, center, seed):
    with tempfile.TemporaryDirectory() as folder:
        cluster = Cluster(Path(folder), seed=seed, partitions=2)
        try:
            for number, (kind, some, key) in enumerate(history):
                write(cluster, number, kind, some, key)
            expected = merged(cluster)
            cluster.repair(center)
            assert [cluster.contents(number) for number in range(3)] == [expected] * 3
        finally:
            cluster.close()
