"""Versions of one key: what is there, and what has been replaced by it.

    state = { seen, siblings }      seen: a Context (context.pyx): horizon, clock, cloud
                                    siblings: values and tombstones, each named by its dot, greatest first

A **causal** write (KV.SET with a context; odd actor) replaces what its context covers; whatever else is there
stays beside it as a sibling. A **blind** write (SET, DEL; even actor) replaces everything below its own
dot and needs no look at what is there: its state is {horizon = its own dot, one sibling}. In this file
"covers" includes the horizon itself, so that **every sibling's own dot is covered by its own
state**: a blind one by the horizon, a causal one by the clock. All laws below rest on that.

`merge` joins what was seen and keeps a sibling if each side has it or has never seen it. So a value goes
only where a write that had seen it (or was blind and greater) is known, and what was replaced
never comes back. It is commutative, associative and idempotent, exactly as long as
  - an actor's causal writes go one after another on top of its own stored state: `put` is stored where it
    was made before it is shipped, and a node that lost its tail has a new actor (generation);
  - the dot of a `put` is greater than all that it and its context have seen (the clock observes them first).

Invariants (`check` raises where one is broken):
  - every sibling's dot is covered; no two are equal;
  - the greatest dot that was ever seen is among the siblings: plain GET shows it;
  - at most one sibling is blind: it is the horizon itself, hence the lowest. So where there are
    several the greatest is causal, and a blind greatest dot means that the state is one blind write.

A state as bytes, with number, dot and context as in fields.pyx and context.pyx:

    state   := version:u8(1)  siblings:number  sibling*  rest:context
    sibling := dot  flags:u8  [deadline_ms:u64]  [annotation:u64]  value_bytes:number  value
    flags   := 1 TOMBSTONE | 2 HAS_DEADLINE | 4 HAS_ANNOTATION

The winner comes first, so that a GET needs no more than the beginning. `rest` is what the siblings do not
imply: their own dots in the clock and a horizon that is the blind sibling are left out. A counter's
state is so 23 bytes longer than its value, and 16 more for each other writer or horizon.

As one entry of the store a state is a *record*: a lone blind sibling is its raw value, so that plain SET pays
nothing; anything else is the encoded state under its greatest dot. Bit 0 of the dot's actor tells which.

Left out: vector clocks per sibling are not kept, as in DVVSet; `clock_of` derives them for the eye.
"""

from cluster.context import EMPTY, BadContext, parse_context, trim
from cluster.context cimport context_bytes, join, put_context, take_context, with_pair, with_stray
from cluster.errors import StoreError
from cluster.fields import Malformed
from cluster.fields cimport (
    Dot, Input, below, fold, number_bytes, put_dot, put_number, put_u64, same, take_byte, take_count,
    take_dot, take_u64)
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t, uint32_t
from libc.string cimport memcpy

__all__ = [
    "EMPTY", "BadContext", "DamagedState", "Sibling", "State", "TooManySiblings", "annotate",
    "blind", "check", "clock_of", "context_of", "decode", "digest", "encode", "from_record", "live",
    "merge", "parse_context", "prune", "put", "to_record", "winner", "winner_row", "written_context"]

cdef enum:
    STATE_VERSION = 1
    TOMBSTONE = 1
    HAS_DEADLINE = 2
    HAS_ANNOTATION = 4
    SIBLING_BYTES_MIN = 18
    SIBLINGS_MAX = 100
    VALUE_BYTES_MAX = 0xFFFFFFFF


class DamagedState(ValueError):
    """Stored bytes are not a state; the text says what is wrong."""


class TooManySiblings(StoreError):
    """A causal write that would leave more siblings than allowed. Nothing was stored."""

    def __init__(self, siblings_max):
        super().__init__(
            f"TOOMANYSIBLINGS this key has {siblings_max} siblings, no more are kept; read them with "
            "KV.GET and resolve them with KV.SET key value CONTEXT context, or replace them all with SET")


