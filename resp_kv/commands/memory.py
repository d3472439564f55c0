"""MEMORY: estimates. Data is on disk here; what a key takes is what its record takes."""

from functools import partial

from resp_kv.commands.help import help_command
from resp_kv.commands.info_sections import engine as engine_fields
from resp_kv.commands.info_sections import estimated_keys
from resp_kv.commands.info_sections import memory as memory_fields
from resp_kv.commands.parsing import integer
from resp_kv.commands.table import arg, command, container
from resp_kv.errors import SyntaxFault
from resp_kv.resp.values import OK, Verbatim

container("memory", group="server", since="4.0.0", complexity="Depends on subcommand.",
          acl_categories=("@slow",), summary="Commands about memory.")

memory_command = partial(command, group="server", since="4.0.0", acl_categories=("@slow",))
REPORTED = ("nondeterministic_output", "request_policy:all_shards", "response_policy:special")
RECORD_OVERHEAD_BYTES = 64      # entry header, dot, order in the memtable


@memory_command(
    "memory|usage", arity=-3, flags="readonly", keys=(2, 2, 1),
    acl_categories=("@read", "@slow"), complexity="O(N) where N is the number of samples.",
    args=[arg("key", "key", key_spec=0),
          arg("count", "integer", "SAMPLES", flags=["optional"])],
    summary="About how many bytes a key with its value takes.",
)
def usage(client, args):
    check_samples(args[3:])
    record = client.keyspace.get(args[2])
    if record is None:
        return None
    return len(args[2]) + len(record.value) + RECORD_OVERHEAD_BYTES


def check_samples(words):
    """SAMPLES n is accepted; a string needs no sampling."""
    for at in range(0, len(words), 2):
        if words[at].upper() != b"SAMPLES" or at + 1 == len(words):
            raise SyntaxFault()
        if integer(words[at + 1]) < 0:
            raise SyntaxFault()


@memory_command("memory|stats", arity=2, tips=REPORTED,
                summary="Where the memory of the process is.")
def memory_stats(client, args):
    fields = dict(memory_fields(client.node))
    used, peak = fields["used_memory"], fields["used_memory_peak"]
    return {
        "peak.allocated": peak, "total.allocated": used, "startup.allocated": 0,
        "replication.backlog": 0, "clients.slaves": 0,
        "clients.normal": fields["mem_clients_normal"], "cluster.links": 0, "aof.buffer": 0,
        "lua.caches": 0, "functions.caches": 0, "overhead.total": 0,
        **key_counts(client, used),
        "dataset.bytes": used, "dataset.percentage": 100.0,
        "peak.percentage": 100.0 * used / max(1, peak), "allocator.allocated": used,
        "allocator.active": used, "allocator.resident": used,
        "allocator-fragmentation.ratio": 1.0, "allocator-fragmentation.bytes": 0,
        "allocator-rss.ratio": 1.0, "allocator-rss.bytes": 0, "rss-overhead.ratio": 1.0,
        "rss-overhead.bytes": 0, "fragmentation": 1.0, "fragmentation.bytes": 0,
        **{f"engine.{name}": value for name, value in engine_fields(client.node)},
    }


def key_counts(client, used):
    host = client.node.host
    counts = host.key_counts()
    count = (estimated_keys(host.engine_stats()) if counts is None
             else sum(keys for keys, _, _ in counts.values()))
    return {"keys.count": count, "keys.bytes-per-key": used // count if count else 0}


@memory_command("memory|doctor", arity=2, tips=REPORTED,
                summary="Says in words how memory is bounded here.")
def memory_doctor(client, args):
    config = client.node.config
    fields = dict(memory_fields(client.node))
    return Verbatim(
        f"The process takes {fields['used_memory_rss_human']}. Writes wait in memory up to "
        f"memtable-bytes ({config.text('memtable-bytes')}), blocks read are kept up to "
        f"block-cache-bytes ({config.text('block-cache-bytes')}), and clients' buffers take "
        f"{fields['mem_clients_normal']} bytes now. The rest is code and indexes of tables.\n")


@memory_command("memory|malloc-stats", arity=2, tips=REPORTED,
                summary="Statistics of the allocator, where it keeps any.")
def malloc_stats(client, args):
    return Verbatim("Stats not supported for the current allocator")


@memory_command("memory|purge", arity=2,
                tips=("request_policy:all_shards", "response_policy:all_succeeded"),
                summary="Asks the allocator to give memory back; libc does that by itself.")
def purge(client, args):
    return OK


help_command("memory", since="4.0.0", acl_categories=("@slow",))
