"""Random commands for the differential test: mostly meaningful, often wrong.

`Commands(seed)` gives lists of words. A wrong command is a right one with a word dropped, doubled,
replaced or added, or with a bad number in it. What cannot give the same answer on two servers is
left out here: deadlines so near that they pass while the test runs, and offsets that only
max-pair-bytes forbids (everything up to about 9,000 bytes is fair).
"""

import random
import re

from resp_kv.commands.rdb_bytes import crc64

KEYS = [b"a", b"b", b"c", b"d", b"e", b"f", b"", b"\x00\xff\r\n$-1", b"{tag}x", b"{tag}y",
        "schlüssel".encode(), b"k" * 300, b"*?[x]", b"\\"]
NUMBERS = [b"0", b"1", b"-1", b"2", b"7", b"8", b"9", b"15", b"63", b"64", b"100", b"255", b"256",
           b"-128", b"1000", b"10000", b"65535", b"-32769", b"2147483647", b"-2147483648"]
EXTREMES = [b"9223372036854775807", b"-9223372036854775808", b"9223372036854775808",
            b"-9223372036854775809", b"99999999999999999999999", b"9223372036854775", b"4294967296",
            b"-9223372036854775", b"-9223372036854776", b"9223372036854776"]
NOT_INTEGERS = [b"", b" 1", b"1 ", b"+1", b"01", b"-0", b"-", b"1.0", b"1e3", b"0x10", b"abc",
                b"1_000", b"\xff", b"1\x00", b"\xd9\xa3"]
FLOATS = [b"0", b"0.1", b"0.2", b"-0.0", b"3.14159265358979323846", b"1e10", b"1e-10", b"5.0e3",
          b"-1.5", b"1e300", b"1e4000", b"-1e4000", b"0x1p3", b".5", b"5.", b"17", b"1e17",
          b"0.000000000000000001", b"123456789012345678901234567890"]
NOT_FLOATS = [b"inf", b"-inf", b"nan", b"infinity", b"1e5000", b"1e-5000", b" 1.5", b"1.5 ", b"", b"a",
              b"1.5\x00", b"--1"]
PATTERNS = [b"*", b"?", b"a*", b"*a", b"[a-c]", b"[^a]", b"[c-a]", b"[a", b"[^", b"[", b"[]", b"\\",
            b"\\*", b"\\\\", b"**", b"*?*", b"{tag}?", b"*\xff*", b"[\x00-\xff]*", b"k*k*k*x", b"",
            b"[\\]]", b"[a\\-c]", b"[a-", b"?*", b"*\\", b"[^]]", b"*[x]", b"x*", b"\\?"]
MAKER = re.compile(r"make_(.+?)(?:_\d)?")      # make_set_2 is another kind of SET
STRAY = [b"NX", b"XX", b"GET", b"EX", b"100", b"LEN", b"DB", b"REPLACE", b"", b"\x00", b"junk"]


