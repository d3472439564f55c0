"""States of a key by example; the laws are in tests/property/test_versions.py."""

import pytest

from cluster.context import BadContext, Context, join, trim
from cluster.errors import StoreError
from cluster.versions import (
    EMPTY,
    DamagedState,
    Sibling,
    State,
    TooManySiblings,
    annotate,
    blind,
    check,
    clock_of,
    context_of,
    decode,
    digest,
    encode,
    from_record,
    live,
    merge,
    parse_context,
    prune,
    put,
    to_record,
    winner,
    winner_row,
    written_context,
)

SX, SY, SZ = (node << 32 | 3 for node in (1, 2, 3))   # causal actors
BX, BY = SX - 1, SY - 1                              # the blind ones of the same nodes


def dots(state):
    return [(sibling.hlc, sibling.actor) for sibling in state.siblings]


def values(state):
    return [sibling.value for sibling in state.siblings]


def seen(state):
    return parse_context(context_of(state))


@pytest.fixture
def forked():
    """Two siblings by different writers above one blind write."""
    start = blind(10, BX, b"start")
    return merge(put(start, seen(start), 20, SY, b"y"), put(start, seen(start), 30, SZ, b"z"))


# -- the story of the Dynamo paper, figure 3 -------------------------------------------------------

def test_the_textbook_story():
    d1 = put(State(), EMPTY, 1, SX, b"D1")
    assert d1.clock == ((SX, 1),)

    d2 = put(d1, seen(d1), 2, SX, b"D2")          # the same server: descends, replaces
    assert values(d2) == [b"D2"] and d2.clock == ((SX, 2),)
    assert merge(d1, d2) == d2

    d3 = put(d2, seen(d2), 3, SY, b"D3")          # two clients, both from D2
    d4 = put(d2, seen(d2), 4, SZ, b"D4")
    assert d3.clock == ((SX, 2), (SY, 3))
    assert d4.clock == ((SX, 2), (SZ, 4))
    assert merge(d2, d3) == d3 and merge(d2, d4) == d4

    both = merge(d3, d4)                          # a read that reconciles the replicas
    assert values(both) == [b"D4", b"D3"]
    assert both.clock == ((SX, 2), (SY, 3), (SZ, 4))
    assert not d3.covers(4, SZ) and not d4.covers(3, SY)      # neither has seen the other: a conflict
    assert clock_of(both, both.siblings[0]) == d4.clock
    assert clock_of(both, both.siblings[1]) == d3.clock

    d5 = put(d2, seen(both), 5, SX, b"D5")        # resolved at Sx, which still has D2 only
    assert values(d5) == [b"D5"] and d5.clock == ((SX, 5), (SY, 3), (SZ, 4))
    for old in (d1, d2, d3, d4, both):
        assert merge(old, d5) == merge(d5, old) == d5

    d6 = put(d5, seen(d5), 6, SY, b"D6")          # and later ones descend
    assert values(d6) == [b"D6"] and d6.clock == ((SX, 5), (SY, 6), (SZ, 4))
    assert merge(d5, d6) == d6 == merge(both, d6)


# -- writes ------------------------------------------------------------------------------------------

def test_a_key_that_nobody_wrote():
    empty = State()
    check(empty)
    assert winner(empty) is None and live(empty, 0) is None
    assert not empty.covers(1, SX) and context_of(empty) == b""
    assert merge(empty, empty) == empty and decode(encode(empty)) == empty


def test_a_blind_write_replaces_what_is_below_it_and_nothing_above():
    old, new = blind(10, BX, b"old"), blind(11, BY, b"new")
    assert merge(old, new) == merge(new, old) == new
    causal = put(old, seen(old), 20, SY, b"causal")
    late = blind(15, BX, b"late")
    assert values(merge(causal, late)) == [b"causal", b"late"]
    assert values(merge(causal, blind(21, BX, b"all"))) == [b"all"]


def test_a_blind_write_of_equal_time_is_ordered_by_its_actor():
    assert values(merge(blind(10, BX, b"x"), blind(10, BY, b"y"))) == [b"y"]


def test_a_blind_write_covers_its_own_dot_and_all_below():
    state = blind(10, BY, b"")
    assert state.covers(10, BY) and state.covers(10, BX) and state.covers(9, 2**64 - 1)
    assert not state.covers(10, BY + 1) and not state.covers(11, 0)