cdef class Sibling:
    """One version. Immutable. `annotation` is the hlc that set the deadline, 0: the write itself did."""

    def __init__(self, uint64_t hlc, uint64_t actor, bytes value not None, bint tombstone=False,
                 uint64_t deadline_ms=0, uint64_t annotation=0):
        self.hlc, self.actor, self.tombstone = hlc, actor, tombstone
        self.value = b"" if tombstone else value
        self.deadline_ms, self.annotation = deadline_ms, annotation

    cpdef bint live(self, uint64_t now_ms) noexcept:
        return not self.tombstone and (self.deadline_ms == 0 or self.deadline_ms > now_ms)

    def __eq__(self, other):
        return equal(self, other) if isinstance(other, Sibling) else NotImplemented

    def __hash__(self):
        return hash((self.hlc, self.actor))

    def __repr__(self):
        return (f"Sibling({self.hlc}, {self.actor}, {self.value!r}, {self.tombstone}, "
                f"{self.deadline_ms}, {self.annotation})")


cdef class State:
    """All that a replica knows of a key. Immutable; State() is a key that nobody has written."""

    def __init__(self, Context seen=EMPTY, siblings=()):
        self.seen = seen
        self.siblings = tuple(sorted(siblings, key=dot_key, reverse=True))

    cpdef bint covers(self, uint64_t hlc, uint64_t actor) noexcept:
        return self.seen.covers(hlc, actor)

    @property
    def horizon_hlc(self):
        return self.seen.horizon.hlc

    @property
    def horizon_actor(self):
        return self.seen.horizon.actor

    @property
    def clock(self):
        """((actor, hlc), ...), ascending by actor."""
        return self.seen.clock

    def __eq__(self, other):
        if not isinstance(other, State):
            return NotImplemented
        return self.siblings == (<State>other).siblings and self.seen == (<State>other).seen

    def __hash__(self):
        return digest(self)

    def __repr__(self):
        return f"State({self.seen!r}, {list(self.siblings)!r})"


def dot_key(Sibling sibling):
    return sibling.hlc, sibling.actor


cdef inline Dot dot_of(Sibling sibling) noexcept:
    return Dot(sibling.hlc, sibling.actor)


cdef inline State make_state(Context seen, tuple siblings):
    cdef State state = State.__new__(State)
    state.seen, state.siblings = seen, siblings
    return state


cdef bint equal(Sibling one, Sibling other):
    return one is other or (
        one.hlc == other.hlc and one.actor == other.actor and one.tombstone == other.tombstone
        and one.deadline_ms == other.deadline_ms and one.annotation == other.annotation
        and one.value == other.value)


# -- the algebra -----------------------------------------------------------------------------------

cpdef State merge(State one, State other):
    """All that either knows; see above. Of equal dots the later annotation wins.

    May have more siblings than `put` allows and a longer clock than `prune` leaves."""
    cdef tuple ours = one.siblings, theirs = other.siblings
    cdef Py_ssize_t i = 0, j = 0
    cdef Sibling mine, yours
    cdef list kept = []
    if one is other or not theirs:
        return one
    if not ours:
        return other
    while i < len(ours) or j < len(theirs):
        mine = <Sibling>ours[i] if i < len(ours) else None
        yours = <Sibling>theirs[j] if j < len(theirs) else None
        if mine is not None and yours is not None and same(dot_of(mine), dot_of(yours)):
            kept.append(later(mine, yours))
            i += 1
            j += 1
        elif yours is None or (mine is not None and below(dot_of(yours), dot_of(mine))):
            if not other.seen.has(dot_of(mine)):
                kept.append(mine)
            i += 1
        else:
            if not one.seen.has(dot_of(yours)):
                kept.append(yours)
            j += 1
    return make_state(join(one.seen, other.seen), tuple(kept))


cdef Sibling later(Sibling one, Sibling other):
    """The same dot twice."""
    if annotated_later(other.annotation, other.deadline_ms, one.annotation, one.deadline_ms):
        return other
    return one


cpdef State blind(uint64_t hlc, uint64_t actor, bytes value, bint tombstone=False,
                  uint64_t deadline_ms=0, uint64_t annotation=0):
    """A plain SET or DEL: it has seen everything up to itself."""
    if actor & 1 or hlc == 0:
        raise ValueError(f"({hlc}, {actor}) is not the dot of a blind write")
    cdef Context seen = Context.__new__(Context)
    seen.horizon = Dot(hlc, actor)
    return make_state(
        seen, (Sibling(hlc, actor, value, tombstone, deadline_ms, annotation),))


