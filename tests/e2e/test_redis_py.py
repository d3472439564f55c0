import asyncio
import threading

import pytest
import redis
import redis.asyncio
from redis.asyncio.cluster import RedisCluster as AsyncCluster
from redis.cluster import ClusterNode, RedisCluster

from tests.e2e.server import eventually

both_protocols = pytest.mark.parametrize("protocol", [2, 3])


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def client(request, node):
    return node.client(protocol=request.param)


def test_strings(client):
    assert client.set("a", "1")
    assert client.get("a") == b"1"
    assert client.set("a", "2", nx=True) is None
    assert client.set("a", "2", get=True) == b"1"
    assert client.mset({"b": b"\x00\r\n", "c": ""})
    assert client.mget("a", "b", "c", "none") == [b"2", b"\x00\r\n", b"", None]
    assert client.incr("a", 5) == 7
    assert client.incrbyfloat("a", 0.5) == 7.5
    assert client.append("c", "xyz") == 3
    assert client.getrange("c", 1, -1) == b"yz"
    assert client.getdel("c") == b"xyz"
    assert client.delete("a", "b", "none") == 2
    assert client.dbsize() == 0


def test_expiry(client):
    client.set("a", "1", ex=100)
    assert 0 < client.ttl("a") <= 100
    assert client.persist("a")
    assert client.ttl("a") == -1
    assert client.pexpire("a", 1)
    while client.exists("a"):
        pass
    assert client.get("a") is None


def test_bits(client):
    client.setbit("bits", 7, 1)
    assert client.bitcount("bits") == 1
    assert client.bitfield("bits").set("u8", 8, 200).get("u8", 0).execute() == [0, 1]


def test_errors_have_their_classes(client):
    client.set("a", "text")
    with pytest.raises(redis.ResponseError, match="value is not an integer or out of range"):
        client.incr("a")
    with pytest.raises(redis.ResponseError, match="unknown command 'NOPE'"):
        client.execute_command("NOPE")
    with pytest.raises(redis.ResponseError, match="wrong number of arguments for 'get' command"):
        client.execute_command("GET")


def test_decode_responses(node):
    client = node.client(decode_responses=True, protocol=3)
    client.set("ключ", "значение")
    assert client.get("ключ") == "значение"
    assert client.keys() == ["ключ"]
    assert client.scan(count=100) == (0, ["ключ"])


@pytest.mark.parametrize("transaction", [False, True], ids=["plain", "multi"])
def test_a_pipeline_answers_in_order(client, transaction):
    pipeline = client.pipeline(transaction=transaction)
    for i in range(2000):
        pipeline.set(f"k{i}", i).get(f"k{i}")
    assert pipeline.execute() == [reply for i in range(2000) for reply in (True, b"%d" % i)]


def test_an_error_in_a_pipeline_is_in_its_place(client):
    pipeline = client.pipeline(transaction=False)
    pipeline.set("a", "x").incr("a").get("a")
    replies = pipeline.execute(raise_on_error=False)
    assert (replies[0], replies[2]) == (True, b"x")
    assert isinstance(replies[1], redis.ResponseError)


def test_an_error_inside_multi_does_not_stop_the_others(client):
    pipeline = client.pipeline(transaction=True)
    pipeline.set("a", "x").incr("a").set("b", "y")
    with pytest.raises(redis.ResponseError, match="Command # 2 .*not an integer"):
        pipeline.execute()
    assert client.mget("a", "b") == [b"x", b"y"]


def test_watch_notices_another_client(client, node):
    client.set("a", "1")
    other = node.client()
    with client.pipeline() as pipeline:
        pipeline.watch("a")
        value = int(pipeline.get("a"))
        other.set("a", "100")
        pipeline.multi()
        pipeline.set("a", value + 1)
        with pytest.raises(redis.WatchError):
            pipeline.execute()
    assert client.get("a") == b"100"


def test_the_transaction_helper_counts_exactly(client, node):
    """Four threads raise one number by optimistic locking: nothing is lost."""
    def count():
        own = node.client()
        for _ in range(25):
            own.transaction(
                lambda pipeline: (value := int(pipeline.get("n") or 0),
                                  pipeline.multi(), pipeline.set("n", value + 1)), "n")

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert client.get("n") == b"100"


def test_scan_iter_finds_everything_once(client):
    keys = {b"key:%d" % i for i in range(3000)}
    client.mset({key: b"v" for key in keys})
    found = list(client.scan_iter(count=100))
    assert (len(found), set(found)) == (3000, keys)
    assert set(client.scan_iter(match="key:29*")) == {key for key in keys if key[4:6] == b"29"}
    assert list(client.scan_iter(_type="list")) == []


def test_databases(client, node):
    other = node.client(db=3)
    client.set("a", "0")
    other.set("a", "3")
    assert (client.get("a"), other.get("a")) == (b"0", b"3")
    eventually(lambda: client.info("keyspace").get("db3", {}).get("keys") == 1)
    client.swapdb(0, 3)
    assert (client.get("a"), other.get("a")) == (b"3", b"0")
    other.flushdb()
    assert client.dbsize() == 1


def test_a_pool_shared_by_threads(node):
    pool = redis.BlockingConnectionPool(port=node.port, max_connections=8, timeout=60)
    errors = []

    def work(number):
        client = redis.Redis(connection_pool=pool)
        for i in range(100):
            key = f"{number}:{i}"
            client.set(key, key)
            if client.get(key) != key.encode():
                errors.append(key)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    pool.disconnect()
    assert errors == []
    assert node.client().dbsize() == 1600


