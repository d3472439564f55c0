"""Real Redis clients on three nodes: cluster clients, plain ones, redis-cli, redis-benchmark, Node.js."""

import asyncio
import json
import re
import subprocess

import pytest
import redis
import redis.asyncio

from tests.e2e.test_node_clients import FOLDER, node_js
from tests.e2e.test_redis_benchmark import TESTS

__all__ = ["node_js"]
NAMES = [f"name:{number}" for number in range(300)]


def cluster_client(cluster, **options):
    return redis.RedisCluster("127.0.0.1", cluster[0].port, socket_timeout=60, **options)


# -- redis-py -------------------------------------------------------------------------------------

@pytest.mark.parametrize("protocol", [2, 3])
@pytest.mark.parametrize("options", [{}, {"read_from_replicas": True}], ids=["masters", "replicas"])
def test_redis_py_cluster(cluster, protocol, options):
    with cluster_client(cluster, protocol=protocol, **options) as client:
        assert len(client.get_nodes()) == 3 == len(client.get_primaries())
        for number, name in enumerate(NAMES):
            assert client.set(name, number)
        assert client.mget_nonatomic(*NAMES) == [b"%d" % number for number in range(300)]
        assert sorted(client.scan_iter(count=37)) == sorted(name.encode() for name in NAMES)
        assert sorted(client.keys(target_nodes=client.PRIMARIES)) == sorted(name.encode() for name in NAMES)
        assert client.dbsize(target_nodes=client.PRIMARIES) == 300
        assert client.incr("n") == 1 and client.get("n") == b"1"
        assert client.delete(*NAMES[:100]) == 100 and client.exists(*NAMES) == 200
        assert client.mset_nonatomic({name: "again" for name in NAMES})
        assert client.get(NAMES[5]) == b"again"
        assert client.cluster_info()["cluster_state"] == "ok"
        assert sum(client.cluster_countkeysinslot(slot) for slot in {
            client.keyslot(name) for name in NAMES}) >= 300
        slot = client.keyslot(NAMES[0])
        assert NAMES[0] in map(redis.utils.str_if_bytes, client.cluster_get_keys_in_slot(slot, 100))
        assert client.ping(target_nodes=redis.RedisCluster.ALL_NODES)
        client.flushall()
        assert client.dbsize(target_nodes=client.PRIMARIES) == 0


def test_redis_py_cluster_pipelines(cluster):
    with cluster_client(cluster) as client:
        with client.pipeline() as pipe:
            for number, name in enumerate(NAMES):
                pipe.set(name, number).incr(name).get(name)
            replies = pipe.execute()
        assert replies == [reply for number in range(300)
                           for reply in (True, number + 1, b"%d" % (number + 1))]


def test_redis_py_cluster_in_asyncio(cluster):
    async def main():
        client = redis.asyncio.RedisCluster("127.0.0.1", cluster[1].port, max_connections=1000)
        async with client:
            await asyncio.gather(*[client.set(name, name) for name in NAMES])
            values = await asyncio.gather(*[client.get(name) for name in NAMES])
            assert values == [name.encode() for name in NAMES]
            assert await client.mget_nonatomic(*NAMES) == values
            assert len([name async for name in client.scan_iter()]) == 300
            pipe = client.pipeline()
            for name in NAMES:
                pipe.append(name, "!")
            assert set(await pipe.execute()) == {len(name) + 1 for name in NAMES}

    asyncio.run(main())


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("protocol", [2, 3])
def test_plain_redis_py_on_any_node(cluster, number, protocol):
    client, other = (cluster[each].client(protocol=protocol) for each in (number, (number + 1) % 3))
    assert client.mset({name: name for name in NAMES})
    assert other.mget(NAMES) == [name.encode() for name in NAMES]
    with client.pipeline() as pipe:
        assert pipe.set("{t}a", 1).incr("{t}a").get("{t}a").execute() == [True, 2, b"2"]
    with client.pipeline(transaction=False) as pipe:
        for name in NAMES:
            pipe.get(name)
        assert pipe.execute() == [name.encode() for name in NAMES]
    with client.pipeline() as pipe:
        pipe.watch("{t}a")
        other.set("{t}a", 7)
        pipe.multi()
        pipe.set("{t}a", 8)
        with pytest.raises(redis.WatchError):
            pipe.execute()
    assert client.set("a lock", "mine", nx=True, ex=60)
    assert not other.set("a lock", "yours", nx=True, ex=60)
    assert client.readonly() and client.get(NAMES[0]) is not None and client.readwrite()