cpdef State put(State local, Context context, uint64_t hlc, uint64_t actor, bytes value,
                bint tombstone=False, uint64_t deadline_ms=0, Py_ssize_t siblings_max=SIBLINGS_MAX):
    """A causal write on top of `local`, by a writer who has seen `context`: the whole new state.

    `local` is what this actor has stored; the result must be stored there before it is shipped. The dot
    is greater than all that `local` and `context` have seen, else ValueError: let the clock observe
    `context.hlc_max` before it ticks. Raises TooManySiblings."""
    cdef Dot dot = Dot(hlc, actor)
    cdef Sibling sibling
    if not actor & 1 or hlc == 0:
        raise ValueError(f"({hlc}, {actor}) is not the dot of a causal write")
    if not below(local.seen.greatest(), dot) or not below(context.greatest(), dot):
        raise ValueError("a causal write needs a dot greater than all that it has seen")
    cdef list kept = [Sibling(hlc, actor, value, tombstone, deadline_ms)]
    for sibling in local.siblings:
        if not context.has(dot_of(sibling)):
            kept.append(sibling)
    if len(kept) > siblings_max:
        raise TooManySiblings(siblings_max)
    return make_state(with_pair(join(local.seen, context), dot), tuple(kept))


cpdef State annotate(State state, uint64_t hlc, uint64_t actor, uint64_t deadline_ms,
                     uint64_t annotation):
    """EXPIRE or PERSIST of the version with this dot, decided at `annotation`.

    The same state if that version is gone, is a tombstone or was annotated later."""
    cdef Sibling sibling, changed
    cdef list siblings = []
    cdef bint found = False
    for sibling in state.siblings:
        if sibling.hlc == hlc and sibling.actor == actor and not sibling.tombstone:
            changed = Sibling(hlc, actor, sibling.value, False, deadline_ms, annotation)
            found = later(sibling, changed) is changed
            sibling = changed if found else sibling
        siblings.append(sibling)
    return make_state(state.seen, tuple(siblings)) if found else state


cpdef State prune(State state, Py_ssize_t entries_max):
    """Forget the oldest entries of a clock (pairs, and dots of the cloud) longer than `entries_max`.

    Never a sibling, the horizon, or the pair that covers a sibling, so more siblings by as many actors
    keep a longer clock. What is covered only shrinks: an overwritten version that another replica still
    has may return as a false sibling (below the greatest dot, so GET never shows it), none is lost."""
    cdef Sibling sibling
    if state.seen.pair_count + state.seen.stray_count <= entries_max:
        return state
    return make_state(
        trim(state.seen, entries_max, [sibling.actor for sibling in state.siblings]), state.siblings)


cpdef Sibling winner(State state):
    """The sibling with the greatest dot, tombstone or not; None if nothing was ever written."""
    return <Sibling>state.siblings[0] if state.siblings else None


cpdef Sibling live(State state, uint64_t now_ms):
    """What plain GET shows: the winner, or None if that is a tombstone or past its deadline."""
    cdef Sibling first = winner(state)
    return first if first is not None and first.live(now_ms) else None


cpdef uint64_t digest(State state) noexcept:
    """64 bits that name the content, the same on every node and in every release.

    Values are left out, since dots name them."""
    cdef Context seen = state.seen
    cdef uint64_t folded = fold(fold(0, seen.horizon.hlc), seen.horizon.actor)
    cdef Sibling sibling
    cdef Py_ssize_t i
    folded = fold(folded, seen.pair_count)
    for i in range(seen.pair_count):
        folded = fold(fold(folded, seen.pairs[i].hlc), seen.pairs[i].actor)
    folded = fold(folded, seen.stray_count)
    for i in range(seen.stray_count):
        folded = fold(fold(folded, seen.strays[i].hlc), seen.strays[i].actor)
    for sibling in state.siblings:
        folded = fold(fold(folded, sibling.hlc), sibling.actor)
        folded = fold(fold(folded, sibling.deadline_ms), sibling.annotation)
        folded = fold(folded, sibling.tombstone)
    return folded