def test_a_causal_write_keeps_what_its_context_does_not_cover(forked):
    only_y = put(blind(10, BX, b"start"), EMPTY, 20, SY, b"y")
    resolved = put(forked, join(seen(only_y), EMPTY), 40, SX, b"x")
    assert values(resolved) == [b"x", b"z"]
    assert values(put(forked, EMPTY, 40, SX, b"x")) == [b"x", b"z", b"y"]
    assert values(put(forked, seen(forked), 40, SX, b"x")) == [b"x"]


def test_a_causal_write_whose_context_knows_more_than_its_coordinator():
    ahead = put(State(), EMPTY, 10, SX, b"seen by the client")
    state = put(State(), seen(ahead), 20, SY, b"y")
    assert merge(state, ahead) == state


@pytest.mark.parametrize(("hlc", "actor", "named"), [
    (40, BX, "not the dot of a causal write"),
    (0, SX, "not the dot of a causal write"),
    (30, SX, "greater than all that it has seen"),
    (30, SZ, "greater than all that it has seen"),
])
def test_a_causal_write_needs_a_new_odd_dot(forked, hlc, actor, named):
    with pytest.raises(ValueError, match=named):
        put(forked, EMPTY, hlc, actor, b"")


def test_a_causal_write_below_its_context_is_refused(forked):
    assert seen(forked).hlc_max == 30
    with pytest.raises(ValueError, match="greater than all that it has seen"):
        put(State(), seen(forked), 29, SX, b"")


def test_a_blind_write_needs_an_even_actor():
    with pytest.raises(ValueError, match="not the dot of a blind write"):
        blind(10, SX, b"")


def test_the_hundred_and_first_sibling_is_refused_with_advice():
    state = State()
    for number in range(100):
        state = put(state, EMPTY, number + 1, SX, b"%d" % number)
    assert len(state.siblings) == 100
    with pytest.raises(TooManySiblings, match="^TOOMANYSIBLINGS .*100 .*KV.GET.*CONTEXT.*SET") as caught:
        put(state, EMPTY, 200, SX, b"")
    assert isinstance(caught.value, StoreError)
    assert values(put(state, seen(state), 200, SX, b"all")) == [b"all"]
    with pytest.raises(TooManySiblings, match=" 2 siblings"):
        put(merge(blind(1, BX, b""), put(State(), EMPTY, 2, SX, b"")), EMPTY, 3, SX, b"", siblings_max=2)


# -- reads -------------------------------------------------------------------------------------------

def test_get_shows_the_greatest_dot_and_nothing_once_that_is_over(forked):
    assert winner(forked).value == live(forked, 0).value == b"z"
    ending = annotate(forked, 30, SZ, 1000, 31)
    assert live(ending, 999).value == b"z"
    assert live(ending, 1000) is None and winner(ending).value == b"z"
    deleted = put(forked, EMPTY, 40, SX, b"", tombstone=True)
    assert live(deleted, 0) is None and winner(deleted).tombstone and len(deleted.siblings) == 3


def test_a_tombstone_has_no_value():
    assert Sibling(1, SX, b"value", tombstone=True).value == b""


# -- annotations ---------------------------------------------------------------------------------------

def test_an_annotation_changes_the_deadline_of_its_dot_alone(forked):
    changed = annotate(forked, 20, SY, 5000, 50)
    assert [(s.deadline_ms, s.annotation) for s in changed.siblings] == [(0, 0), (5000, 50)]
    assert changed.clock == forked.clock
    assert merge(changed, forked) == merge(forked, changed) == changed


def test_of_two_annotations_the_later_stays(forked):
    early, late = annotate(forked, 30, SZ, 9000, 50), annotate(forked, 30, SZ, 0, 51)
    assert merge(early, late) == merge(late, early) == late
    assert annotate(late, 30, SZ, 9000, 50) is late


def test_of_two_annotations_of_one_instant_the_longer_life_stays(forked):
    one, other = annotate(forked, 30, SZ, 9000, 50), annotate(forked, 30, SZ, 8000, 50)
    assert merge(one, other) == merge(other, one) == one


