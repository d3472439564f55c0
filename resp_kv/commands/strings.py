"""Strings: SET and its relatives, whole values and parts of them.

The plain forms of GET, SET and MGET are answered by the compiled fast path (hot.pyx); these
handlers know every option and give the same answers. A write that follows a read of the same key
keeps the key's deadline where Redis keeps it (APPEND, SETRANGE) and drops it where Redis drops it
(SET, GETSET, MSET).
"""

from functools import partial

from resp_kv.commands import parsing
from resp_kv.commands.limits import check_pair, check_string_length
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError, SyntaxFault
from resp_kv.resp.values import OK

string_command = partial(command, group="string")

KEY = arg("key", "key", key_spec=0)
KEYS = arg("key", "key", key_spec=0, flags=["multiple"])
VALUE = arg("value", "string")
PAIRS = arg("data", "block", flags=["multiple"], args=[KEY, VALUE])
DEADLINES = {
    # token: seconds, absolute
    b"EX": (True, False),
    b"PX": (False, False),
    b"EXAT": (True, True),
    b"PXAT": (False, True),
}


def expiration(last, since=(None, None)):
    """The documentation of EX PX EXAT PXAT and one more token."""
    relative, absolute = since
    return arg("expiration", "oneof", flags=["optional"], args=[
        arg("seconds", "integer", "EX", since=relative),
        arg("milliseconds", "integer", "PX", since=relative),
        arg("unix-time-seconds", "unix-time", "EXAT", since=absolute),
        arg("unix-time-milliseconds", "unix-time", "PXAT", since=absolute),
        last,
    ])


class Options:
    """What follows the value in SET, or the key in GETEX.

    expire   None or (token, text): the text is checked later, because Redis does so too
    """

    __slots__ = ("condition", "get", "keep_deadline", "persist", "expire")

    def __init__(self, words, *, setting):
        self.condition = self.expire = None
        self.get = self.keep_deadline = self.persist = False
        words = iter(words)
        for word in words:
            token = word.upper()
            if token in DEADLINES:
                self._set_expire(token, next(words, None))
            elif setting:
                self._set_option(token)
            elif token == b"PERSIST" and self.expire is None:
                self.persist = True
            else:
                raise SyntaxFault()

    def _set_expire(self, token, text):
        other = self.expire is not None and self.expire[0] != token
        if text is None or other or self.keep_deadline or self.persist:
            raise SyntaxFault()
        self.expire = (token, text)

    def _set_option(self, token):
        if token in (b"NX", b"XX") and self.condition in (None, token):
            self.condition = token
        elif token == b"GET":
            self.get = True
        elif token == b"KEEPTTL" and self.expire is None:
            self.keep_deadline = True
        else:
            raise SyntaxFault()

    def deadline_ms(self, client, name):
        """0 for none."""
        if self.expire is None:
            return 0
        token, text = self.expire
        seconds, absolute = DEADLINES[token]
        return parsing.deadline(client, text, seconds=seconds, absolute=absolute, name=name)

    @property
    def absolute(self):
        return self.expire is not None and DEADLINES[self.expire[0]][1]


@string_command(
    "get", arity=2, flags="readonly fast", keys=(1, 1, 1), args=[KEY],
    acl_categories=("@read", "@string", "@fast"),
    summary="Gives the value of a key.",
)
def get(client, args):
    record = client.keyspace.get(args[1])
    return None if record is None else record.value


@string_command(
    "set", arity=-3, flags="write denyoom", keys=(1, 1, 1),
    acl_categories=("@write", "@string", "@slow"),
    summary="Stores a value under a key, whatever was there.",
    history=(
        ("2.6.12", "EX, PX, NX and XX"),
        ("6.0.0", "KEEPTTL"),
        ("6.2.0", "GET, EXAT and PXAT"),
        ("7.0.0", "NX together with GET"),
    ),
    args=[
        KEY, VALUE,
        arg("condition", "oneof", flags=["optional"], since="2.6.12", args=[
            arg("nx", "pure-token", "NX"), arg("xx", "pure-token", "XX")]),
        arg("get", "pure-token", "GET", flags=["optional"], since="6.2.0"),
        expiration(arg("keepttl", "pure-token", "KEEPTTL", since="6.0.0"), ("2.6.12", "6.2.0")),
    ],
)
def set_(client, args):
    key, value = args[1], args[2]
    options = Options(args[3:], setting=True)
    deadline_ms = options.deadline_ms(client, "set")
    old = None
    if options.condition or options.get or options.keep_deadline:
        old = client.keyspace.get(key)
    reply_value = old.value if options.get and old is not None else None
    refused = old is not None if options.condition == b"NX" else old is None
    if options.condition and refused:
        return reply_value
    if options.keep_deadline and old is not None:
        deadline_ms = old.deadline_ms
    client.keyspace.put(key, value, deadline_ms)
    return reply_value if options.get else OK


