"""What anti-entropy sends to make replicas the same again that differ in one key of a hundred.

Three nodes with 1,000,000 keys. One is stopped, every hundredth key is written anew, hints are let
expire, and the node is started again. Nobody asks for anything: it is done when that node has what the
others have, and nothing is compared any more.
Bytes are what the three have sent to each other for it (`repair_sent_bytes` of INFO), the data the keys and
values of one copy. Whether the node has it all is asked of that node alone.
"""

import time

from benchmarks.failure.fill import VALUE_BYTES, fill, name_of
from tests.e2e.server import eventually

EVERY, VICTIM = 100, 2
CHECK_BATCH = 500


def repair(cluster, keys):
    """A row: bytes sent, as a share of the data, and seconds."""
    began = time.monotonic()
    fill(cluster[0], keys)
    fill_s = time.monotonic() - began
    settle(cluster)
    for client in cluster.clients():
        client.config_set("hint-window", 1)
    assert cluster[VICTIM].stop() == 0
    fill(cluster[0], keys, every=EVERY, version=1)
    time.sleep(2)
    before = [0] * len(cluster)
    for number in (0, 1):
        before[number] = progress(cluster[number])["sent_bytes"]
    cluster.start(VICTIM)
    began = time.monotonic()
    eventually(lambda: missing(cluster, keys) == 0, 600)
    seconds = time.monotonic() - began
    eventually(lambda: all(is_done(node) for node in cluster.nodes), 600)
    sent = sum(progress(node)["sent_bytes"] - was for node, was in zip(cluster.nodes, before))
    for client in cluster.clients():
        client.config_set("hint-window", 10_800)
    data = keys * (len(name_of(b"key", 0)) + VALUE_BYTES)
    return {"case": "repair", "keys": keys, "sent_bytes": sent, "data_bytes": data, "share": sent / data,
            "seconds": seconds, "fill_s": fill_s, "missing": missing(cluster, keys)}


def settle(cluster):
    for node in cluster.nodes:
        with node.client() as client:
            client.execute_command("KV.REPAIR", "ALL")
    eventually(lambda: all(is_done(node) for node in cluster.nodes), 600)


def progress(node):
    with node.client(protocol=3) as client:
        return {name.decode(): value for name, value in client.execute_command("KV.REPAIR").items()}


def is_done(node):
    now = progress(node)
    return not (now["partitions_waiting"] or now["partitions_comparing"] or now["partitions_refilling"])


def missing(cluster, keys):
    """How many of the keys that were written anew the victim does not have itself."""
    numbers = range(0, keys, EVERY)
    names = [name_of(b"key", number) for number in numbers]
    theirs, mine = (own_values(node, names) for node in (cluster[0], cluster[VICTIM]))
    return sum(one != other for one, other in zip(theirs, mine))


def own_values(node, names):
    """What the node's own replica has: reading at ONE repairs nothing."""
    with node.client() as client:
        client.execute_command("KV.CONSISTENCY", "READ", "ONE")
        return [value for at in range(0, len(names), CHECK_BATCH)
                for value in client.mget(names[at:at + CHECK_BATCH])]
