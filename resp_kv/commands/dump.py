"""DUMP and RESTORE: a value as bytes that real Redis servers read and write as well.

    payload  =  0x00 (string)  string  version u16  CRC-64 u64 of all before it
    string   =  length, bytes
             |  11000000 i8  |  11000001 i16  |  11000010 i32        a small integer
             |  11000011 length of the packed bytes, length, packed bytes (LZF)
    length   =  00xxxxxx  |  01xxxxxx x8  |  10000000 u32 big-endian  |  10000001 u64 big-endian

Integers and the footer are little-endian. We write version 11, Redis 7.2's, and never pack; we
read up to version 12, since strings have not changed in it.
"""

from functools import partial
from struct import error as StructError
from struct import pack, unpack_from

from resp_kv.commands import parsing
from resp_kv.commands.limits import check_pair
from resp_kv.commands.rdb_bytes import crc64, lzf_decompressed
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError, SyntaxFault
from resp_kv.resp.values import OK

payload_command = partial(command, group="generic", keys=(1, 1, 1), since="2.6.0",
                          complexity="O(N), N the length of the value")

VERSION, VERSION_MAX = 11, 12
FOOTER_BYTES = 10
FRAME_BYTES_MAX = 1 + 9 + FOOTER_BYTES      # what a payload is longer than an unpacked value
STRING_TYPE = 0
INTEGERS = {0: ("<b", 1), 1: ("<h", 2), 2: ("<i", 4)}
PACKED = 3
INTEGER_TEXT_BYTES_MAX = 11     # Redis tries the integer forms up to this length
BAD_FORMAT = "ERR Bad data format"
KEY = arg("key", "key", key_spec=0)


def _length(count):
    if count < 1 << 6:
        return pack(">B", count)
    if count < 1 << 14:
        return pack(">H", 0x4000 | count)
    if count < 1 << 32:
        return pack(">BI", 0x80, count)
    return pack(">BQ", 0x81, count)


def _string(value):
    number = None
    if len(value) <= INTEGER_TEXT_BYTES_MAX:
        number = parsing.integer_or_none(value)
    if number is not None:
        for code, (form, octets) in INTEGERS.items():
            if -(1 << 8 * octets - 1) <= number < 1 << 8 * octets - 1:
                return bytes([0xc0 | code]) + pack(form, number)
    return _length(len(value)) + value


def payload_of(value):
    text = bytes([STRING_TYPE]) + _string(value) + pack("<H", VERSION)
    return text + pack("<Q", crc64(text))


class _Reader:
    """Takes a string from a payload without its footer; StructError when bytes are missing."""

    def __init__(self, client, key, text):
        self.client, self.key, self.text, self.at = client, key, text, 0

    def number(self, form, octets):
        (value,) = unpack_from(form, self.text, self.at)
        self.at += octets
        return value

    def octets(self, count):
        if count > len(self.text) - self.at:
            raise StructError
        self.at += count
        return self.text[self.at - count:self.at]

    def length(self):
        """(length, None), or (None, code) of a special string."""
        first = self.number("B", 1)
        if first >> 6 == 0:
            return first, None
        if first >> 6 == 1:
            return (first & 0x3f) << 8 | self.number("B", 1), None
        if first >> 6 == 3:
            return None, first & 0x3f
        if first in (0x80, 0x81):
            return self.number(*((">I", 4) if first == 0x80 else (">Q", 8))), None
        raise StructError

    def string(self):
        count, code = self.length()
        if count is not None:
            return self.octets(count)
        if code in INTEGERS:
            return b"%d" % self.number(*INTEGERS[code])
        if code != PACKED:
            raise StructError
        return self.unpacked()

    def unpacked(self):
        packed_bytes, size = self.length()[0], self.length()[0]
        if packed_bytes is None or size is None:
            raise StructError
        packed = self.octets(packed_bytes)
        check_pair(self.client, self.key, size)
        value = lzf_decompressed(packed, size)
        if value is None:
            raise StructError
        return value