def test_an_annotation_brings_nothing_back(forked):
    replaced = put(forked, seen(forked), 40, SX, b"new")
    assert annotate(replaced, 30, SZ, 5000, 50) is replaced
    assert merge(replaced, annotate(forked, 30, SZ, 5000, 50)) == replaced
    gone = blind(50, BX, b"", tombstone=True)
    assert annotate(gone, 50, BX, 5000, 60) is gone


# -- contexts ------------------------------------------------------------------------------------------

def test_the_context_after_a_write_covers_its_own_dot_and_no_sibling_that_it_did_not_see():
    other = put(State(), EMPTY, 10, SX, b"other")
    mine = put(other, EMPTY, 20, SX, b"mine")                   # the same actor, above the other
    context = parse_context(written_context(EMPTY, mine))
    assert context.covers(20, SX) and not context.covers(10, SX)
    assert context.cloud == ((20, SX),)
    assert values(put(mine, context, 30, SX, b"mine again")) == [b"mine again", b"other"]
    elsewhere = put(State(), context, 30, SY, b"mine again")    # a coordinator that has neither
    assert values(merge(elsewhere, mine)) == [b"mine again", b"other"]
    check(elsewhere)


def test_the_context_after_a_write_that_replaced_everything_is_that_of_the_state(forked):
    resolved = put(forked, seen(forked), 40, SX, b"x")
    assert written_context(seen(forked), resolved) == context_of(resolved)


def test_a_dot_of_the_cloud_disappears_in_a_clock_that_has_reached_it():
    context = Context(clock=[(SX, 5)], cloud=[(9, SX), (7, SX), (3, SX)])
    assert context.cloud == ((7, SX), (9, SX))
    assert join(context, Context(clock=[(SX, 8)])).cloud == ((9, SX),)
    assert join(Context((8, BX)), context) == Context((8, BX), cloud=[(9, SX)])
    assert join(context, context) == context


def test_pairs_below_the_horizon_drop_out():
    joined = join(Context(clock=[(SX, 5), (SY, 15)]), Context((10, BX), [(SZ, 12)]))
    assert joined == Context((10, BX), [(SY, 15), (SZ, 12)])
    assert joined.covers(5, SX) and joined.hlc_max == 15


def test_a_context_as_text():
    context = Context((10, BX), [(SX, 20)], [(30, SX)])
    text = bytes(context)
    assert text == (b"1AQoAAAAAAAAAAgAAAAEAAAABFAAAAAAAAAADAAAAAQAAAAEeAAAAAAAAAAMAAAABAAAApvyfJA")
    assert parse_context(text) == context
    assert bytes(EMPTY) == b"" and parse_context(b"") == EMPTY and not EMPTY.covers(1, SX)


@pytest.mark.parametrize(("text", "named"), [
    (b"hello", "not a context that KV.GET or KV.SET returned: it begins with 'h'"),
    (b"\x00\xff", "it begins with byte 0"),
    (b"2AQoA", "has version 2, this server reads version 1"),
    (b"1", "checksum"),
    (b"1A", "not base64"),
    (b"1AQ+A", "not base64"),
    (b"1AQoAAAAAAAAA AgAAAAEAAAAB", "not base64"),
    (b"1AAAA", "checksum"),
    (b"1" + b"A" * 65536, "at most 65536 bytes, not 65537"),
])
def test_garbage_is_no_context(text, named):
    with pytest.raises(BadContext, match=named):
        parse_context(text)


def test_every_change_of_a_letter_is_noticed():
    text = bytes(Context((10, BX), [(SX, 20)], [(30, SX)]))
    for place in range(1, len(text)):
        for letter in (b"A", b"_", b"7", b"!", b"\x80"):
            changed = text[:place] + letter + text[place + 1:]
            if changed != text:
                with pytest.raises(BadContext):
                    parse_context(changed)
        with pytest.raises(BadContext):
            parse_context(text[:place])


# -- bounded length ------------------------------------------------------------------------------------

