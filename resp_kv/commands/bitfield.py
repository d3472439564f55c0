"""BITFIELD: integers of any width up to 64 bits at any bit offset of a value.

All operations are read and checked first, then run in order on one copy of the value, which is
written once. As in Redis, any SET or INCRBY makes the value long enough for the farthest of them,
even when the operation itself then fails for overflow.
"""

from functools import partial
from typing import NamedTuple

from resp_kv.commands import parsing
from resp_kv.commands.bits import bit_offset
from resp_kv.commands.limits import check_pair
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError, SyntaxFault

field_command = partial(command, group="bitmap", arity=-2, keys=(1, 1, 1),
                        complexity="O(1) for each operation")

KEY = arg("key", "key", key_spec=0)
FIELD = [arg("encoding", "string"), arg("offset", "integer")]
WORDS = {b"GET": 2, b"SET": 3, b"INCRBY": 3, b"OVERFLOW": 1}  # words that follow


class Operation(NamedTuple):
    name: bytes         # GET SET INCRBY
    signed: bool
    bits: int
    offset: int
    number: int         # the value or the increment
    overflow: bytes     # WRAP SAT FAIL

    @property
    def least(self):
        return -(1 << self.bits - 1) if self.signed else 0

    @property
    def greatest(self):
        return (1 << self.bits - self.signed) - 1

    def interpreted(self, pattern):
        """The number that a pattern of `bits` bits stands for."""
        return pattern - (1 << self.bits) if pattern > self.greatest else pattern


def _operations(client, words):
    """The operations in `words`, each with the overflow mode in force where it stands."""
    overflow, operations, at = b"WRAP", [], 0
    while at < len(words):
        name = words[at].upper()
        count = WORDS.get(name, len(words))
        if at + count >= len(words):
            raise SyntaxFault()
        rest = words[at + 1:at + 1 + count]
        if name == b"OVERFLOW":
            overflow = rest[0].upper()
            if overflow not in (b"WRAP", b"SAT", b"FAIL"):
                raise CommandError("ERR Invalid OVERFLOW type specified")
        else:
            operations.append(_operation(client, name, rest, overflow))
        at += 1 + count
    return operations


def _operation(client, name, words, overflow):
    signed, bits = _encoding(words[0])
    offset = bit_offset(client, words[1], bits)
    number = 0 if name == b"GET" else parsing.integer(words[2])
    return Operation(name, signed, bits, offset, number, overflow)


def _encoding(text):
    """i1 to i64 and u1 to u63; 64 unsigned bits do not fit into a RESP integer."""
    signed = text[:1] == b"i"
    bits = parsing.integer_or_none(text[1:])
    if text[:1] not in (b"i", b"u") or bits is None or not 1 <= bits <= 63 + signed:
        raise CommandError("ERR Invalid bitfield type. Use something like i16 u8. Note that u64 "
                           "is not supported but i64 is.")
    return signed, bits


def _span(operation):
    """(first byte, byte after the last, shift to the right) of a field."""
    end = operation.offset + operation.bits
    return operation.offset >> 3, (end + 7) >> 3, -end & 7


def _read(operation, value):
    first, last, shift = _span(operation)
    octets = value[first:last].ljust(last - first, b"\0")
    pattern = int.from_bytes(octets, "big") >> shift & (1 << operation.bits) - 1
    return operation.interpreted(pattern)


def _write(operation, value, number):
    first, last, shift = _span(operation)
    mask = (1 << operation.bits) - 1
    octets = int.from_bytes(value[first:last], "big") & ~(mask << shift)
    octets |= (number & mask) << shift
    value[first:last] = octets.to_bytes(last - first, "big")


def _fitted(operation, number):
    """The number as the overflow mode lets it in; None: it fails."""
    if operation.least <= number <= operation.greatest:
        return number
    if operation.overflow == b"WRAP":
        return operation.interpreted(number & (1 << operation.bits) - 1)
    if operation.overflow == b"SAT":
        return operation.greatest if number > operation.greatest else operation.least
    return None


def _run(operation, value):
    """The reply to one operation; `value` (a bytearray) changes with SET and INCRBY."""
    old = _read(operation, value)
    if operation.name == b"GET":
        return old
    number = operation.number
    if operation.name == b"INCRBY":
        number += old
    elif not operation.signed:
        number &= (1 << 64) - 1     # Redis takes the value of an unsigned SET as unsigned
    new = _fitted(operation, number)
    if new is None:
        return None
    _write(operation, value, new)
    return old if operation.name == b"SET" else new


@field_command(
    "bitfield", flags="write denyoom", since="3.2.0",
    acl_categories=("@write", "@bitmap", "@slow"),
    summary="Reads, sets and adds to integers of any width inside a value.",
    args=[KEY, arg("operation", "oneof", flags=["optional", "multiple"], args=[
        arg("get-block", "block", "GET", args=FIELD),
        arg("write", "block", args=[
            arg("overflow-block", "oneof", "OVERFLOW", flags=["optional"], args=[
                arg("wrap", "pure-token", "WRAP"), arg("sat", "pure-token", "SAT"),
                arg("fail", "pure-token", "FAIL")]),
            arg("write-operation", "oneof", args=[
                arg("set-block", "block", "SET", args=[*FIELD, arg("value", "integer")]),
                arg("incrby-block", "block", "INCRBY",
                    args=[*FIELD, arg("increment", "integer")])])])])],
)
def bitfield(client, args):
    key = args[1]
    operations = _operations(client, args[2:])
    record = client.keyspace.get(key)
    old = b"" if record is None else record.value
    ends = [item.offset + item.bits for item in operations if item.name != b"GET"]
    length = max([len(old), *((end + 7) >> 3 for end in ends)])
    check_pair(client, key, length)
    value = bytearray(old.ljust(length, b"\0"))
    replies = [_run(operation, value) for operation in operations]
    if value != old:
        client.keyspace.put(key, bytes(value), 0 if record is None else record.deadline_ms)
    return replies


@field_command(
    "bitfield_ro", flags="readonly fast", since="6.0.0",
    acl_categories=("@read", "@bitmap", "@fast"),
    summary="Reads integers of any width inside a value.",
    args=[KEY, arg("get-block", "block", "GET", args=FIELD,
                   flags=["optional", "multiple", "multiple_token"])],
)
def bitfield_ro(client, args):
    operations = _operations(client, args[2:])
    if any(operation.name != b"GET" for operation in operations):
        raise CommandError("ERR BITFIELD_RO only supports the GET subcommand")
    record = client.keyspace.get(args[1])
    value = b"" if record is None else record.value
    return [_run(operation, value) for operation in operations]
