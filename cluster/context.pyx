"""What somebody has seen of one key: a set of dots, written down in a few numbers.

    context = { horizon, clock, cloud }        and it covers the dots
        horizon:  one dot              all dots up to and including this one, whoever made them
        clock:    actor -> hlc         all dots of the actor up to and including this hlc
        cloud:    single dots          these and no others

The **horizon** is the dot of a blind write (a plain SET or DEL), which replaces everything below itself
whether it has seen it or not: a vector clock for the price of one dot. The **clock** is the vector
clock of the causal writes above it. An actor's causal writes are made one after another on top of its
own stored state, so "all up to here" is true of them; blind ones may not be stored where they were
made, hence their actors differ by bit 0 and never stand in a clock. The **cloud** holds what a writer
knows beyond that: after a KV.SET beside siblings that it has not read it has seen its own new dot,
but not those of the same actor just below it. (DVVSet calls this a non-contiguous dot; without
it such a writer either gets its own value back as a sibling or erases the one that it never saw.)

Contexts form a join-semilattice: `join` is set union, so it is commutative, associative and
idempotent. There is one way to write each: a pair at or below the horizon, a stray below the horizon or
within the clock is left out. Both State (versions.pyx) and the opaque bytes that a client passes back
consist of this.

    text    := "1" base64url(context crc:u32)            no padding; crc is CRC-32 of what is before it
    context := has_horizon:u8 [dot]  pairs:number pair:dot*  strays:number stray:dot*
    dot     := hlc:u64 actor:u64                         number := LEB128, at most ten bytes

Fixed numbers are little-endian. Pairs ascend by actor, strays by dot. The empty text is the empty
context. The checksum is there because a damaged context that still parses could cover, and so erase, what
its client never saw. It is no signature: a client that forges contexts damages its own keys only.

Sources: Preguica, Baquero et al., "Dotted Version Vectors", 2010; Almeida, Shoker, Baquero, "Delta State
Replicated Data Types", 2016 (causal contexts with a dot cloud).
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import crc32

from cluster.fields import Malformed
from cluster.fields cimport number_bytes, put_dot, put_number, take_byte, take_count, take_dot
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdlib cimport free, malloc

CONTEXT_VERSION = b"1"
CONTEXT_BYTES_MAX = 65536
FIRST_READABLE = 0x21
LAST_READABLE = 0x7E


class BadContext(ValueError):
    """Not a context that this store gave out, or one of an unknown version."""


cdef class Context:
    """Immutable. `Context((hlc, actor), [(actor, hlc), ...], [(hlc, actor), ...])`, all optional."""

    def __dealloc__(self):
        free(self.pairs)

    def __init__(self, horizon=(0, 0), clock=(), cloud=()):
        self.reserve(len(clock), len(cloud))
        self.horizon = Dot(horizon[0], horizon[1])
        for actor, hlc in sorted(clock):
            self.add_pair(Dot(hlc, actor))
        for hlc, actor in sorted(cloud):
            self.add_stray(Dot(hlc, actor))

    cdef int reserve(self, Py_ssize_t pairs, Py_ssize_t strays) except -1:
        """Room for so many, before any is added; an object that is in use is never changed."""
        if self.pairs != NULL:
            raise RuntimeError("a context never changes")
        self.pairs = <Dot*>malloc((pairs + strays + 1) * sizeof(Dot))
        if self.pairs == NULL:
            raise MemoryError
        self.strays = self.pairs + pairs
        return 0

    cdef void add_pair(self, Dot dot) noexcept:
        """Append to the clock, the horizon being set."""
        if below(self.horizon, dot):
            self.pairs[self.pair_count] = dot
            self.pair_count += 1

    cdef void add_stray(self, Dot dot) noexcept:
        """Append to the cloud, horizon and clock being complete."""
        if not self.has(dot):
            self.strays[self.stray_count] = dot
            self.stray_count += 1

    cdef bint has(self, Dot dot) noexcept:
        if not below(self.horizon, dot):
            return True
        cdef Py_ssize_t low = 0, high = self.pair_count, middle
        while low < high:
            middle = (low + high) // 2
            if self.pairs[middle].actor < dot.actor:
                low = middle + 1
            else:
                high = middle
        if low < self.pair_count and self.pairs[low].actor == dot.actor and (
                dot.hlc <= self.pairs[low].hlc):
            return True
        low, high = 0, self.stray_count
        while low < high:
            middle = (low + high) // 2
            if below(self.strays[middle], dot):
                low = middle + 1
            else:
                high = middle
        return low < self.stray_count and same(self.strays[low], dot)

    cpdef bint covers(self, uint64_t hlc, uint64_t actor) noexcept:
        """Has the write of this dot been seen?"""
        return self.has(Dot(hlc, actor))

    cdef bint covers_nothing(self) noexcept:
        return self.horizon.hlc == 0 and self.pair_count == 0 and self.stray_count == 0

    cdef Dot greatest(self) noexcept:
        """The greatest dot that is covered for sure; (0, 0) if none."""
        cdef Dot found = self.horizon
        cdef Py_ssize_t i
        for i in range(self.pair_count):
            if below(found, self.pairs[i]):
                found = self.pairs[i]
        if self.stray_count != 0 and below(found, self.strays[self.stray_count - 1]):
            found = self.strays[self.stray_count - 1]
        return found

    @property
    def hlc_max(self):
        """A coordinator's clock must have observed this before it stamps a write with this context."""
        return self.greatest().hlc

    @property
    def horizon_hlc(self):
        return self.horizon.hlc

    @property
    def horizon_actor(self):
        return self.horizon.actor

    @property
    def clock(self):
        """((actor, hlc), ...), ascending by actor."""
        return tuple([(self.pairs[i].actor, self.pairs[i].hlc) for i in range(self.pair_count)])

    @property
    def cloud(self):
        """((hlc, actor), ...), ascending."""
        return tuple([(self.strays[i].hlc, self.strays[i].actor) for i in range(self.stray_count)])

    def __bytes__(self):
        """What a client passes back, printable: see `text` above."""
        return text_of(self)

    def __eq__(self, other):
        if not isinstance(other, Context):
            return NotImplemented
        return parts(self) == parts(other)

    def __hash__(self):
        return hash(parts(self))

    def __repr__(self):
        return "Context(({}, {}), {}, {})".format(*parts(self))