# -- what a client is told ----------------------------------------------------------------------

def context_of(State state not None):
    """The opaque bytes that KV.GET gives with the siblings: whoever passes them back replaces all."""
    return bytes(state.seen)


def written_context(Context context not None, State written not None):
    """The opaque bytes that KV.SET answers: what the writer has seen now.

    `written` is what `put` made of `context`. Siblings that it kept are unknown to the writer and must
    not be covered, though the new dot may be above theirs with the same actor: then it is a dot of the
    cloud. A lone new version has replaced everything, so its whole context is the shortest."""
    if len(written.siblings) == 1:
        return bytes(written.seen)
    return bytes(with_stray(context, dot_of(winner(written))))


def clock_of(State state not None, Sibling sibling not None):
    """The vector clock of one sibling, ((actor, hlc), ...) ascending, as the textbook draws it.

    Derived: the clock of the state without what the other siblings brought in. So what only one of
    the others had seen may appear too; decisions are never made on this."""
    others = [other.actor for other in state.siblings if not equal(other, sibling)]
    pairs = [(actor, hlc) for actor, hlc in state.seen.clock
             if actor != sibling.actor and actor not in others]
    horizon = state.seen.horizon
    if horizon.hlc and horizon.actor != sibling.actor and horizon.actor not in others:
        pairs.append((horizon.actor, horizon.hlc))
    return tuple(sorted([*pairs, (sibling.actor, sibling.hlc)]))


def check(State state not None):
    """Raises AssertionError if an invariant is broken: a bug, or damage that looked well."""
    cdef Sibling sibling
    cdef Dot above, greatest = state.seen.greatest()
    cdef Py_ssize_t i
    for i in range(len(state.siblings)):
        sibling = state.siblings[i]
        if not state.seen.has(dot_of(sibling)):
            raise AssertionError(f"a sibling's own dot is not covered: {state!r}")
        if i > 0 and not below(dot_of(sibling), above):
            raise AssertionError(f"siblings are out of order: {state!r}")
        if (not sibling.actor & 1) != same(dot_of(sibling), state.seen.horizon):
            raise AssertionError(f"the horizon and the blind sibling differ: {state!r}")
        above = dot_of(sibling)
    if state.siblings and not same(greatest, dot_of(winner(state))):
        raise AssertionError(f"the greatest dot is not among the siblings: {state!r}")
    if not state.siblings and not state.seen.covers_nothing():
        raise AssertionError(f"something was seen, but nothing is there: {state!r}")


# -- bytes -------------------------------------------------------------------------------------------

cpdef bytes encode(State state):
    """The bytes of a state; `decode` gives an equal one."""
    cdef Context rest = not_implied(state)
    cdef Sibling sibling
    cdef Py_ssize_t size = 1 + number_bytes(len(state.siblings)) + context_bytes(rest)
    for sibling in state.siblings:
        size += sibling_bytes(sibling)
    cdef bytes text = PyBytes_FromStringAndSize(NULL, size)
    cdef char* at = PyBytes_AS_STRING(text)
    at[0] = STATE_VERSION
    at = put_number(at + 1, len(state.siblings))
    for sibling in state.siblings:
        at = put_sibling(at, sibling)
    put_context(at, rest)
    return text


cdef Py_ssize_t sibling_bytes(Sibling sibling):
    cdef Py_ssize_t value_bytes = PyBytes_GET_SIZE(sibling.value)
    return (sizeof(Dot) + 1 + 8 * (sibling.deadline_ms != 0) + 8 * (sibling.annotation != 0)
            + number_bytes(value_bytes) + value_bytes)


cdef char* put_sibling(char* at, Sibling sibling):
    cdef Py_ssize_t value_bytes = PyBytes_GET_SIZE(sibling.value)
    at = put_dot(at, dot_of(sibling))
    at[0] = (TOMBSTONE * sibling.tombstone | HAS_DEADLINE * (sibling.deadline_ms != 0)
             | HAS_ANNOTATION * (sibling.annotation != 0))
    at += 1
    if sibling.deadline_ms != 0:
        at = put_u64(at, sibling.deadline_ms)
    if sibling.annotation != 0:
        at = put_u64(at, sibling.annotation)
    at = put_number(at, value_bytes)
    memcpy(at, PyBytes_AS_STRING(sibling.value), value_bytes)
    return at + value_bytes


