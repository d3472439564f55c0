"""The data commands against a real Redis: the same random commands, the replies byte by byte.

What may differ is written down in `Comparison`: each rule names the commands it is for and says
why. A failure prints the seed, the command and what was done before; DIFFERENTIAL_SEED repeats it,
DIFFERENTIAL_COMMANDS sets how many commands are run.
"""

import os
import shutil

import pytest

from resp_kv.commands.rdb_bytes import crc64
from tests.e2e.random_commands import Commands
from tests.e2e.two_servers import Link, redis_server, resp_kv_server

SEED = int(os.environ.get("DIFFERENTIAL_SEED", "1"))
COUNT = int(os.environ.get("DIFFERENTIAL_COMMANDS", "4000"))
DATABASES = 4               # those that the commands name, and 0
APART_S = 20                # a busy machine may run the same command so much later on one of them

pytestmark = pytest.mark.skipif(
    shutil.which("redis-server") is None, reason="redis-server is not installed")


@pytest.fixture(scope="module")
def ports(tmp_path_factory):
    with redis_server(tmp_path_factory.mktemp("redis")) as real, \
            resp_kv_server(tmp_path_factory.mktemp("resp-kv")) as ours:
        yield real, ours


@pytest.fixture(params=[2, 3], ids=["resp2", "resp3"])
def links(request, ports):
    """(real, ours), emptied, speaking RESP2 or RESP3."""
    pair = [Link(port) for port in ports]
    for link in pair:
        link.ask(b"FLUSHALL")
        if request.param == 3:
            link.ask(b"HELLO", b"3")
    yield pair
    for link in pair:
        link.close()


class Comparison:
    """The rules by which a reply of ours may differ from Redis 7.0's."""

    def __init__(self, real):
        self.real = real

    def same(self, words, expected, reply):
        name = words[0].upper()
        rule = getattr(self, name.decode().lower() + "_", None)
        return expected == reply or (rule is not None and rule(words, expected, reply))

    def near_(self, words, expected, reply):
        """The two servers set a relative deadline some milliseconds apart."""
        if not expected.startswith(b":") or not reply.startswith(b":"):
            return False
        apart = abs(int(expected[1:]) - int(reply[1:]))
        return apart <= APART_S * (1000 if words[0].upper().startswith(b"P") else 1)

    ttl_ = pttl_ = expiretime_ = pexpiretime_ = near_

    def any_order_(self, words, expected, reply):
        """Keys come in the order of storage, which is not that of Redis's hash table."""
        return sorted(Link.parse(expected)) == sorted(Link.parse(reply))

    keys_ = any_order_

    def dbsize_(self, words, expected, reply):
        """Redis counts a key past its deadline until somebody meets it, as KEYS does."""
        self.real.ask(b"KEYS", b"*")
        return self.real.ask(b"DBSIZE") == reply

    def randomkey_(self, words, expected, reply):
        """Another key may be chosen, but not none."""
        return expected[:1] == reply[:1] == b"$" and (expected == b"$-1\r\n") == (reply == b"$-1\r\n")

    def scan_(self, words, expected, reply):
        """Cursors are positions in another order; whole walks are compared below."""
        return expected[:2] == reply[:2] == b"*2"

    def absent_bits_(self, words, expected, reply):
        """Since 7.2 the range of an absent key is checked; 7.0 answers 0 or -1 before that."""
        return expected in (b":0\r\n", b":-1\r\n") and reply.startswith(b"-ERR ")

    bitcount_ = bitpos_ = absent_bits_

    def object_(self, words, expected, reply):
        """Redis remembers how a value came to be: APPEND leaves 'raw', whatever the length.

        And it prints an unknown subcommand up to its first NUL byte.
        """
        if b"\0" in words[1]:
            return expected[:1] == reply[:1] == b"-"
        return expected[:1] == reply[:1] in (b"$", b":") and expected[:3] != b"$-1"


def too_large(reply):
    return reply.startswith(b"-ERR key plus value are ")


def run(pair, commands, count, note):
    real, ours = pair
    comparison, done = Comparison(real), []
    for number in range(count):
        words = commands.next()
        if number % 500 == 499:
            compare_everything(real, ours, note)
            words = [b"FLUSHALL"]
        done.append(words)
        expected, reply = real.ask(*words), ours.ask(*words)
        if too_large(reply):
            start_again(pair, commands.every_key)
            continue
        assert comparison.same(words, expected, reply), (
            f"{note}, command {number}: {words}\n  redis  {expected[:300]}\n  ours   {reply[:300]}\n"
            + "".join(f"  before {earlier}\n" for earlier in related(done)))


def start_again(pair, keys):
    """The same state on both, after our own limit refused what Redis took."""
    for link in pair:
        for index in range(DATABASES):
            link.ask_all([[b"SELECT", b"%d" % index], [b"DEL", *keys], [b"SELECT", b"0"]])


def related(done):
    """The commands before the last that share a key with it."""
    last = set(done[-1][1:])
    return [words for words in done[:-1] if last & set(words[1:])][-12:]


def compare_everything(real, ours, note):
    for index in range(DATABASES):
        contents = []
        for link in (real, ours):
            link.ask(b"SELECT", b"%d" % index)
            keys = sorted(link.value(b"KEYS", b"*"))
            # (PEXPIRETIME, since the two are asked at different moments)
            contents.append({key: (link.value(b"GET", key), link.value(b"PEXPIRETIME", key))
                             for key in keys})
            link.ask(b"SELECT", b"0")
        assert contents[0].keys() == contents[1].keys(), (note, index)
        for key, (value, deadline_ms) in contents[0].items():
            assert contents[1][key][0] == value, (note, index, key)
            assert abs(contents[1][key][1] - deadline_ms) < APART_S * 1000, (note, index, key)