class Commands:
    every_key = KEYS

    def __init__(self, seed, without=()):
        self.random = random.Random(seed)
        self.makers = [(MAKER.fullmatch(name)[1].upper(), getattr(self, name))
                       for name in dir(self) if name.startswith("make_")]
        self.makers = [maker for maker in self.makers if maker[0] not in without]

    def next(self):
        name, maker = self.pick(self.makers)
        words = [name.encode(), *maker()]
        if self.chance(0.12):
            words = self.spoiled(words)
        if self.chance(0.2):
            words[0] = words[0].lower()
        return words

    def spoiled(self, words):
        at = self.random.randrange(1, len(words) + 1)
        way = self.random.randrange(4)
        if way == 0:
            return words[:at] + words[at + 1:]
        if way == 1:
            return words[:at] + [self.pick(STRAY)] + words[at:]
        if way == 2:
            return words[:at] + [self.pick(STRAY + NOT_INTEGERS + EXTREMES)] + words[at + 1:]
        return words + [words[-1]]

    # -- words --------------------------------------------------------------------------------

    def chance(self, share):
        return self.random.random() < share

    def pick(self, items):
        return self.random.choice(items)

    def key(self):
        return self.pick(KEYS)

    def keys(self, least=1):
        return [self.key() for _ in range(self.random.randrange(least, least + 4))]

    def value(self):
        way = self.random.randrange(8)
        if way < 2:
            return self.pick(NUMBERS)
        if way == 2:
            return self.pick(FLOATS + EXTREMES)
        if way == 3:
            return self.pick(NOT_INTEGERS + NOT_FLOATS)
        if way == 4:
            return self.random.randbytes(self.random.randrange(1500))
        if way == 5:
            return bytes(self.random.choices(b"ab", k=self.random.randrange(120)))
        if way == 6:
            return self.pick([b"", b"\x00", b"\xff" * 20, b"\x00" * 33, b"x" * 44, b"x" * 45])
        return b"%d" % self.random.randrange(-10**6, 10**6)

    def integer(self):
        if self.chance(0.12):
            return self.pick(NOT_INTEGERS + EXTREMES)
        if self.chance(0.5):
            return self.pick(NUMBERS)
        return b"%d" % self.random.randrange(-300, 300)

    def floating(self):
        return self.pick(NOT_FLOATS) if self.chance(0.15) else self.pick(FLOATS)

    def offset(self, greatest):
        if self.chance(0.1):
            return self.pick(NOT_INTEGERS + [b"-1", b"4294967296", b"9223372036854775807",
                                             b"-9223372036854775808", b"536870912000"])
        return b"%d" % self.random.randrange(self.pick([8, 80, greatest]))

    def some(self, *options):
        """Some of the options, in any order and case; an option is a list of words."""
        chosen = [option for option in options if self.chance(0.3)]
        self.random.shuffle(chosen)
        words = [word for option in chosen for word in option]
        return [word.lower() if self.chance(0.15) else word for word in words]

    def relative(self, unit):
        """A time from now: far, or wrong, or past. Never the same twice, for GT and LT."""
        if self.chance(0.15):
            return self.pick(NOT_INTEGERS + EXTREMES + [b"0", b"-1", b"-100"])
        return b"%d" % self.random.randrange(300 * unit, 10**6 * unit)

    def absolute(self, unit):
        if self.chance(0.15):
            return self.pick(NOT_INTEGERS + EXTREMES + [b"0", b"-1", b"1", b"1000000"])
        return b"%d" % (unit * self.random.randrange(5_000_000_000, 5_000_000_020))

    def expiration(self):
        return [[b"EX", self.relative(1)], [b"PX", self.relative(1000)],
                [b"EXAT", self.absolute(1)], [b"PXAT", self.absolute(1000)]]

    # -- strings ------------------------------------------------------------------------------

    def make_get(self):
        return [self.key()]

    make_strlen = make_getdel = make_incr = make_decr = make_get
    make_type = make_ttl = make_pttl = make_persist = make_get
    make_expiretime = make_pexpiretime = make_get

    def make_set(self):
        return [self.key(), self.value(), *self.some(
            *self.random.sample(self.expiration(), 1), [b"NX"], [b"XX"], [b"GET"], [b"KEEPTTL"])]

    def make_set_2(self):
        return [self.key(), self.value()]

    def make_set_3(self):
        return [self.key(), self.value(), *self.some(
            *self.expiration(), [b"NX"], [b"GET"], [b"KEEPTTL"], [b"PERSIST"])]

    def make_getex(self):
        return [self.key(), *self.some(*self.random.sample(self.expiration(), 1), [b"PERSIST"])]

    def make_getset(self):
        return [self.key(), self.value()]

    make_setnx = make_append = make_getset

    def make_setex(self):
        return [self.key(), self.relative(1), self.value()]

    def make_psetex(self):
        return [self.key(), self.relative(1000), self.value()]

    def make_mget(self):
        return self.keys()

    make_del = make_unlink = make_exists = make_touch = make_mget

    def make_mset(self):
        return [word for key in self.keys() for word in (key, self.value())]

    make_msetnx = make_mset

    def make_setrange(self):
        return [self.key(), self.offset(3000), self.value()]

    def make_getrange(self):
        return [self.key(), self.integer(), self.integer()]

    make_substr = make_getrange

    def make_incrby(self):
        return [self.key(), self.integer()]

    make_decrby = make_incrby

    def make_incrbyfloat(self):
        return [self.key(), self.floating()]

    def make_lcs(self):
        return [self.key(), self.key(), *self.some(
            [b"IDX"], [b"LEN"], [b"WITHMATCHLEN"], [b"MINMATCHLEN", self.integer()])]

    # -- bits ---------------------------------------------------------------------------------

    def make_setbit(self):
        return [self.key(), self.offset(20000), self.pick([b"0", b"1", b"1", b"2", b"x"])]

    def make_getbit(self):
        return [self.key(), self.offset(40000)]

    def make_bitcount(self):
        return [self.key(), *self.bit_range()]

    def make_bitpos(self):
        return [self.key(), self.pick([b"0", b"1", b"0", b"1", b"2", b"a"]), *self.bit_range(1)]

    def bit_range(self, least=2):
        count = self.pick([0, least, 2, 3])
        return [self.integer(), self.integer(), self.pick([b"BIT", b"BYTE", b"bit", b"X"])][:count]

    def make_bitop(self):
        operation = self.pick([b"AND", b"OR", b"XOR", b"NOT", b"NOT", b"xor", b"NAND"])
        sources = [self.key()] if operation == b"NOT" and self.chance(0.8) else self.keys()
        return [operation, self.key(), *sources]

    def make_bitfield(self):
        return [self.key(), *self.fields([b"GET", b"SET", b"INCRBY", b"OVERFLOW"])]

    make_bitfield_2 = make_bitfield_3 = make_bitfield

    def make_bitfield_ro(self):
        return [self.key(), *self.fields([b"GET"] * 9 + [b"SET"])]

    def fields(self, names):
        """No value of -2**63: for a narrow signed field Redis takes it for too large, not too small."""
        words = []
        for _ in range(self.random.randrange(5)):
            name = self.pick(names)
            words.append(name)
            if name == b"OVERFLOW":
                words.append(self.pick([b"WRAP", b"SAT", b"FAIL", b"sat", b"NONE"]))
                continue
            words += [self.encoding(), self.field_offset()]
            if name != b"GET":
                words.append(self.integer().replace(b"-9223372036854775808", b"-9223372036854775"))
        return words

    def encoding(self):
        if self.chance(0.1):
            return self.pick([b"u64", b"i65", b"u0", b"i0", b"i", b"", b"x8", b"U8", b"u-1", b"u08"])
        return b"%c%d" % (self.pick(b"iu"), self.pick([1, 2, 3, 5, 7, 8, 9, 16, 31, 32, 33, 63]))

    def field_offset(self):
        """Not '#-9223372036854775808': times the width that wraps to a good offset in Redis."""
        if self.chance(0.3):
            return b"#" + self.offset(200).replace(b"-9223372036854775808", b"-7")
        return self.offset(4000)

    # -- keys ---------------------------------------------------------------------------------

    def make_copy(self):
        return [self.key(), self.key(), *self.some([b"REPLACE"], [b"REPLACE"], [b"DB", self.index()])]

    def index(self):
        return self.pick([b"0", b"1", b"2", b"1", b"2", b"15", b"16", b"-1", b"x", b"4294967296"])

    def make_rename(self):
        return [self.key(), self.key()]

    make_renamenx = make_rename

    def make_move(self):
        return [self.key(), self.index()]

    def make_swapdb(self):
        return [self.index(), self.index()] if self.chance(0.3) else [b"0", b"99"]

    def make_flushdb(self):
        return self.pick([[b"x"], [b"ASYNC", b"SYNC"], [b"async"], [b"SYNC"], [], [b""]]) \
            if self.chance(0.1) else [b"x"]

    make_flushall = make_flushdb

    def make_randomkey(self):
        return []

    make_dbsize = make_randomkey

    def make_keys(self):
        return [self.pick(PATTERNS)]

    def make_scan(self):
        """A wrong cursor or option: right walks are compared as a whole (test_differential)."""
        return [self.pick([b"a", b"-", b"+", b"1 ", b" 1", b"18446744073709551616", b"0", b"-1 "]),
                *self.some([b"COUNT", self.pick([b"0", b"-1", b"x"])], [b"MATCH"], [b"TYPE"]), b"bad"]

    def make_object(self):
        return [self.pick([b"ENCODING", b"REFCOUNT", b"FREQ", b"IDLETIME", b"encoding"]), self.key()]

    def make_expire(self):
        return [self.key(), self.relative(1), *self.conditions()]

    def make_pexpire(self):
        return [self.key(), self.relative(1000), *self.conditions()]

    def make_expireat(self):
        return [self.key(), self.absolute(1), *self.conditions()]

    def make_pexpireat(self):
        return [self.key(), self.absolute(1000), *self.conditions()]

    def conditions(self):
        return self.some([b"NX"], [b"XX"], [b"GT"], [b"LT"], [self.pick([b"nx", b"ZZ", b"a\nb"])]) \
            if self.chance(0.4) else []

    def make_restore(self):
        time, options = self.restore_time()
        return [self.key(), time, self.payload(), *options, *self.some(
            [b"REPLACE"], [b"REPLACE"], [b"REPLACE"], [b"IDLETIME", self.integer()],
            [b"FREQ", self.integer()])]

    def restore_time(self):
        if self.chance(0.3):
            return self.absolute(1000), [b"ABSTTL"]
        if self.chance(0.3):
            return self.relative(1000).replace(b"9223372036854775807", b"1000000"), []
        return b"0", []

    def payload(self):
        """Version 10, which Redis 7.0 takes too; often damaged."""
        body = b"\x00" + self.pick([
            b"\xc0\x85", b"\xc1\x39\x30", b"\xc2\x15\xcd\x5b\x07", b"\x05hello", b"\x40\x50" + b"v" * 80,
            b"\x80\x00\x00\x00\x03abc", b"\x81\x00\x00\x00\x00\x00\x00\x00\x02hi", b"\x00",
            b"\xc3\x09\x14\x01aa\xe0\x07\x00\x01aa",  # 20 bytes from 9
            b"\xc3\x04\x05\x00a\x40\x09", b"\xc3\x05\x02\x00a", b"\xc4", b"\x82"])
        text = body + b"\x0a\x00"
        text += crc64(text).to_bytes(8, "little")
        if self.chance(0.2):
            text = bytearray(text)
            text[self.random.randrange(len(text))] ^= 1 << self.random.randrange(8)
        return bytes(text) if self.chance(0.95) else bytes(text[:self.random.randrange(len(text))])