cdef Context not_implied(State state):
    """What was seen, without the pairs and the horizon that are siblings' own dots."""
    cdef Context seen = state.seen, rest = Context.__new__(Context)
    cdef Py_ssize_t i
    rest.reserve(seen.pair_count, seen.stray_count)
    if not has_sibling(state, seen.horizon):
        rest.horizon = seen.horizon
    for i in range(seen.pair_count):
        if not has_sibling(state, seen.pairs[i]):
            rest.add_pair(seen.pairs[i])
    for i in range(seen.stray_count):
        rest.add_stray(seen.strays[i])
    return rest


cdef bint has_sibling(State state, Dot dot) noexcept:
    cdef Sibling sibling
    for sibling in state.siblings:
        if same(dot_of(sibling), dot):
            return True
    return False


cdef Context implied(list siblings):
    """What the siblings' own dots cover."""
    cdef Sibling last = siblings[-1] if siblings else None
    cdef Sibling sibling
    if last is None:
        return EMPTY
    if len(siblings) == 1 and last.actor & 1:
        return with_pair(EMPTY, dot_of(last))
    # Lowest first, so that the greatest of an actor stays.
    clock = {sibling.actor: sibling.hlc for sibling in reversed(siblings) if sibling.actor & 1}
    horizon = [0, 0] if last.actor & 1 else [last.hlc, last.actor]
    return Context(horizon, clock.items())


cpdef State decode(bytes text):
    """The state that `encode` made the bytes of. Raises DamagedState."""
    return decode_text(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))


cdef State decode_text(const char* text, Py_ssize_t size):
    try:
        return take_state(text, size)
    except Malformed as error:
        raise DamagedState(f"this is not a stored state: {error}") from None


cdef State take_state(const char* text, Py_ssize_t size):
    cdef Input source
    cdef Row row
    cdef list siblings = []
    cdef Py_ssize_t _i, count = take_header(text, size, &source)
    for _i in range(count):
        take_sibling(&source, &row)
        siblings.append(sibling_of(&row))
    cdef Context rest = take_context(&source)
    if source.at != source.end:
        raise Malformed(f"{source.end - source.at} bytes too many")
    check_order(siblings)
    cdef Context own = implied(siblings)
    check_rest(rest, own, siblings)
    return make_state(join(own, rest), tuple(siblings))


cdef Py_ssize_t take_header(const char* text, Py_ssize_t size, Input* source) except -1:
    """Open the bytes; the number of siblings."""
    source.at = <const uint8_t*>text
    source.end = source.at + size
    cdef uint8_t version = take_byte(source)
    if version != STATE_VERSION:
        raise Malformed(f"version {version}, known is {STATE_VERSION}")
    return take_count(source, SIBLING_BYTES_MIN)


cdef int take_sibling(Input* source, Row* out) except -1:
    """One sibling; its value stays where it is."""
    cdef Dot dot
    cdef uint8_t flags
    cdef Py_ssize_t value_bytes
    take_dot(source, &dot)
    flags = take_byte(source)
    if flags & ~(TOMBSTONE | HAS_DEADLINE | HAS_ANNOTATION):
        raise Malformed(f"unknown flags {flags}")
    out.hlc, out.actor, out.tombstone = dot.hlc, dot.actor, flags & TOMBSTONE
    out.deadline_ms = take_u64(source) if flags & HAS_DEADLINE else 0
    out.annotation = take_u64(source) if flags & HAS_ANNOTATION else 0
    if (flags & HAS_DEADLINE and out.deadline_ms == 0) or (
            flags & HAS_ANNOTATION and out.annotation == 0):
        raise Malformed("a deadline or an annotation of 0")
    value_bytes = take_count(source, 1)
    if value_bytes > VALUE_BYTES_MAX or (out.tombstone and value_bytes != 0):
        raise Malformed(f"a value of {value_bytes} bytes")
    out.value, out.value_bytes = <const char*>source.at, <uint32_t>value_bytes
    source.at += value_bytes
    return 0