def test_pruning_forgets_the_oldest_and_keeps_what_covers_a_sibling():
    state = State(Context((5, BX), [(SX, 10), (SY, 30), (SZ, 20)], [(25, SX)]),
                  [Sibling(30, SY, b"y"), Sibling(7, SX, b"x")])
    check(state)
    assert prune(state, 4) is state
    assert prune(state, 3).seen == Context((5, BX), [(SX, 10), (SY, 30)], [(25, SX)])
    assert prune(state, 2).seen == Context((5, BX), [(SX, 10), (SY, 30)])
    assert prune(state, 0).seen == Context((5, BX), [(SX, 10), (SY, 30)])
    assert prune(state, 0).siblings == state.siblings


def test_a_pruned_clock_costs_a_false_sibling_at_worst():
    old = put(State(), EMPTY, 10, SX, b"old")
    new = put(old, seen(old), 20, SY, b"new")
    assert merge(new, old) == new
    pruned = prune(new, 1)
    assert pruned.clock == ((SY, 20),)
    assert values(merge(pruned, old)) == [b"new", b"old"]
    assert winner(merge(pruned, old)).value == b"new"


def test_ten_thousand_writers_leave_ten_entries():
    state = State()
    for number in range(1, 10_001):
        state = prune(put(state, state.seen, number, number << 32 | 1, b"v"), 10)
    assert len(state.clock) == 10 and len(encode(state)) == 24 + 9 * 16
    check(state)


def test_trim_of_a_context_without_siblings():
    context = Context(clock=[(SX, 1), (SY, 2), (SZ, 3)])
    assert trim(context, 2) == Context(clock=[(SY, 2), (SZ, 3)])
    assert trim(context, 0) == EMPTY


# -- bytes -----------------------------------------------------------------------------------------------

def test_a_state_as_bytes(forked):
    state = annotate(put(forked, EMPTY, 40, SX, b"", tombstone=True), 20, SY, 0x1234, 50)
    assert encode(state).hex(" ") == " ".join([
        "01 03",                                                              # version, siblings
        "28 00 00 00 00 00 00 00 03 00 00 00 01 00 00 00 01 00",              # a tombstone
        "1e 00 00 00 00 00 00 00 03 00 00 00 03 00 00 00 00 01 7a",           # z
        "14 00 00 00 00 00 00 00 03 00 00 00 02 00 00 00 06",                 # y, annotated
        "34 12 00 00 00 00 00 00 32 00 00 00 00 00 00 00 01 79",
        "01 0a 00 00 00 00 00 00 00 02 00 00 00 01 00 00 00 00 00",           # and the horizon
    ])
    assert decode(encode(state)) == state


def test_what_siblings_imply_is_not_written():
    counter = put(State(), EMPTY, 20, SX, b"12345")
    assert len(encode(counter)) == 23 + 5
    above = put(blind(10, BX, b"1"), blind(10, BX, b"1").seen, 20, SX, b"12345")
    assert len(encode(above)) == 23 + 5 + 16
    beside = put(blind(10, BX, b"1"), EMPTY, 20, SX, b"12345")
    assert len(encode(beside)) == 23 + 5 + 18 + 1
    for state in (counter, above, beside):
        assert decode(encode(state)) == state


def test_a_get_reads_the_first_sibling_only(forked):
    text = encode(annotate(forked, 30, SZ, 777, 40))
    assert winner_row(text) == (30, SZ, 777, 40, False, b"z")
    assert winner_row(text[:2 + 17 + 16 + 2] + b"\xff" * 9) == (30, SZ, 777, 40, False, b"z")
    with pytest.raises(DamagedState, match="nothing is there"):
        winner_row(encode(State()))
    with pytest.raises(DamagedState, match="cut short"):
        winner_row(b"")


def test_every_shorter_text_is_damaged(forked):
    text = encode(forked)
    for size in range(len(text)):
        with pytest.raises(DamagedState):
            decode(text[:size])


DOT_20 = (20).to_bytes(8, "little") + SX.to_bytes(8, "little")
DOT_10 = (10).to_bytes(8, "little") + SX.to_bytes(8, "little")
DOT_9Y = (9).to_bytes(8, "little") + SY.to_bytes(8, "little")
BLIND_10 = (10).to_bytes(8, "little") + BX.to_bytes(8, "little")
BLIND_30 = (30).to_bytes(8, "little") + BX.to_bytes(8, "little")
PLAIN = b"\x00\x01v"
NOTHING = b"\x00\x00\x00"


