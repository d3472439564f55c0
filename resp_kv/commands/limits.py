"""Sizes that are refused before anything of that size is built.

SETRANGE, SETBIT and BITFIELD name an offset, so a command of 40 bytes can ask for a value of half
a gigabyte. Redis's own limit (proto-max-bulk-len) is checked first and with its text; ours
(max-pair-bytes, key plus value) comes next, before the value exists. `Keyspace.put` checks ours
again, for everybody.
"""

from resp_kv.errors import CommandError


def check_string_length(client, value_bytes):
    """Redis's limit on the length that a string grows to."""
    if value_bytes > client.node.config.get("proto-max-bulk-len"):
        raise CommandError("ERR string exceeds maximum allowed size (proto-max-bulk-len)")


def check_pair(client, key, value_bytes):
    """Our limit on key plus value; PairTooLarge past it."""
    client.keyspace.check_size(len(key), value_bytes)