cdef tuple parts(Context context):
    return context.horizon.hlc, context.horizon.actor, context.clock, context.cloud


EMPTY = Context()


cpdef Context join(Context one, Context other):
    """Covers what either covers."""
    cdef Context out
    if one is other or other.covers_nothing():
        return one
    if one.covers_nothing():
        return other
    out = Context.__new__(Context)
    out.reserve(one.pair_count + other.pair_count, one.stray_count + other.stray_count)
    out.horizon = other.horizon if below(one.horizon, other.horizon) else one.horizon
    join_clocks(out, one, other)
    join_clouds(out, one, other)
    return out


cdef void join_clocks(Context out, Context one, Context other) noexcept:
    cdef Py_ssize_t i = 0, j = 0
    cdef Dot mine, theirs
    while i < one.pair_count and j < other.pair_count:
        mine, theirs = one.pairs[i], other.pairs[j]
        if mine.actor <= theirs.actor:
            i += 1
        if theirs.actor <= mine.actor:
            j += 1
        if mine.actor == theirs.actor:
            out.add_pair(mine if theirs.hlc < mine.hlc else theirs)
        else:
            out.add_pair(mine if mine.actor < theirs.actor else theirs)
    while i < one.pair_count:
        out.add_pair(one.pairs[i])
        i += 1
    while j < other.pair_count:
        out.add_pair(other.pairs[j])
        j += 1


cdef void join_clouds(Context out, Context one, Context other) noexcept:
    cdef Py_ssize_t i = 0, j = 0
    while i < one.stray_count or j < other.stray_count:
        if j == other.stray_count or (
                i < one.stray_count and below(one.strays[i], other.strays[j])):
            out.add_stray(one.strays[i])
            i += 1
        else:
            out.add_stray(other.strays[j])     # one that both have is there already the second time
            j += 1


cdef Context with_pair(Context context, Dot dot):
    """Join with all dots of dot.actor up to `dot`."""
    cdef Context single = Context.__new__(Context)
    single.reserve(1, 0)
    single.add_pair(dot)
    return join(context, single)


cdef Context with_stray(Context context, Dot dot):
    """Join with `dot` and no other."""
    cdef Context single = Context.__new__(Context)
    single.reserve(0, 1)
    single.add_stray(dot)
    return join(context, single)


def trim(Context context, Py_ssize_t entries_max, kept_actors=()):
    """Forget the oldest pairs and strays, so that at most `entries_max` are left of both together.

    Pairs of `kept_actors` count but stay, and so does the horizon. The result covers less, never
    more: a write that goes on from it may find a value again that was overwritten, as a false
    sibling; it cannot erase one. The choice depends on the content alone, so that replicas agree.
    """
    cdef Py_ssize_t excess = context.pair_count + context.stray_count - entries_max
    if excess <= 0:
        return context
    loose = sorted([(hlc, actor) for actor, hlc in context.clock if actor not in kept_actors]
                   + list(context.cloud))
    if not loose:
        return context
    forgotten = loose[min(excess, len(loose)) - 1]
    return Context(
        (context.horizon.hlc, context.horizon.actor),
        [(actor, hlc) for actor, hlc in context.clock
         if actor in kept_actors or (hlc, actor) > forgotten],
        [dot for dot in context.cloud if dot > forgotten])


# -- what a client holds --------------------------------------------------------------------------

