"""resp_kv.client against a real cluster: docs/client.md as it stands, and a node that dies."""

import asyncio
import re
import threading
from pathlib import Path

import pytest

from resp_kv.client import JSON_SET, AsyncClient, Client, union
from tests.e2e.local_cluster import LocalCluster, needs_clusters

pytestmark = [needs_clusters, pytest.mark.slow]

DOCUMENT = Path(__file__).parents[2] / "docs" / "client.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(), re.DOTALL)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    with LocalCluster(tmp_path_factory.mktemp("cluster") / "three") as cluster:
        yield cluster


def adding(item):
    return lambda items: (items or set()) | {item}


@pytest.mark.parametrize("example", EXAMPLES, ids=["cart", "asyncio"])
def test_examples_of_the_document(cluster, example):
    for number in cluster.numbers:
        example = example.replace(f"127.0.0.1:{7000 + number}", cluster.address(number))
    exec(compile(example, "client.md", "exec"), {})


def test_updates_from_everywhere_at_once_lose_nothing(cluster):
    """Each item was acknowledged, so each is in the merge of what is stored in the end."""
    def work(number):
        with Client(cluster.address(number), codec=JSON_SET, resolver=union) as client:
            for item in range(20):
                client.update("shared", adding(f"{number}:{item}"), idempotent=True)

    threads = [threading.Thread(target=work, args=(number,)) for number in cluster.numbers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with Client(cluster.address(1), codec=JSON_SET, resolver=union) as client:
        assert client.get("shared") == {f"{n}:{item}" for n in cluster.numbers for item in range(20)}


async def test_asyncio_from_everywhere_at_once(cluster):
    clients = [AsyncClient(cluster.address(number), codec=JSON_SET, resolver=union)
               for number in cluster.numbers]
    await asyncio.gather(*(
        clients[item % 3].update("async", adding(str(item)), idempotent=True) for item in range(30)))
    assert await clients[0].get("async") == {str(item) for item in range(30)}
    for client in clients:
        await client.aclose()


def test_plain_and_versioned_clients_see_the_same(cluster):
    with Client(cluster.address(1)) as client:
        client.put("k", "one", b"")
        assert cluster.client(2).get("k") == b"one"
        cluster.client(3).set("k", "two")                   # replaces whatever is there
        assert client.get_versions("k").values == ["two"]
        cluster.client(3).delete("k")
        assert client.get("k") is None


def test_levels(cluster):
    with Client(cluster.address(1)) as client:
        context = client.put("levels", "v", level="ALL")
        assert client.get_versions("levels", level="ONE").values == ["v"]
        client.put("levels", "w", context, level=3, px=3_600_000)
        assert client.get("levels", level=3) == "w"
        assert cluster.client(2).pttl("levels") > 0


def test_a_node_dies_and_the_client_goes_on(cluster):
    """The last test of this cluster."""
    nodes = [cluster.address(number) for number in (2, 1, 3)]
    with Client(nodes, codec=JSON_SET, resolver=union, retries=20) as client:
        client.update("surviving", adding("before"))
        cluster.kill(2)
        client.update("surviving", adding("after"), idempotent=True)
        assert client.get("surviving") == {"before", "after"}