@pytest.mark.parametrize(("text", "named"), [
    (b"", "cut short"),
    (b"\x02\x00" + NOTHING, "version 2, known is 1"),
    (b"\x01\xff\xff\xff\xff\x0f", "4294967295 entries do not fit into 0 bytes"),
    (b"\x01" + b"\xff" * 9 + b"\x02", "a number that is too long"),
    (b"\x01\x80\x00", "a number that is too long"),
    (b"\x01\x01" + bytes(16) + PLAIN + NOTHING, "without a timestamp"),
    (b"\x01\x01" + DOT_20 + b"\x08\x00" + NOTHING, "unknown flags 8"),
    (b"\x01\x01" + DOT_20 + b"\x02" + bytes(8) + b"\x00" + NOTHING, "a deadline or an annotation of 0"),
    (b"\x01\x01" + DOT_20 + b"\x01\x01v" + NOTHING, "a value of 1 bytes"),
    (b"\x01\x01" + DOT_20 + b"\x00\x7fv" + NOTHING, "127 entries do not fit"),
    (b"\x01\x01" + DOT_20 + PLAIN + NOTHING + b"more", "4 bytes too many"),
    (b"\x01\x02" + DOT_10 + PLAIN + DOT_20 + PLAIN + NOTHING, "siblings are out of order"),
    (b"\x01\x02" + DOT_20 + PLAIN + DOT_20 + PLAIN + NOTHING, "siblings are out of order"),
    (b"\x01\x02" + BLIND_30 + PLAIN + DOT_20 + PLAIN + NOTHING, "a blind sibling that is not the lowest"),
    (b"\x01\x00\x01" + BLIND_10 + b"\x00\x00", "something was seen, but nothing is there"),
    (b"\x01\x01" + DOT_20 + PLAIN + b"\x02\x00\x00", "unknown form 2"),
    (b"\x01\x01" + DOT_20 + PLAIN + b"\x01" + BLIND_30 + b"\x00\x00", "the greatest dot is not among"),
    (b"\x01\x01" + DOT_20 + PLAIN + b"\x01" + DOT_10 + b"\x00\x00", "the horizon is not a blind write"),
    (b"\x01\x02" + DOT_20 + PLAIN + DOT_9Y + PLAIN + b"\x01" + BLIND_10 + b"\x00\x00", "a horizon above"),
    (b"\x01\x02" + DOT_20 + PLAIN + BLIND_10 + PLAIN + b"\x01" + BLIND_10 + b"\x00\x00", "a horizon above"),
    (b"\x01\x01" + DOT_20 + PLAIN + b"\x00\x01" + DOT_10 + b"\x00", "the clock is covered twice"),
    (b"\x01\x01" + DOT_20 + PLAIN + b"\x00\x01" + BLIND_10 + b"\x00", "a blind writer in the clock"),
    (b"\x01\x01" + DOT_20 + PLAIN + b"\x00\x02" + DOT_9Y * 2 + b"\x00", "the clock is out of order"),
    (b"\x01\x01" + DOT_20 + PLAIN + b"\x01" + BLIND_10 + b"\x01" + DOT_9Y + b"\x00",
     "the clock reaches below the horizon"),
    (b"\x01\x01" + DOT_20 + PLAIN + b"\x00\x00\x01" + BLIND_10, "a blind writer in the cloud"),
    (b"\x01\x01" + DOT_20 + PLAIN + b"\x00\x00\x02" + DOT_9Y * 2, "the cloud is out of order"),
    (b"\x01\x01" + DOT_20 + PLAIN + b"\x00\x00\x01" + DOT_10, "a dot of the cloud is covered twice"),
    (b"\x01\x01" + DOT_20 + PLAIN + b"\x00\x01" + DOT_9Y + b"\x01" + DOT_9Y, "covered twice"),
])
def test_damage_is_named(text, named):
    with pytest.raises(DamagedState, match=f"this is not a stored state: .*{named}"):
        decode(text)


def test_digests_are_the_same_in_every_release(forked):
    assert digest(State()) == 0x2130748AAAC80268
    assert digest(forked) == 0xFA378523180E7800


