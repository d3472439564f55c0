"""Bits of string values: bit 0 is the highest bit of the first byte.

A value is at most a few kilobytes here, so a range of bits is cut out as one Python integer and
counted or searched as such; that is compiled work inside the interpreter.
"""

from functools import partial

from resp_kv.commands import parsing
from resp_kv.commands.limits import check_pair
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError, SyntaxFault

bitmap_command = partial(command, group="bitmap")

KEY = arg("key", "key", key_spec=0)
UNIT = arg("unit", "oneof", flags=["optional"], since="7.0.0", args=[
    arg("byte", "pure-token", "BYTE"), arg("bit", "pure-token", "BIT")])
UNIT_HISTORY = (("7.0.0", "BYTE and BIT"),)


def bit_offset(client, text, field_bits=0):
    """The offset of a bit; with `field_bits` also '#n', the n-th field of that width."""
    error = "ERR bit offset is not an integer or out of range"
    if field_bits and text[:1] == b"#":
        offset = parsing.integer(text[1:], error) * field_bits
    else:
        offset = parsing.integer(text, error)
    if not 0 <= offset >> 3 < client.node.config.get("proto-max-bulk-len"):
        raise CommandError(error)
    return offset


@bitmap_command(
    "setbit", arity=4, flags="write denyoom", keys=(1, 1, 1), since="2.2.0",
    args=[KEY, arg("offset", "integer"), arg("value", "integer")],
    acl_categories=("@write", "@bitmap", "@slow"),
    summary="Sets or clears one bit of a value, which grows when needed.",
)
def setbit(client, args):
    key = args[1]
    offset = bit_offset(client, args[2])
    bit = parsing.integer(args[3], "ERR bit is not an integer or out of range")
    if bit not in (0, 1):
        raise CommandError("ERR bit is not an integer or out of range")
    record = client.keyspace.get(key)
    old = b"" if record is None else record.value
    check_pair(client, key, max(len(old), (offset >> 3) + 1))
    value = bytearray(old.ljust((offset >> 3) + 1, b"\0"))
    mask = 0x80 >> (offset & 7)
    before = 1 if value[offset >> 3] & mask else 0
    if bit:
        value[offset >> 3] |= mask
    else:
        value[offset >> 3] &= ~mask
    if value != old:
        client.keyspace.put(key, bytes(value), 0 if record is None else record.deadline_ms)
    return before


@bitmap_command(
    "getbit", arity=3, flags="readonly fast", keys=(1, 1, 1), since="2.2.0",
    args=[KEY, arg("offset", "integer")], acl_categories=("@read", "@bitmap", "@fast"),
    summary="Gives one bit of a value; 0 past its end.",
)
def getbit(client, args):
    offset = bit_offset(client, args[2])
    record = client.keyspace.get(args[1])
    if record is None or offset >> 3 >= len(record.value):
        return 0
    return record.value[offset >> 3] >> (7 - (offset & 7)) & 1


def _unit_is_bit(word):
    if word.upper() == b"BIT":
        return True
    if word.upper() == b"BYTE":
        return False
    raise SyntaxFault()


def _cut(value, within):
    """The bits from within[0] to within[1] of a value, as an integer and its width."""
    start, end = within
    first, last = start >> 3, end >> 3
    number = int.from_bytes(value[first:last + 1], "big") >> (7 - (end & 7))
    width = end - start + 1
    return number & ((1 << width) - 1), width


def _bits_within(value, start, end, in_bits):
    """The range as bit numbers, or None when it is empty."""
    within = parsing.clamped_range(start, end, len(value) * 8 if in_bits else len(value))
    if within is None or in_bits:
        return within
    return within[0] * 8, within[1] * 8 + 7