def test_random_commands(links):
    run(links, Commands(SEED), COUNT, f"seed {SEED}")
    compare_everything(*links, f"seed {SEED}")


@pytest.mark.parametrize("options", [
    [], [b"COUNT", b"1"], [b"COUNT", b"1000"], [b"MATCH", b"*1*"], [b"MATCH", b"k[0-4]?", b"COUNT", b"7"],
    [b"TYPE", b"string"], [b"TYPE", b"STRING"], [b"TYPE", b"list"], [b"TYPE", b"nonsense"],
    [b"type", b"string", b"match", b"k9*", b"count", b"100"]])
def test_scan_walks_over_the_same_keys(links, options):
    for link in links:
        link.ask(b"MSET", *[b"k%d" % (i // 2) if i % 2 == 0 else b"v" for i in range(600)])
    assert walk(links[0], options) == walk(links[1], options)


@pytest.mark.parametrize("way", ["pipeline", "transaction"])
def test_random_commands_at_once(links, way):
    """Twenty at a time: replies in order, the compiled path and the handlers mixed."""
    commands, comparison = Commands(SEED + 1000), Comparison(links[0])
    for number in range(COUNT // 20):
        batch = [commands.next() for _ in range(20)]
        if way == "transaction":
            batch = [[b"MULTI"], *batch, [b"EXEC"]]
        if number % 10 == 9:
            batch.append([b"FLUSHALL"])
        for words, expected, reply in paired(batch, *[link.ask_all(batch) for link in links]):
            if too_large(reply):
                start_again(links, commands.every_key)
                break
            assert comparison.same(words, expected, reply), (
                f"{way}, seed {SEED + 1000}, batch {number}: {words}\n"
                f"  redis  {expected[:300]}\n  ours   {reply[:300]}")


def paired(batch, expected, replies):
    """(command, Redis's reply, ours); an EXEC is taken apart into what it ran."""
    queued = []
    for words, left, right in zip(batch, expected, replies, strict=True):
        if words == [b"EXEC"] and left[:1] == right[:1] == b"*":
            yield from zip(queued, Link.split(left), Link.split(right), strict=True)
        else:
            yield words, left, right
        if right == b"+QUEUED\r\n":
            queued.append(words)


def test_values_on_disk(tmp_path_factory):
    """The same with almost no memory: reads are cold, commands wait and run again."""
    commands = Commands(SEED + 2000, without=("FLUSHDB", "FLUSHALL", "SWAPDB"))
    with redis_server(tmp_path_factory.mktemp("real")) as real, resp_kv_server(
            tmp_path_factory.mktemp("cold"), "--memtable-bytes", "1mb",
            "--block-cache-bytes", "1mb") as ours:
        pair = [Link(real), Link(ours)]
        for number in range(COUNT // 100):
            filler = [[b"SET", b"filler:%d" % (i % 2000), b"%07d" % i * 500]
                      for i in range(number * 300, number * 300 + 300)]
            for link in pair:
                link.ask_all(filler)
            run(pair, commands, 50, f"cold, seed {SEED + 2000}, round {number}")
        compare_everything(*pair, "cold")
        for link in pair:
            assert link.value(b"DBSIZE") >= 2000
            link.close()


def walk(link, options):
    cursor, found = b"0", []
    while True:
        cursor, keys = link.value(b"SCAN", cursor, *options)
        found += keys
        if cursor == b"0":
            return sorted(set(found))


@pytest.mark.parametrize("value", [
    b"", b"0", b"-1", b"127", b"128", b"-32768", b"2147483647", b"2147483648", b"9223372036854775807",
    b"01", b"text", b"x" * 63, b"x" * 64, b"ab" * 3000, bytes(range(256)) * 20, b"\x00" * 9000],
    ids=lambda value: repr(value[:12]))
def test_dump_and_restore_go_both_ways(links, value):
    real, ours = links
    real.ask(b"SET", b"a", value)
    ours.ask(b"SET", b"b", value)
    assert ours.ask(b"RESTORE", b"a", b"0", real.value(b"DUMP", b"a")) == b"+OK\r\n"
    assert real.ask(b"RESTORE", b"b", b"0", as_version_10(ours.value(b"DUMP", b"b"))) == b"+OK\r\n"
    assert ours.value(b"GET", b"a") == real.value(b"GET", b"b") == value


def as_version_10(payload):
    """Redis 7.0 refuses version 11, which is Redis 7.2's; strings are the same in both."""
    text = payload[:-10] + b"\x0a\x00"
    return text + crc64(text).to_bytes(8, "little")


@pytest.mark.parametrize("count", [20, 300, 3000])
def test_lcs_of_long_values(links, count):
    random = Commands(count).random
    for index, key in enumerate((b"a", b"b")):
        value = bytes(random.choices(b"ab" if count < 100 else b"abcdefgh", k=count + index))
        for link in links:
            link.ask(b"SET", key, value)
    for options in ([], [b"LEN"], [b"IDX"], [b"IDX", b"MINMATCHLEN", b"4"], [b"IDX", b"WITHMATCHLEN"]):
        expected, reply = [link.ask(b"LCS", b"a", b"b", *options) for link in links]
        assert expected == reply, options