def _value_in(client, key, payload):
    """The value that a payload holds; PairTooLarge before it is built."""
    check_pair(client, key, len(payload) - FRAME_BYTES_MAX)
    text, footer = payload[:-FOOTER_BYTES], payload[-FOOTER_BYTES:]
    if len(footer) < FOOTER_BYTES or unpack_from("<H", footer)[0] > VERSION_MAX \
            or crc64(payload[:-8]) != unpack_from("<Q", footer, 2)[0]:
        raise CommandError("ERR DUMP payload version or checksum are wrong")
    if text[:1] != bytes([STRING_TYPE]):
        raise CommandError(BAD_FORMAT)
    try:
        return _Reader(client, key, text[1:]).string()
    except StructError:
        raise CommandError(BAD_FORMAT) from None


@payload_command(
    "dump", arity=2, flags="readonly", args=[KEY],
    acl_categories=("@keyspace", "@read", "@slow"), tips=("nondeterministic_output",),
    summary="Gives the value of a key in the form that RESTORE reads.",
)
def dump(client, args):
    record = client.keyspace.get(args[1])
    return None if record is None else payload_of(record.value)


class RestoreOptions:
    """IDLETIME and FREQ are checked and then forgotten: no access times are kept here."""

    __slots__ = ("replace", "absolute")

    def __init__(self, words):
        self.replace = self.absolute = False
        other = {b"IDLETIME": b"FREQ", b"FREQ": b"IDLETIME"}
        words, seen = iter(words), set()
        for word in words:
            token = word.upper()
            if token == b"REPLACE":
                self.replace = True
            elif token == b"ABSTTL":
                self.absolute = True
            else:
                text = next(words, None)
                if token not in other or other[token] in seen or text is None:
                    raise SyntaxFault()
                seen.add(token)
                _check_access(token, parsing.integer(text))


def _check_access(token, number):
    if token == b"IDLETIME" and number < 0:
        raise CommandError("ERR Invalid IDLETIME value, must be >= 0")
    if token == b"FREQ" and not 0 <= number <= 255:
        raise CommandError("ERR Invalid FREQ value, must be >= 0 and <= 255")


@payload_command(
    "restore", arity=-4, flags="write denyoom",
    acl_categories=("@keyspace", "@write", "@slow", "@dangerous"),
    summary="Stores a value from the bytes that DUMP gave, here or on a Redis server.",
    history=(("3.0.0", "REPLACE"), ("5.0.0", "ABSTTL"), ("5.0.0", "IDLETIME and FREQ")),
    args=[
        KEY, arg("ttl", "integer"), arg("serialized-value", "string"),
        arg("replace", "pure-token", "REPLACE", flags=["optional"], since="3.0.0"),
        arg("absttl", "pure-token", "ABSTTL", flags=["optional"], since="5.0.0"),
        arg("seconds", "integer", "IDLETIME", flags=["optional"], since="5.0.0"),
        arg("frequency", "integer", "FREQ", flags=["optional"], since="5.0.0"),
    ],
)
def restore(client, args):
    key = args[1]
    options = RestoreOptions(args[4:])
    exists = client.keyspace.exists(key)
    if exists and not options.replace:
        raise CommandError("BUSYKEY Target key name already exists.")
    life_ms = parsing.integer(args[2])
    if life_ms < 0:
        raise CommandError("ERR Invalid TTL value, must be >= 0")
    value = _value_in(client, key, args[3])
    deadline_ms = life_ms
    if life_ms and not options.absolute:
        deadline_ms = min(life_ms + client.node.now_ms, parsing.INT64_MAX)
    if not deadline_ms or deadline_ms > client.node.now_ms:
        client.keyspace.put(key, value, deadline_ms)
    elif exists:
        client.keyspace.delete(key)
    return OK
