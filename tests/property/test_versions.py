"""States of a key against explicit causal histories.

The oracle keeps what the real thing compresses: for each write the set of writes that it replaces, for
each replica, message and client the set of writes that it knows. A version is there if it is known
and nothing known replaces it. Replicas write and ship states that get lost, doubled and reordered;
clients go on from contexts of any age; clocks are off; nodes fall back to an older disk and come back as a
new actor; some blind writes come from a node that stores nothing and whose clock knows nothing. After
each step the siblings must be exactly those of the oracle.

VERSION_RUNS=1000000 for a long one. A failing run prints its seed.
"""

import os
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.context import BadContext, Context, join
from cluster.versions import (
    EMPTY,
    DamagedState,
    State,
    annotate,
    blind,
    check,
    context_of,
    decode,
    digest,
    encode,
    from_record,
    merge,
    parse_context,
    prune,
    put,
    to_record,
    winner,
    winner_row,
    written_context,
)

RUNS = int(os.environ.get("VERSION_RUNS", "20000"))
STEPS = 24
SKEW = 12


class Known:
    """What somebody knows, as sets of writes in bits: `seen`, and `replaced` by causal writes.

    A blind write replaces all that is below it, also what is not made yet: `horizon` is its dot."""

    __slots__ = ("seen", "replaced", "horizon")

    def __init__(self, seen=0, replaced=0, horizon=(0, 0)):
        self.seen, self.replaced, self.horizon = seen, replaced, horizon

    def __or__(self, other):
        return Known(self.seen | other.seen, self.replaced | other.replaced,
                     max(self.horizon, other.horizon))


class History:
    """One key on some replicas. With `entries_max` their clocks are pruned after each step."""

    def __init__(self, seed, entries_max=None):
        self.draw = random.Random(seed)
        self.entries_max = entries_max
        self.writes = []                                # dot of each write; its number is its bit
        count = self.draw.randint(2, 4)
        self.skew = [self.draw.randint(0, SKEW) for _ in range(count + 1)]
        self.clock = [0] * (count + 1)                  # the last is no replica
        self.generation = [1] * (count + 1)
        self.replicas = [(State(), Known())] * count
        self.disks = list(self.replicas)
        self.messages = []
        self.contexts = [(b"", Known())]
        self.now = 1

    def run(self, steps):
        actions = self.draw.choices(
            (self.blind, self.causal, self.deliver, self.ship, self.read, self.crash, self.sync),
            (3, 6, 6, 4, 2, 0.5, 2), k=steps)
        for action in actions:
            self.now += self.draw.randint(0, 3)
            action(self.draw.randrange(len(self.replicas)))
        return self

    def stamp(self, node, seen=0):
        self.clock[node] = max(self.clock[node] + 1, seen + 1, self.now + self.skew[node])
        return self.clock[node]

    def write(self, dot, replaces):
        self.writes.append(dot)
        bit = 1 << (len(self.writes) - 1)
        return Known(bit, replaces, dot if not dot[1] & 1 else (0, 0))

    def store(self, node, state, known):
        if self.entries_max is not None:
            state = prune(state, self.entries_max)
        self.clock[node] = max(self.clock[node], winner(state).hlc if state.siblings else 0)
        self.replicas[node] = state, known
        self.compare(state, known)

    def blind(self, node):
        stored = self.draw.random() < 0.7
        maker = node if stored or self.draw.random() < 0.3 else len(self.replicas)
        dot = self.stamp(maker), (maker + 1) << 32 | self.generation[maker] << 1
        state, known = blind(*dot, b"%d" % len(self.writes)), self.write(dot, 0)
        self.messages.append((state, known))
        if stored:
            self.store(node, merge(self.replicas[node][0], state), self.replicas[node][1] | known)

    def causal(self, node):
        local, there = self.replicas[node]
        text, client = self.draw.choice(self.contexts[-4:])
        context = parse_context(text)
        dot = self.stamp(node, context.hlc_max), (node + 1) << 32 | self.generation[node] << 1 | 1
        tombstone = self.draw.random() < 0.2
        state = put(local, context, *dot, b"%d" % len(self.writes), tombstone)
        new = self.write(dot, client.seen)
        self.store(node, state, there | client | new)
        self.contexts.append((written_context(context, state), client | new))

    def deliver(self, node):
        if not self.messages:
            return
        place = self.draw.randrange(len(self.messages))
        state, known = self.messages[place]
        if self.draw.random() < 0.6:                    # else it comes again
            del self.messages[place]
        self.store(node, merge(self.replicas[node][0], state), self.replicas[node][1] | known)

    def ship(self, node):
        self.messages.append(self.replicas[node])

    def read(self, node):
        """A client reads some replicas, repairs none."""
        state, known = self.replicas[node]
        other, others = self.draw.choice(self.replicas)
        self.contexts.append((context_of(merge(state, other)), known | others))

    def sync(self, node):
        self.disks[node] = self.replicas[node]

    def crash(self, node):
        state = self.disks[node][0]
        self.replicas[node] = self.disks[node]
        self.clock[node] = winner(state).hlc if state.siblings else 0
        self.generation[node] += 1

    def heal(self):
        """Everything that is still known somewhere reaches everyone."""
        for _ in range(2):
            state, known = self.replicas[0]
            for other, others in self.replicas + self.messages:
                state, known = merge(state, other), known | others
            for node in range(len(self.replicas)):
                self.store(node, merge(self.replicas[node][0], state),
                           self.replicas[node][1] | known)
        assert all(state == self.replicas[0][0] for state, _ in self.replicas)
        assert len({digest(state) for state, _ in self.replicas}) == 1
        return self

    def compare(self, state, known):
        found = [(sibling.hlc, sibling.actor) for sibling in state.siblings]
        expected = self.expected(known)
        if self.entries_max is None:
            assert found == expected
        else:
            assert found[:1] == expected[:1]            # what GET shows is never wrong
            assert set(found) >= set(expected)          # and nothing is lost
        check(state)

    def expected(self, known):
        there, dots = known.seen & ~known.replaced, []
        while there:
            dot = self.writes[(there & -there).bit_length() - 1]
            there &= there - 1
            if dot >= known.horizon:
                dots.append(dot)
        return sorted(dots, reverse=True)

    def states(self):
        return [state for state, _ in self.replicas + self.messages]