@string_command(
    "getex", arity=-2, flags="write fast", keys=(1, 1, 1), since="6.2.0",
    acl_categories=("@write", "@string", "@fast"),
    summary="Gives the value of a key and sets or removes its deadline.",
    args=[KEY, expiration(arg("persist", "pure-token", "PERSIST"))],
)
def getex(client, args):
    key = args[1]
    options = Options(args[2:], setting=False)
    record = client.keyspace.get(key)
    if record is None:
        return None
    deadline_ms = options.deadline_ms(client, "getex")
    if options.absolute and deadline_ms <= client.node.now_ms:
        client.keyspace.delete(key)
    elif deadline_ms or (options.persist and record.deadline_ms):
        client.keyspace.annotate(key, record, deadline_ms)
    return record.value


@string_command(
    "getdel", arity=2, flags="write fast", keys=(1, 1, 1), since="6.2.0", args=[KEY],
    acl_categories=("@write", "@string", "@fast"),
    summary="Gives the value of a key and deletes the key.",
)
def getdel(client, args):
    record = client.keyspace.get(args[1])
    if record is None:
        return None
    client.keyspace.delete(args[1])
    return record.value


@string_command(
    "getset", arity=3, flags="write denyoom fast", keys=(1, 1, 1), args=[KEY, VALUE],
    acl_categories=("@write", "@string", "@fast"),
    summary="Stores a value and gives the one before it.",
    doc_flags=("deprecated",), deprecated_since="6.2.0",
    replaced_by="`SET` with the `!GET` argument",
)
def getset(client, args):
    record = client.keyspace.get(args[1])
    client.keyspace.put(args[1], args[2])
    return None if record is None else record.value


@string_command(
    "setnx", arity=3, flags="write denyoom fast", keys=(1, 1, 1), args=[KEY, VALUE],
    acl_categories=("@write", "@string", "@fast"),
    summary="Stores a value unless the key exists.",
    doc_flags=("deprecated",), deprecated_since="2.6.12",
    replaced_by="`SET` with the `NX` argument",
)
def setnx(client, args):
    if client.keyspace.exists(args[1]):
        return 0
    client.keyspace.put(args[1], args[2])
    return 1


@string_command(
    "setex", arity=4, flags="write denyoom", keys=(1, 1, 1), since="2.0.0",
    args=[KEY, arg("seconds", "integer"), VALUE],
    acl_categories=("@write", "@string", "@slow"),
    summary="Stores a value that lives for so many seconds.",
    doc_flags=("deprecated",), deprecated_since="2.6.12",
    replaced_by="`SET` with the `EX` argument",
)
def setex(client, args):
    when_ms = parsing.deadline(client, args[2], seconds=True, absolute=False, name="setex")
    client.keyspace.put(args[1], args[3], when_ms)
    return OK


@string_command(
    "psetex", arity=4, flags="write denyoom", keys=(1, 1, 1), since="2.6.0",
    args=[KEY, arg("milliseconds", "integer"), VALUE],
    acl_categories=("@write", "@string", "@slow"),
    summary="Stores a value that lives for so many milliseconds.",
    doc_flags=("deprecated",), deprecated_since="2.6.12",
    replaced_by="`SET` with the `PX` argument",
)
def psetex(client, args):
    when_ms = parsing.deadline(client, args[2], seconds=False, absolute=False, name="psetex")
    client.keyspace.put(args[1], args[3], when_ms)
    return OK


@string_command(
    "mget", arity=-2, flags="readonly fast", keys=(1, -1, 1), args=[KEYS],
    acl_categories=("@read", "@string", "@fast"), complexity="O(N), N the number of keys",
    tips=("request_policy:multi_shard",),
    summary="Gives the values of several keys.",
)
def mget(client, args):
    keys = args[1:]
    client.keyspace.need(keys)
    records = [client.keyspace.get(key) for key in keys]
    return [None if record is None else record.value for record in records]