# -- Node.js --------------------------------------------------------------------------------------

@pytest.mark.parametrize("scenario", ["ioredis-cluster", "node-redis-cluster"])
def test_node_js(node_js, cluster, scenario):
    done = subprocess.run([node_js, "clients.mjs", scenario, str(cluster[0].port), "3"], cwd=FOLDER,
                          capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout) == {"scenario": scenario, "ok": True}


# -- redis-cli ------------------------------------------------------------------------------------

def cli(redis_cli, cluster, *words, number=0):
    return subprocess.run([redis_cli, "-p", str(cluster[number].port), *words], text=True,
                          capture_output=True, timeout=240)


def cluster_tool(redis_cli, cluster, command, *words):
    done = subprocess.run([redis_cli, "--cluster", command, f"127.0.0.1:{cluster[0].port}", *words],
                          text=True, capture_output=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("number", range(3))
def test_redis_cli_follows_the_map(redis_cli, cluster, number):
    for name in NAMES[:5]:
        assert cli(redis_cli, cluster, "-c", "SET", name, name, number=number).stdout == "OK\n"
        assert cli(redis_cli, cluster, "-c", "GET", name, number=(number + 1) % 3).stdout == f"{name}\n"
        assert cli(redis_cli, cluster, "GET", name, number=(number + 2) % 3).stdout == f"{name}\n"


def test_redis_cli_cluster_check(redis_cli, cluster):
    cluster[0].client().mset({name: "v" for name in NAMES})
    cluster.catch_up()
    output = cluster_tool(redis_cli, cluster, "check")
    assert "[OK] All nodes agree about slots configuration." in output
    assert "[OK] All 16384 slots covered." in output
    assert "[OK] 300 keys in 3 masters." in output
    assert "WARNING" not in output and "ERR" not in output


def test_redis_cli_cluster_info_and_call(redis_cli, cluster):
    cluster[0].client().mset({name: "v" for name in NAMES})
    cluster.catch_up()
    output = cluster_tool(redis_cli, cluster, "info")
    assert "[OK] 300 keys in 3 masters." in output
    assert len(re.findall(r"slots \| 0 slaves\.", output)) == 3
    output = cluster_tool(redis_cli, cluster, "call", "DBSIZE")
    assert sum(map(int, re.findall(r"^127\.0\.0\.1:\d+: (?:\(integer\) )?(\d+)$", output, re.M))) == 300


# -- redis-benchmark ------------------------------------------------------------------------------

def benchmark(redis_benchmark, cluster, *options, tests=TESTS, number=0, count=5000):
    done = subprocess.run(
        [redis_benchmark, "-p", str(cluster[number].port), "-t", tests, "-n", str(count), "-q", *options],
        capture_output=True, timeout=280, text=True)
    output = done.stdout.replace("\r", "\n") + done.stderr
    assert done.returncode == 0, output
    assert "rror" not in output and "WARN" not in output, output
    rates = re.findall(r"^([A-Z_ ()0-9a-z]+): ([\d.]+) requests per second", output, re.M)
    assert len({name for name, _ in rates}) == len(tests.split(",")) and all(
        float(rate) for _, rate in rates), output


@pytest.mark.parametrize("options", [
    [], ["-P", "16"], ["-c", "500"], ["-d", "9000"], ["-r", "10000", "-P", "16"], ["-3"]], ids=" ".join)
@pytest.mark.parametrize("way", ["cluster", "plain"])
def test_redis_benchmark(redis_benchmark, cluster, way, options):
    tests = "set,get,incr" if way == "cluster" or options == ["-d", "9000"] else TESTS
    count = 1500 if "-P" not in options else 3000 if "-r" in options else 10_000
    benchmark(redis_benchmark, cluster, *options, *(["--cluster"] if way == "cluster" else []),
              tests=tests, count=count)


def test_the_counter_is_exact(redis_benchmark, cluster):
    benchmark(redis_benchmark, cluster, "-P", "8", tests="incr", number=1, count=4000)
    assert cluster[2].client().get("counter:__rand_int__") == b"4000"