cdef bytes text_of(Context context):
    if context.covers_nothing():
        return b""
    cdef bytes body = PyBytes_FromStringAndSize(NULL, context_bytes(context))
    put_context(PyBytes_AS_STRING(body), context)
    return CONTEXT_VERSION + base64_of(body + crc32(body).to_bytes(4, "little"))


cdef bytes base64_of(bytes body):
    return urlsafe_b64encode(body).rstrip(b"=")


def parse_context(bytes text not None):
    """The Context that `bytes(context)` was made of. Raises BadContext."""
    if text == b"":
        return EMPTY
    if len(text) > CONTEXT_BYTES_MAX:
        raise BadContext(f"a context has at most {CONTEXT_BYTES_MAX} bytes, not {len(text)}")
    if text[:1] != CONTEXT_VERSION:
        if text[:1].isdigit():
            raise BadContext(f"the context has version {text[:1].decode()}, this server reads "
                             f"version {CONTEXT_VERSION.decode()}")
        raise BadContext(f"this is not a context that KV.GET or KV.SET returned: it begins with "
                         f"{readable(text[0])}")
    try:
        return parse_body(text[1:])
    except Malformed as error:
        raise BadContext(
            f"this is not a context that KV.GET or KV.SET returned: {error}") from None


cdef Context parse_body(bytes text):
    cdef bytes body
    try:
        body = urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except ValueError:
        raise Malformed("it is not base64") from None
    # The decoder skips foreign characters and ignores spare bits; we do not.
    if base64_of(body) != text:
        raise Malformed("it is not base64")
    body, checksum = body[:-4], body[-4:]
    if crc32(body).to_bytes(4, "little") != checksum:
        raise Malformed("its checksum is wrong")
    cdef Input source
    source.at = <const uint8_t*>PyBytes_AS_STRING(body)
    source.end = source.at + PyBytes_GET_SIZE(body)
    cdef Context context = take_context(&source)
    if source.at != source.end:
        raise Malformed(f"{source.end - source.at} bytes too many")
    return context


cdef str readable(int byte):
    return repr(chr(byte)) if FIRST_READABLE <= byte <= LAST_READABLE else f"byte {byte}"


# -- bytes, shared with states ---------------------------------------------------------------------

cdef Context take_context(Input* source):
    """Raises Malformed. What it returns is in normal form."""
    cdef Context out = Context.__new__(Context)
    cdef Input clock
    cdef Py_ssize_t pairs, strays
    take_horizon(source, out)
    pairs = take_count(source, sizeof(Dot))
    clock = source[0]
    source.at += pairs * <Py_ssize_t>sizeof(Dot)
    strays = take_count(source, sizeof(Dot))
    out.reserve(pairs, strays)
    take_pairs(&clock, out, pairs)
    take_strays(source, out, strays)
    return out


cdef int take_horizon(Input* source, Context out) except -1:
    cdef uint8_t present = take_byte(source)
    if present > 1:
        raise Malformed(f"unknown form {present}")
    if present:
        take_dot(source, &out.horizon)
        if out.horizon.actor & 1:
            raise Malformed("the horizon is not a blind write")
    return 0


cdef int take_pairs(Input* source, Context out, Py_ssize_t count) except -1:
    cdef Dot dot
    cdef Py_ssize_t i
    for i in range(count):
        take_dot(source, &dot)
        if not dot.actor & 1:
            raise Malformed("a blind writer in the clock")
        if i > 0 and dot.actor <= out.pairs[i - 1].actor:
            raise Malformed("the clock is out of order")
        if not below(out.horizon, dot):
            raise Malformed("the clock reaches below the horizon")
        out.add_pair(dot)
    return 0


cdef int take_strays(Input* source, Context out, Py_ssize_t count) except -1:
    cdef Dot dot
    cdef Py_ssize_t i
    for i in range(count):
        take_dot(source, &dot)
        if not dot.actor & 1:
            raise Malformed("a blind writer in the cloud")
        if i > 0 and not below(out.strays[i - 1], dot):
            raise Malformed("the cloud is out of order")
        if out.has(dot):
            raise Malformed("a dot of the cloud is covered twice")
        out.add_stray(dot)
    return 0


cdef Py_ssize_t context_bytes(Context context) noexcept:
    cdef Py_ssize_t dots = context.pair_count + context.stray_count + (context.horizon.hlc != 0)
    return (1 + number_bytes(context.pair_count) + number_bytes(context.stray_count)
            + dots * <Py_ssize_t>sizeof(Dot))


cdef char* put_context(char* at, Context context) noexcept:
    """Write `context_bytes` bytes; return their end."""
    cdef Py_ssize_t i
    at[0] = context.horizon.hlc != 0
    at += 1
    if context.horizon.hlc != 0:
        at = put_dot(at, context.horizon)
    at = put_number(at, context.pair_count)
    for i in range(context.pair_count):
        at = put_dot(at, context.pairs[i])
    at = put_number(at, context.stray_count)
    for i in range(context.stray_count):
        at = put_dot(at, context.strays[i])
    return at
