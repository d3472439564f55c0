"""Nodes for the end-to-end tests, and tools that may be missing.

`node` is shared by the tests of one module and emptied before each; `make_node(*options)` gives a
test one of its own. A test that names an optional tool is skipped with the name of its package.
"""

import shutil

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.server import Node

PACKAGES = {"redis-cli": "redis-tools", "redis-benchmark": "redis-tools", "node": "nodejs",
            "strace": "strace"}
PATIENT = ("--read-request-timeout", "60000", "--write-request-timeout", "60000")


@pytest.fixture(scope="module")
def shared_node(tmp_path_factory):
    with Node(tmp_path_factory.mktemp("node")) as node:
        yield node


@pytest.fixture
def node(shared_node):
    with shared_node.client() as client:
        client.flushall()
    return shared_node


@pytest.fixture(scope="module")
def cluster_node(tmp_path_factory):
    """A node that answers as a Redis Cluster of one."""
    with Node(tmp_path_factory.mktemp("cluster"), "--cluster-enabled", "yes") as node:
        yield node


@pytest.fixture
def make_node(tmp_path):
    made = []

    def make(*options, start=True):
        folder = tmp_path / f"node{len(made)}"
        folder.mkdir()
        made.append(Node(folder, *options))
        if start:
            made[-1].start()
        return made[-1]

    yield make
    for node in made:
        node.__exit__()


def tool(name):
    """The path of an optional program; skips aloud without it."""
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed (apt-get install {PACKAGES[name]})")
    return path


@pytest.fixture
def redis_cli():
    return tool("redis-cli")


@pytest.fixture(scope="module")
def redis_benchmark():
    return tool("redis-benchmark")


@pytest.fixture(scope="module")
def shared_cluster(tmp_path_factory):
    """Three nodes, shared by the tests of one module; patient, for machines that are busy."""
    with Cluster(tmp_path_factory.mktemp("cluster"), *PATIENT) as cluster:
        yield cluster


@pytest.fixture
def cluster(shared_cluster):
    """The same, emptied."""
    shared_cluster.flush()
    return shared_cluster