@bitmap_command(
    "bitcount", arity=-2, flags="readonly", keys=(1, 1, 1), since="2.6.0", complexity="O(N)",
    acl_categories=("@read", "@bitmap", "@slow"), history=UNIT_HISTORY,
    summary="Counts the bits that are 1, in a value or in a part of it.",
    args=[KEY, arg("range", "block", flags=["optional"], args=[
        arg("start", "integer"), arg("end", "integer"), UNIT])],
)
def bitcount(client, args):
    if len(args) not in (2, 4, 5):
        raise SyntaxFault()
    start, end, in_bits = 0, -1, False
    if len(args) > 2:
        start, end = parsing.integer(args[2]), parsing.integer(args[3])
        in_bits = len(args) == 5 and _unit_is_bit(args[4])
    record = client.keyspace.get(args[1])
    if record is None or parsing.crossed(start, end):
        return 0
    within = _bits_within(record.value, start, end, in_bits)
    return 0 if within is None else _cut(record.value, within)[0].bit_count()


@bitmap_command(
    "bitpos", arity=-3, flags="readonly", keys=(1, 1, 1), since="2.8.7", complexity="O(N)",
    acl_categories=("@read", "@bitmap", "@slow"), history=UNIT_HISTORY,
    summary="Finds the first bit that is 1, or 0, in a value or in a part of it.",
    args=[KEY, arg("bit", "integer"), arg("range", "block", flags=["optional"], args=[
        arg("start", "integer"),
        arg("end-unit-block", "block", flags=["optional"], args=[arg("end", "integer"), UNIT])])],
)
def bitpos(client, args):
    bit = parsing.integer(args[2])
    if bit not in (0, 1):
        raise CommandError("ERR The bit argument must be 1 or 0.")
    if len(args) > 6:
        raise SyntaxFault()
    start, end, in_bits = 0, -1, False
    if len(args) > 3:
        start = parsing.integer(args[3])
        in_bits = len(args) == 6 and _unit_is_bit(args[5])
    if len(args) > 4:
        end = parsing.integer(args[4])
    record = client.keyspace.get(args[1])
    if record is None:
        return -bit
    within = _bits_within(record.value, start, end, in_bits)
    if within is None:
        return -1
    return _first(record.value, within, bit, open_end=len(args) <= 4)


def _first(value, within, bit, *, open_end):
    """The number of the first such bit, or -1.

    A value without an end given is followed by endless zeros, so a search for 0 ends just past it.
    """
    number, width = _cut(value, within)
    if bit == 0:
        number ^= (1 << width) - 1
    if number:
        return within[0] + width - number.bit_length()
    return within[1] + 1 if bit == 0 and open_end else -1


@bitmap_command(
    "bitop", arity=-4, flags="write denyoom", keys=(2, -1, 1), since="2.6.0", complexity="O(N)",
    acl_categories=("@write", "@bitmap", "@slow"),
    summary="Combines values bit by bit and stores the result.",
    args=[
        arg("operation", "oneof", args=[
            arg("and", "pure-token", "AND"), arg("or", "pure-token", "OR"),
            arg("xor", "pure-token", "XOR"), arg("not", "pure-token", "NOT")]),
        arg("destkey", "key", key_spec=0),
        arg("key", "key", key_spec=1, flags=["multiple"]),
    ],
)
def bitop(client, args):
    operation, target, sources = args[1].upper(), args[2], args[3:]
    if operation not in (b"AND", b"OR", b"XOR", b"NOT"):
        raise SyntaxFault()
    if operation == b"NOT" and len(sources) != 1:
        raise CommandError("ERR BITOP NOT must be called with a single source key.")
    client.keyspace.need(args[2:])
    records = [client.keyspace.get(key) for key in sources]
    values = [b"" if record is None else record.value for record in records]
    length = max(map(len, values))
    if length:
        client.keyspace.put(target, _combined(operation, values, length))
    elif client.keyspace.exists(target):
        client.keyspace.delete(target)
    return length


def _combined(operation, values, length):
    """Shorter values count as if zero bytes followed."""
    numbers = [int.from_bytes(value.ljust(length, b"\0"), "big") for value in values]
    result = numbers[0]
    if operation == b"NOT":
        result ^= (1 << 8 * length) - 1
    for number in numbers[1:]:
        if operation == b"AND":
            result &= number
        elif operation == b"OR":
            result |= number
        else:
            result ^= number
    return result.to_bytes(length, "big")