def histories(runs, entries_max=None, steps=STEPS):
    for seed in range(runs):
        try:
            yield seed, History(seed, entries_max).run(steps).heal()
        except AssertionError as error:
            raise AssertionError(f"History({seed}, {entries_max}).run({steps}): {error}") from error


def test_siblings_are_exactly_those_of_the_explicit_history():
    several = conflicts = 0
    for _, history in histories(RUNS):
        count = len(history.replicas[0][0].siblings)
        several += count > 1
        conflicts += any(len(state.siblings) > 2 for state in history.states())
    assert several > RUNS // 20 and conflicts > RUNS // 20     # the runs are worth something


@pytest.mark.parametrize("entries_max", [0, 1, 2, 3])
def test_pruned_clocks_lose_nothing(entries_max):
    for _ in histories(RUNS // 20, entries_max, steps=40):
        pass


def annotated(history, states):
    """Some of the states with deadlines, as EXPIRE leaves them behind."""
    for state in states:
        for sibling in state.siblings:
            if history.draw.random() < 0.3:
                state = annotate(state, sibling.hlc, sibling.actor, history.draw.randint(0, 3),
                                 history.draw.randint(1, 3))
        yield state


@pytest.mark.parametrize("entries_max", [None, 2])
def test_merge_is_commutative_associative_and_idempotent(entries_max):
    for _, history in histories(RUNS // 10, entries_max):
        reached = list(annotated(history, history.states()))
        for _ in range(10):
            one, two, three = history.draw.choices(reached, k=3)
            assert merge(one, two) == merge(two, one)
            assert merge(one, merge(two, three)) == merge(merge(one, two), three)
            assert merge(one, one) == merge(one, decode(encode(one))) == one
            assert merge(merge(one, two), two) == merge(one, two)


@pytest.mark.parametrize("entries_max", [None, 3])
def test_what_is_reached_survives_bytes(entries_max):
    for _, history in histories(RUNS // 10, entries_max):
        for state in annotated(history, history.states()):
            text = encode(state)
            assert decode(text) == state and encode(decode(text)) == text
            assert parse_context(context_of(state)) == state.seen
            if state.siblings:
                first = winner(state)
                assert winner_row(text) == (first.hlc, first.actor, first.deadline_ms,
                                            first.annotation, first.tombstone, first.value)
                hlc, actor, deadline_ms, tombstone, value = to_record(state)
                assert from_record(hlc, actor, deadline_ms, first.annotation, tombstone, value) == state
        for text, _ in history.contexts:
            assert bytes(parse_context(text)) == text


@pytest.mark.parametrize("entries_max", [0, 1, 2, 5])
def test_pruning_only_ever_covers_less(entries_max):
    for _, history in histories(RUNS // 20):
        one, two = history.draw.choices(history.states(), k=2)
        short = prune(one, entries_max)
        check(short)
        assert prune(short, entries_max) == short and decode(encode(short)) == short
        assert merge(short, one) == one
        assert {*merge(one, two).siblings} <= {*merge(short, two).siblings}
        assert len(short.clock) <= max(entries_max, len(short.siblings))


# -- contexts are sets ---------------------------------------------------------------------------------

HLCS, ACTORS = st.integers(1, 8), st.sampled_from([1, 3, 5])
CONTEXTS = st.builds(
    Context, st.tuples(st.integers(1, 8), st.sampled_from([0, 2, 4])) | st.just((0, 0)),
    st.dictionaries(ACTORS, HLCS).map(lambda clock: list(clock.items())),
    st.lists(st.tuples(HLCS, ACTORS), unique=True))


def members(context):
    return {(hlc, actor) for hlc in range(10) for actor in range(7) if context.covers(hlc, actor)}


@given(CONTEXTS, CONTEXTS, CONTEXTS)
@settings(deadline=None, max_examples=200)
def test_joining_contexts_is_union(one, two, three):
    assert members(join(one, two)) == members(one) | members(two)
    assert join(one, two) == join(two, one)
    assert join(one, join(two, three)) == join(join(one, two), three)
    assert join(one, one) == join(one, parse_context(bytes(one))) == one
    assert parse_context(bytes(join(one, two))) == join(one, two)


# -- hostile bytes ---------------------------------------------------------------------------------------

def mutate(draw, text):
    text = bytearray(text)
    for _ in range(draw.choice((1, 1, 1, 2, 5))):
        place = draw.randrange(len(text) + 1)
        change = draw.randrange(6)
        if change == 0 and text:
            text[place % len(text)] ^= 1 << draw.randrange(8)
        elif change == 1:
            del text[place:]
        elif change == 2:
            text[place:place] = draw.randbytes(draw.randrange(1, 20))
        elif change == 3:
            text[place:place + draw.randrange(1, 20)] = draw.randbytes(draw.randrange(20))
        elif change == 4:
            text[place:place + 4] = draw.choice((b"\xff" * 4, b"\0" * 4, b"\xff\xff\xff\x7f"))
        else:
            text[place:place] = text[draw.randrange(len(text) + 1):][:17]
    return bytes(text)


def test_hostile_states_are_damaged_or_sound():
    sound = 0
    for seed, history in histories(RUNS // 20):
        draw = random.Random(seed)
        for state in history.states():
            text = mutate(draw, encode(state))
            try:
                found = decode(text)
            except DamagedState:
                continue
            sound += 1
            check(found)
            assert encode(found) == text            # one state, one text: nothing slips through
            assert check(merge(found, state)) is None
    assert sound > 0


def test_hostile_winners_are_damaged_or_within_the_bytes():
    for seed, history in histories(RUNS // 20):
        draw = random.Random(seed)
        for state in history.states():
            text = mutate(draw, encode(state))
            try:
                assert winner_row(text)[5] in text
            except DamagedState:
                pass


@given(st.binary(max_size=200))
@settings(deadline=None, max_examples=500)
def test_noise_is_no_state_and_no_context(text):
    for prefix in (b"", b"\x01", b"\x01\x01"):
        try:
            assert encode(decode(prefix + text)) == prefix + text
        except DamagedState:
            pass
    try:
        assert bytes(parse_context(text)) == text
    except BadContext:
        pass


def test_hostile_contexts_are_refused():
    for seed, history in histories(RUNS // 40):
        draw = random.Random(seed)
        for text, _ in history.contexts:
            changed = mutate(draw, text)
            try:
                assert bytes(parse_context(changed)) == changed
            except BadContext:
                assert changed not in (text, b"")


class Careless(History):
    """Answers a write with a context that claims all dots of its actor up to the new one."""

    def causal(self, node):
        super().causal(node)
        text, known = self.contexts.pop()
        context = parse_context(text)
        claimed = Context(clock=[(actor, hlc) for hlc, actor in context.cloud])
        self.contexts.append((bytes(join(context, claimed)), known))


class Amnesiac(History):
    """Comes back as the actor that it was, without what that actor wrote last."""

    def crash(self, node):
        super().crash(node)
        self.generation[node] -= 1


@pytest.mark.parametrize("canary", [Careless, Amnesiac])
def test_a_broken_rule_is_caught(canary):
    with pytest.raises(AssertionError, match="found == expected|assert \\["):
        for seed in range(2000):
            canary(seed).run(STEPS).heal()


def test_empty_is_neutral():
    for _, history in histories(50):
        for state in history.states():
            assert merge(state, State()) == merge(State(), state) == state
            assert join(state.seen, EMPTY) == join(EMPTY, state.seen) == state.seen