@string_command(
    "mset", arity=-3, flags="write denyoom", keys=(1, -1, 2), since="1.0.1", args=[PAIRS],
    acl_categories=("@write", "@string", "@slow"), complexity="O(N), N the number of keys",
    tips=("request_policy:multi_shard", "response_policy:all_succeeded"),
    summary="Stores several values at once.",
)
def mset(client, args):
    _put_all(client, _pairs(client, args, "mset"))
    return OK


@string_command(
    "msetnx", arity=-3, flags="write denyoom", keys=(1, -1, 2), since="1.0.1", args=[PAIRS],
    acl_categories=("@write", "@string", "@slow"), complexity="O(N), N the number of keys",
    summary="Stores several values at once, unless one of the keys exists.",
)
def msetnx(client, args):
    pairs = _pairs(client, args, "msetnx")
    client.keyspace.need(args[1::2])
    if any(client.keyspace.exists(key) for key, _ in pairs):
        return 0
    _put_all(client, pairs)
    return 1


def _pairs(client, args, name):
    """Key and value by turns, each pair small enough: either all are stored or none."""
    if len(args) % 2 == 0:
        raise CommandError(f"ERR wrong number of arguments for '{name}' command")
    pairs = list(zip(args[1::2], args[2::2], strict=True))
    for key, value in pairs:
        check_pair(client, key, len(value))
    return pairs


def _put_all(client, pairs):
    for key, value in pairs:
        client.keyspace.put(key, value)


@string_command(
    "append", arity=3, flags="write denyoom fast", keys=(1, 1, 1), since="2.0.0",
    args=[KEY, VALUE], acl_categories=("@write", "@string", "@fast"),
    complexity="O(N), N the length of the new value",
    summary="Adds bytes to the end of a value; the key need not exist.",
)
def append(client, args):
    key, tail = args[1], args[2]
    record = client.keyspace.get(key)
    if record is None:
        client.keyspace.put(key, tail)
        return len(tail)
    length = len(record.value) + len(tail)
    check_string_length(client, length)
    check_pair(client, key, length)
    client.keyspace.put(key, record.value + tail, record.deadline_ms)
    return length


@string_command(
    "strlen", arity=2, flags="readonly fast", keys=(1, 1, 1), since="2.2.0", args=[KEY],
    acl_categories=("@read", "@string", "@fast"),
    summary="Gives the length of a value in bytes.",
)
def strlen(client, args):
    record = client.keyspace.get(args[1])
    return 0 if record is None else len(record.value)


@string_command(
    "setrange", arity=4, flags="write denyoom", keys=(1, 1, 1), since="2.2.0",
    args=[KEY, arg("offset", "integer"), VALUE],
    acl_categories=("@write", "@string", "@slow"),
    complexity="O(N), N the length of the new value",
    summary="Overwrites a part of a value; a gap before it is filled with zero bytes.",
)
def setrange(client, args):
    key, piece = args[1], args[3]
    offset = parsing.integer(args[2])
    if offset < 0:
        raise CommandError("ERR offset is out of range")
    record = client.keyspace.get(key)
    old = b"" if record is None else record.value
    if not piece:
        return len(old)
    end = offset + len(piece)
    check_string_length(client, end)
    check_pair(client, key, max(end, len(old)))
    value = old[:offset].ljust(offset, b"\0") + piece + old[end:]
    client.keyspace.put(key, value, 0 if record is None else record.deadline_ms)
    return len(value)


def getrange(client, args):
    start, end = parsing.integer(args[2]), parsing.integer(args[3])
    record = client.keyspace.get(args[1])
    if record is None or parsing.crossed(start, end):
        return b""
    within = parsing.clamped_range(start, end, len(record.value))
    return b"" if within is None else record.value[within[0]:within[1] + 1]


RANGE = dict(
    arity=4, flags="readonly", keys=(1, 1, 1), acl_categories=("@read", "@string", "@slow"),
    args=[KEY, arg("start", "integer"), arg("end", "integer")],
    complexity="O(N), N the length of the part",
    summary="Gives a part of a value, both ends included; negative numbers count from the end.",
)
string_command("getrange", since="2.4.0", **RANGE)(getrange)
string_command("substr", doc_flags=("deprecated",), deprecated_since="2.0.0",
               replaced_by="`GETRANGE`", **RANGE)(getrange)
