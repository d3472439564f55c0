"""Deadlines of keys: set, read, removed. A deadline is an absolute time in milliseconds.

Setting one annotates the version of the value that was read (see cluster/keyspace.pyx), so it
never brings back a value that has been overwritten meanwhile. A deadline that is already past
deletes the key.
"""

from functools import partial

from resp_kv.commands import parsing
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError

KEY = arg("key", "key", key_spec=0)
CONDITION = arg("condition", "oneof", flags=["optional"], since="7.0.0", args=[
    arg("nx", "pure-token", "NX"), arg("xx", "pure-token", "XX"),
    arg("gt", "pure-token", "GT"), arg("lt", "pure-token", "LT")])
CONDITIONS = {b"NX", b"XX", b"GT", b"LT"}

reading = partial(command, arity=2, flags="readonly fast", keys=(1, 1, 1), group="generic",
                  args=[KEY], acl_categories=("@keyspace", "@read", "@fast"))
TTL_NOTES = dict(history=(("2.8.0", "-2 for an absent key"),), tips=("nondeterministic_output",))


def _seconds(milliseconds):
    """Rounded to the nearest second, as Redis does."""
    return (milliseconds + 500) // 1000


def _left_ms(client, key):
    """Milliseconds left, -1 without a deadline, -2 without a key."""
    deadline_ms = client.keyspace.deadline(key)
    if deadline_ms <= 0:
        return deadline_ms or -1
    return max(deadline_ms - client.node.now_ms, 0)


@reading("ttl", summary="Gives the seconds a key has left.", **TTL_NOTES)
def ttl(client, args):
    left_ms = _left_ms(client, args[1])
    return left_ms if left_ms < 0 else _seconds(left_ms)


@reading("pttl", since="2.6.0", summary="Gives the milliseconds a key has left.", **TTL_NOTES)
def pttl(client, args):
    return _left_ms(client, args[1])


@reading("expiretime", since="7.0.0", summary="Gives the deadline of a key in Unix seconds.")
def expiretime(client, args):
    deadline_ms = client.keyspace.deadline(args[1])
    return _seconds(deadline_ms) if deadline_ms > 0 else deadline_ms or -1


@reading("pexpiretime", since="7.0.0",
         summary="Gives the deadline of a key in Unix milliseconds.")
def pexpiretime(client, args):
    return client.keyspace.deadline(args[1]) or -1


def _condition(words):
    """The set of conditions in `words`, checked to go together."""
    given = set()
    for word in words:
        if word.upper() not in CONDITIONS:
            shown = word.partition(b"\0")[0].decode("utf-8", "surrogateescape")
            raise CommandError(f"ERR Unsupported option {shown}")
        given.add(word.upper())
    if b"NX" in given and len(given) > 1:
        raise CommandError("ERR NX and XX, GT or LT options at the same time are not compatible")
    if b"GT" in given and b"LT" in given:
        raise CommandError("ERR GT and LT options at the same time are not compatible")
    return given


def _allowed(given, current_ms, when_ms):
    """`current_ms` 0: no deadline, which counts as the latest of all."""
    if b"NX" in given and current_ms:
        return False
    if b"XX" in given and not current_ms:
        return False
    if b"GT" in given and (not current_ms or when_ms <= current_ms):
        return False
    return not (b"LT" in given and current_ms and when_ms >= current_ms)


def _expire(client, args, *, seconds, absolute, name):
    key = args[1]
    given = _condition(args[3:])
    when_ms = parsing.integer(args[2])
    if seconds:
        # C's division rounds towards zero: the least number of seconds is -(2**63 // 1000)
        if abs(when_ms) > parsing.INT64_MAX // 1000:
            raise parsing.invalid_expire_time(name)
        when_ms *= 1000
    if not absolute:
        when_ms += client.node.now_ms
    if when_ms > parsing.INT64_MAX:
        raise parsing.invalid_expire_time(name)
    record = client.keyspace.get(key)
    if record is None or not _allowed(given, record.deadline_ms, when_ms):
        return 0
    if when_ms <= client.node.now_ms:
        client.keyspace.delete(key)
    else:
        client.keyspace.annotate(key, record, when_ms)
    return 1


def _setting(name, unit, kind, since, summary, *, seconds, absolute):
    """The four commands differ in the unit and in what they count from."""

    @command(
        name, arity=-3, flags="write fast", keys=(1, 1, 1), group="generic", since=since,
        acl_categories=("@keyspace", "@write", "@fast"), summary=summary,
        history=(("7.0.0", "NX, XX, GT and LT"),), args=[KEY, arg(unit, kind), CONDITION],
    )
    def handler(client, args):
        return _expire(client, args, seconds=seconds, absolute=absolute, name=name)

    return handler


expire = _setting("expire", "seconds", "integer", "1.0.0",
                  "Lets a key live for so many seconds.", seconds=True, absolute=False)
pexpire = _setting("pexpire", "milliseconds", "integer", "2.6.0",
                   "Lets a key live for so many milliseconds.", seconds=False, absolute=False)
expireat = _setting("expireat", "unix-time-seconds", "unix-time", "1.2.0",
                    "Lets a key live up to a Unix time in seconds.", seconds=True, absolute=True)
pexpireat = _setting("pexpireat", "unix-time-milliseconds", "unix-time", "2.6.0",
                     "Lets a key live up to a Unix time in milliseconds.",
                     seconds=False, absolute=True)


@command(
    "persist", arity=2, flags="write fast", keys=(1, 1, 1), group="generic", since="2.2.0",
    args=[KEY], acl_categories=("@keyspace", "@write", "@fast"),
    summary="Removes the deadline of a key.",
)
def persist(client, args):
    record = client.keyspace.get(args[1])
    if record is None or not record.deadline_ms:
        return 0
    client.keyspace.annotate(args[1], record, 0)
    return 1
