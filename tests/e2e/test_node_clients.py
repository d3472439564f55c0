"""ioredis and node-redis, alone and as cluster clients; the scenarios are in node/clients.mjs."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.e2e.conftest import tool

FOLDER = Path(__file__).parent / "node"


@pytest.fixture(scope="module")
def node_js():
    path = tool("node")
    if not (FOLDER / "node_modules").is_dir():
        pytest.skip("the Node.js clients are not installed (npm install --prefix tests/e2e/node)")
    return path


def run(node_js, scenario, port):
    done = subprocess.run([node_js, "clients.mjs", scenario, str(port)], cwd=FOLDER,
                          capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {"scenario": scenario, "ok": True}


@pytest.mark.parametrize("scenario", ["ioredis", "node-redis"])
def test_client(node_js, node, scenario):
    run(node_js, scenario, node.port)


@pytest.mark.parametrize("scenario", ["ioredis-cluster", "node-redis-cluster"])
def test_cluster_client(node_js, cluster_node, scenario):
    with cluster_node.client() as client:
        client.flushall()
    run(node_js, scenario, cluster_node.port)