def test_a_digest_sees_dots_clocks_and_annotations_but_not_values(forked):
    different = [State(), forked, blind(10, BX, b"start"), annotate(forked, 30, SZ, 0, 50),
                 annotate(forked, 30, SZ, 1, 50), put(forked, EMPTY, 40, SX, b""),
                 put(forked, EMPTY, 40, SX, b"", tombstone=True), put(forked, seen(forked), 40, SX, b""),
                 State(Context((10, BX), [(SY, 20), (SZ, 30)], [(25, SY)]), forked.siblings[:1]),
                 State(Context((10, BX), [(SY, 20), (SZ, 30)]), forked.siblings[:1])]
    assert len({digest(state) for state in different}) == len(different)
    assert digest(blind(10, BX, b"one")) == digest(blind(10, BX, b"other"))


# -- records -----------------------------------------------------------------------------------------------

def test_a_lone_blind_write_is_stored_as_its_value():
    state = blind(10, BX, b"value", deadline_ms=77, annotation=12)
    assert to_record(state) == (10, BX, 77, False, b"value")
    assert from_record(10, BX, 77, 12, False, b"value") == state
    gone = blind(10, BX, b"", tombstone=True)
    assert to_record(gone) == (10, BX, 0, True, b"")
    assert from_record(10, BX, 0, 0, True, b"") == gone


def test_anything_else_is_stored_whole_under_its_greatest_dot(forked):
    assert to_record(forked) == (30, SZ, 0, False, encode(forked))
    assert from_record(30, SZ, 0, 999, False, encode(forked)) == forked


@pytest.mark.parametrize(("siblings", "deadline_ms", "tombstone"), [
    ([Sibling(20, SX, b"", True), Sibling(10, BX, b"", True)], 0, True),
    ([Sibling(20, SX, b"", True), Sibling(10, BX, b"v")], 0, False),
    ([Sibling(20, SX, b"", True), Sibling(10, BX, b"v", False, 70)], 70, False),
    ([Sibling(20, SX, b"v", False, 60), Sibling(10, BX, b"v", False, 70)], 70, False),
    ([Sibling(20, SX, b"v", False, 60), Sibling(10, BX, b"v")], 0, False),
])
def test_an_entry_is_over_when_all_its_siblings_are(siblings, deadline_ms, tombstone):
    state = State(Context((10, BX), [(SX, 20)]), siblings)
    check(state)
    assert to_record(state)[2:4] == (deadline_ms, tombstone)
    assert decode(to_record(state)[4]) == state


def test_an_entry_and_its_state_must_belong_together(forked):
    with pytest.raises(DamagedState, match="their dots differ"):
        from_record(31, SZ, 0, 0, False, encode(forked))
    with pytest.raises(DamagedState, match="their dots differ"):
        from_record(31, SZ, 0, 0, False, encode(State()))
    with pytest.raises(DamagedState, match="not a stored state"):
        from_record(30, SZ, 0, 0, False, b"raw")
    with pytest.raises(ValueError, match="an empty state is not stored"):
        to_record(State())


# -- invariants --------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("state", "named"), [
    (State(EMPTY, [Sibling(1, SX, b"")]), "own dot is not covered"),
    (State(Context(clock=[(SX, 2)]), [Sibling(1, SX, b"")]), "the greatest dot is not among"),
    (State(Context(clock=[(SX, 1)]), [Sibling(1, SX, b"")] * 2), "out of order"),
    (State(Context((2, BX), [(SX, 3)]), [Sibling(3, SX, b""), Sibling(1, BX, b"")]), "horizon and the blind"),
    (State(Context((2, BX))), "nothing is there"),
])
def test_broken_states_are_noticed(state, named):
    with pytest.raises(AssertionError, match=named):
        check(state)


def test_states_compare_by_content_and_show_it(forked):
    again = decode(encode(forked))
    assert again == forked and hash(again) == hash(forked) and again is not forked
    assert forked != State() and forked != 1 and forked.seen != 1 and forked.siblings[0] != 1
    assert eval(repr(forked)) == forked
    assert (forked.horizon_hlc, forked.horizon_actor) == (10, BX)
    assert (forked.seen.horizon_hlc, forked.seen.horizon_actor) == (10, BX)
    assert len({*forked.siblings, *again.siblings}) == 2
