"""`cluster-enabled yes`: one node that cluster clients and tools take for a whole cluster.

redis-benchmark --cluster is not among them: it refuses any cluster of a single node.
"""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
import redis

from tests.e2e.two_servers import resp_kv_server

NODE_FOLDER = Path(__file__).parent / "node"
IOREDIS = """
const Redis = require('ioredis')
const cluster = new Redis.Cluster([{host: '127.0.0.1', port: PORT}])
async function main() {
  await cluster.set('a', '1')
  await cluster.mset('{t}x', '1', '{t}y', '2')
  const found = [await cluster.get('a'), await cluster.mget('{t}x', '{t}y'),
                 cluster.nodes('master').length, await cluster.cluster('KEYSLOT', 'foo')]
  console.log(JSON.stringify(found))
  cluster.disconnect()
}
main().catch(error => { console.error(error); process.exit(1) })
"""


@pytest.fixture(scope="module")
def port(tmp_path_factory):
    with resp_kv_server(tmp_path_factory.mktemp("cluster"), "--cluster-enabled", "yes") as port:
        yield port


def run(*command, **options):
    return subprocess.run(command, capture_output=True, text=True, timeout=240, **options)


@pytest.mark.skipif(shutil.which("redis-cli") is None, reason="redis-cli is not installed")
def test_redis_cli_checks_it(port):
    check = run("redis-cli", "--cluster", "check", f"127.0.0.1:{port}")
    assert check.returncode == 0
    assert "All nodes agree about slots configuration" in check.stdout
    assert "All 16384 slots covered" in check.stdout
    assert run("redis-cli", "-c", "-p", str(port), "SET", "a", "1").stdout == "OK\n"
    refused = run("redis-cli", "--cluster", "fix", f"127.0.0.1:{port}")
    assert "All 16384 slots covered" in refused.stdout


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_cluster(port, protocol):
    with redis.RedisCluster("127.0.0.1", port, protocol=protocol) as client:
        client.flushall()
        for number in range(100):
            client.set(f"key:{number}", number)
        assert sorted(map(int, client.mget_nonatomic(*(f"key:{n}" for n in range(100))))) == list(
            range(100))
        assert len(set(client.scan_iter())) == 100
        assert client.dbsize() == 100
        assert client.cluster_info()["cluster_state"] == "ok"
        assert client.cluster_countkeysinslot(client.keyslot("key:1")) >= 1
        [(address, node)] = client.cluster_nodes().items()
        assert address == f"127.0.0.1:{port}"
        assert node["slots"] == [["0", "16383"]]
        with client.pipeline() as pipe:
            assert pipe.set("{t}a", 1).incr("{t}a").execute() == [True, 2]


@pytest.mark.skipif(not (NODE_FOLDER / "node_modules" / "ioredis").exists(),
                    reason="ioredis is not installed (npm ci in tests/e2e/node)")
def test_ioredis_cluster(port):
    ran = run("node", "-e", IOREDIS.replace("PORT", str(port)), cwd=NODE_FOLDER)
    assert ran.stderr == ""
    assert json.loads(ran.stdout) == ["1", ["1", "2"], 1, 12182]