def test_the_client_shows_itself(client):
    client.client_setname("me")
    assert client.client_getname() in ("me", b"me")
    own = [line for line in client.client_list() if line["name"] == "me"]
    assert len(own) == 1
    assert own[0]["id"] == str(client.client_id())
    assert own[0]["cmd"] == "client|list"
    assert own[0]["lib-name"] == "redis-py"
    assert client.client_info()["name"] == "me"
    client.client_setname("")


def test_config(client):
    assert client.config_get("maxclients") == {"maxclients": "10000"}
    assert client.config_get("max*")["maxmemory"] == "0"
    assert client.config_set("timeout", 1000)
    assert client.config_get("timeout")["timeout"] == "1000"
    client.config_set("timeout", 0)
    with pytest.raises(redis.ResponseError, match="Unknown option"):
        client.config_set("no-such-directive", 1)


def test_info_parses(client):
    client.set("a", "1")
    eventually(lambda: client.info("keyspace").get("db0", {}).get("keys") == 1)
    info = client.info()
    assert info["redis_version"].startswith("7.2.")
    assert info["redis_mode"] == "standalone"
    assert info["role"] == "master"
    assert info["connected_clients"] >= 1
    assert info["used_memory"] > 0
    assert info["total_commands_processed"] > 0
    assert "resp_kv_version" in info
    assert client.info("commandstats")["cmdstat_set"]["calls"] >= 1
    assert "rdb_last_save_time" in client.info("persistence")


def test_command_tables(client):
    rows = client.command()
    assert rows["get"]["arity"] == 2
    assert client.command_count() == len(rows)
    assert client.command_getkeys("MSET", "a", "1", "b", "2") in ([b"a", b"b"], ["a", "b"])


def test_diagnostics(client):
    assert client.ping() and client.echo("x") == b"x"
    assert client.time()[0] > 1_700_000_000
    assert isinstance(client.slowlog_get(), list)
    assert client.memory_usage("none") is None
    client.set("a", "x" * 1000)
    assert client.memory_usage("a") >= 1000
    assert client.object("encoding", "a") == b"raw"
    assert client.lastsave() is not None


def test_dump_and_restore(client):
    client.set("a", "value")
    client.restore("b", 0, client.dump("a"))
    assert client.get("b") == b"value"


@both_protocols
def test_hello_tells_what_clients_look_for(node, protocol):
    client = node.client(protocol=protocol)
    reply = client.execute_command("HELLO", protocol)
    if isinstance(reply, list):
        reply = dict(zip(reply[::2], reply[1::2]))
    assert reply[b"server"] == b"redis"
    assert reply[b"version"].startswith(b"7.2.")
    assert reply[b"proto"] == protocol
    assert (reply[b"mode"], reply[b"role"], reply[b"modules"]) == (b"standalone", b"master", [])


@both_protocols
async def test_asyncio(node, protocol):
    async with redis.asyncio.Redis(port=node.port, protocol=protocol) as client:
        await client.set("a", "1")
        assert await client.get("a") == b"1"
        async with client.pipeline(transaction=True) as pipeline:
            replies = await pipeline.incr("a").incr("a").execute()
        assert replies == [2, 3]
        assert [key async for key in client.scan_iter()] == [b"a"]


async def test_asyncio_gathers_hundreds_of_requests(node):
    pool = redis.asyncio.BlockingConnectionPool(port=node.port, max_connections=50, timeout=60)
    async with redis.asyncio.Redis.from_pool(pool) as client:
        await asyncio.gather(*(client.incrby("sum", i) for i in range(500)))
        assert await client.get("sum") == b"%d" % sum(range(500))


# -- as a cluster of one --------------------------------------------------------------------------


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def cluster(request, cluster_node):
    with RedisCluster(startup_nodes=[ClusterNode("127.0.0.1", cluster_node.port)],
                      protocol=request.param) as client:
        client.flushall()
        yield client


def test_cluster_reads_and_writes(cluster):
    for i in range(200):
        assert cluster.set(f"k{i}", i)
    assert [cluster.get(f"k{i}") for i in range(200)] == [b"%d" % i for i in range(200)]
    assert cluster.mset_nonatomic({"x": "1", "y": "2"})
    assert cluster.mget_nonatomic("x", "y", "none") == [b"1", b"2", None]
    assert cluster.dbsize() == 202
    assert len(set(cluster.scan_iter())) == 202


def test_cluster_pipeline(cluster):
    with cluster.pipeline() as pipeline:
        for i in range(100):
            pipeline.set(f"k{i}", i).get(f"k{i}")
        assert pipeline.execute() == [x for i in range(100) for x in (True, b"%d" % i)]


def test_cluster_topology(cluster, cluster_node):
    assert cluster.cluster_info()["cluster_state"] == "ok"
    assert cluster.cluster_info()["cluster_slots_assigned"] == "16384"
    nodes = cluster.cluster_nodes()
    assert len(nodes) == 1
    (address, fields), = nodes.items()
    assert address == f"127.0.0.1:{cluster_node.port}"
    assert fields["slots"] == [["0", "16383"]]
    assert "myself" in fields["flags"] and "master" in fields["flags"]
    assert cluster.cluster_keyslot("foo") == 12182
    cluster.set("foo", "1")
    assert cluster.cluster_countkeysinslot(12182) == 1
    assert cluster.cluster_get_keys_in_slot(12182, 10) in (["foo"], [b"foo"])


async def test_cluster_asyncio(cluster_node):
    async with AsyncCluster(host="127.0.0.1", port=cluster_node.port) as client:
        await client.flushall()
        await client.set("a", "1")
        assert await client.incr("a") == 2
