"""OBJECT: what Redis would say of the inside of a value.

A value here is bytes on disk, without an encoding or a reference count. Clients ask nevertheless,
mostly in tests, so the answers are those of a Redis that has just stored the same value.
"""

from resp_kv.commands import parsing
from resp_kv.commands.help import help_command
from resp_kv.commands.table import arg, command, container
from resp_kv.errors import CommandError

EMBEDDED_BYTES_MAX = 44
SHARED_INTEGERS = 10_000        # Redis keeps one object for each of these numbers
SHARED_REFERENCES = parsing.INT32_MAX
HLC_LOGICAL_BITS = 16
NO_FREQUENCIES = (
    "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that "
    "when switching between policies at runtime LRU and LFU data will take some time to adjust."
)

container("object", acl_categories=("@slow",), group="generic", since="2.2.3",
          complexity="Depends on the subcommand",
          summary="Tells about the inside of a value.")


def object_command(name, since, summary):
    return command(
        f"object|{name}", arity=3, flags="readonly", keys=(2, 2, 1), group="generic", since=since,
        acl_categories=("@keyspace", "@read", "@slow"), tips=("nondeterministic_output",),
        args=[arg("key", "key", key_spec=0)], summary=summary,
    )


@object_command("encoding", "2.2.3", "Names the form in which Redis would keep the value.")
def encoding(client, args):
    record = client.keyspace.get(args[2])
    if record is None:
        return None
    if parsing.integer_or_none(record.value) is not None:
        return b"int"
    return b"embstr" if len(record.value) <= EMBEDDED_BYTES_MAX else b"raw"


@object_command("refcount", "2.2.3", "Gives the number of references Redis would hold.")
def refcount(client, args):
    record = client.keyspace.get(args[2])
    if record is None:
        return None
    number = parsing.integer_or_none(record.value)
    shared = number is not None and 0 <= number < SHARED_INTEGERS
    return SHARED_REFERENCES if shared else 1


@object_command("idletime", "2.2.3", "Gives the seconds since the last write.")
def idletime(client, args):
    record = client.keyspace.get(args[2])
    if record is None:
        return None
    return max(client.node.now_ms - (record.hlc >> HLC_LOGICAL_BITS), 0) // 1000


@object_command("freq", "4.0.0", "Access counts are not kept; an error, as in Redis without LFU.")
def freq(client, args):
    if not client.keyspace.exists(args[2]):
        return None
    raise CommandError(NO_FREQUENCIES)


help_command("object", since="6.2.0", acl_categories=("@keyspace", "@slow"))
