"""Counters: integers of 64 bits and long doubles, kept as text in ordinary string values.

An absent key counts as 0. The deadline of the key stays. INCRBYFLOAT adds in C's long double and
prints 17 decimals without trailing zeros, as Redis does on this processor (long_double.pyx).
"""

from functools import partial

from resp_kv.commands import long_double, parsing
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError, NotAFloat

counter_command = partial(
    command, group="string", keys=(1, 1, 1), flags="write denyoom fast",
    acl_categories=("@write", "@string", "@fast"),
)
KEY = arg("key", "key", key_spec=0)


def _add(client, key, step):
    record = client.keyspace.get(key)
    number = step + (0 if record is None else parsing.integer(record.value))
    if not parsing.INT64_MIN <= number <= parsing.INT64_MAX:
        raise CommandError("ERR increment or decrement would overflow")
    client.keyspace.put(key, b"%d" % number, 0 if record is None else record.deadline_ms)
    return number


@counter_command("incr", arity=2, args=[KEY], summary="Adds one to the integer in a key.")
def incr(client, args):
    return _add(client, args[1], 1)


@counter_command("decr", arity=2, args=[KEY], summary="Takes one from the integer in a key.")
def decr(client, args):
    return _add(client, args[1], -1)


@counter_command("incrby", arity=3, args=[KEY, arg("increment", "integer")],
                 summary="Adds an integer to the integer in a key.")
def incrby(client, args):
    return _add(client, args[1], parsing.integer(args[2]))


@counter_command("decrby", arity=3, args=[KEY, arg("decrement", "integer")],
                 summary="Takes an integer from the integer in a key.")
def decrby(client, args):
    step = parsing.integer(args[2])
    if step == parsing.INT64_MIN:
        raise CommandError("ERR decrement would overflow")
    return _add(client, args[1], -step)


@counter_command("incrbyfloat", arity=3, since="2.6.0", args=[KEY, arg("increment", "double")],
                 summary="Adds a floating point number to the number in a key.")
def incrbyfloat(client, args):
    record = client.keyspace.get(args[1])
    try:
        total = long_double.add(b"0" if record is None else record.value, args[2])
    except ValueError:
        raise NotAFloat() from None
    if total is None:
        raise CommandError("ERR increment would produce NaN or Infinity")
    client.keyspace.put(args[1], total, 0 if record is None else record.deadline_ms)
    return total