cdef Sibling sibling_of(const Row* row):
    return Sibling(row.hlc, row.actor, row.value[:row.value_bytes], row.tombstone,
                   row.deadline_ms, row.annotation)


cdef int check_order(list siblings) except -1:
    cdef Sibling sibling
    cdef Py_ssize_t i
    for i in range(len(siblings)):
        sibling = siblings[i]
        if i > 0 and not below(dot_of(sibling), dot_of(siblings[i - 1])):
            raise Malformed("siblings are out of order")
        if not sibling.actor & 1 and i < len(siblings) - 1:
            raise Malformed("a blind sibling that is not the lowest")
    return 0


cdef int check_rest(Context rest, Context own, list siblings) except -1:
    """The invariants of `check`, and that nothing is said twice."""
    cdef Py_ssize_t i
    if rest.covers_nothing():
        return 0
    if not siblings:
        raise Malformed("something was seen, but nothing is there")
    if not below(rest.greatest(), dot_of(siblings[0])):
        raise Malformed("the greatest dot is not among the siblings")
    if rest.horizon.hlc != 0 and (own.horizon.hlc != 0 or below(dot_of(siblings[-1]), rest.horizon)):
        raise Malformed("a horizon above a sibling")
    for i in range(rest.pair_count):
        if own.has(rest.pairs[i]):
            raise Malformed("the clock is covered twice")
    for i in range(rest.stray_count):
        if own.has(rest.strays[i]):
            raise Malformed("a dot of the cloud is covered twice")
    return 0


cdef int read_winner(const char* text, Py_ssize_t size, Row* out) except -1:
    """The winner of an encoded state; out.value borrows from `text`. Raises DamagedState.

    Reads the first sibling and no further: what follows is checked by whoever decodes it."""
    cdef Input source
    try:
        if take_header(text, size, &source) == 0:
            raise Malformed("nothing is there")
        return take_sibling(&source, out)
    except Malformed as error:
        raise DamagedState(f"this is not a stored state: {error}") from None


def winner_row(bytes text not None):
    """`read_winner` for Python: (hlc, actor, deadline_ms, annotation, tombstone, value)."""
    cdef Row row
    read_winner(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), &row)
    return (row.hlc, row.actor, row.deadline_ms, row.annotation, bool(row.tombstone),
            row.value[:row.value_bytes])


# -- the entry in the store ----------------------------------------------------------------------

cpdef tuple to_record(State state):
    """(hlc, actor, deadline_ms, tombstone, value): the entry that stands for the state.

    Tombstone and deadline tell the store when nothing of it is left to be read, so that compaction
    and counts need not look inside: a tombstone if all siblings are, a deadline (the latest) if all
    that are no tombstones have one. The entry's annotation is the caller's: that of the sibling for a
    blind record, a tick of the clock for others, so that of two merges the later one stays."""
    cdef Sibling first = winner(state)
    cdef Sibling sibling
    cdef uint64_t deadline_ms = 0
    cdef bint buried = True, endless = False
    if first is None:
        raise ValueError("an empty state is not stored")
    if not first.actor & 1:
        return first.hlc, first.actor, first.deadline_ms, first.tombstone, first.value
    for sibling in state.siblings:
        if not sibling.tombstone:
            buried = False
            endless = endless or sibling.deadline_ms == 0
            deadline_ms = max(deadline_ms, sibling.deadline_ms)
    return first.hlc, first.actor, 0 if endless else deadline_ms, buried, encode(state)


cpdef State from_record(uint64_t hlc, uint64_t actor, uint64_t deadline_ms, uint64_t annotation,
                        bint tombstone, bytes value):
    """The state behind an entry of the store. Raises DamagedState."""
    cdef State state
    if not actor & 1:
        return blind(hlc, actor, value, tombstone, deadline_ms, annotation)
    state = decode(value)
    if not state.siblings or not same(dot_of(winner(state)), Dot(hlc, actor)):
        raise DamagedState("a stored state does not belong to its entry: their dots differ")
    return state
