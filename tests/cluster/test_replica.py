"""What a replica keeps of what it is sent: newest first, siblings merged, the same in any order."""

import itertools

import pytest

from cluster.slots import stored_key
from cluster.versions import State, annotate, blind, merge, put, to_record
from cluster.wire import frame_of, split_frame
from tests.cluster.nodes import START_MS, Nodes

KEY = stored_key(0, b"a")
HLC = (START_MS - 100) << 16
ONE, OTHER = 5 << 32 | 2, 6 << 32 | 2
TAKEN, OLDER = "A0", "A1"                      # acknowledgements: applied, superseded


@pytest.fixture
def nodes(tmp_path):
    made = Nodes(tmp_path, 1)
    made.answers = []
    made[0].answer_frame = lambda link, frame: made.answers.append(frame)
    yield made
    made.close()


@pytest.fixture
def fresh(tmp_path_factory):
    made = []

    def make():
        made.append(Nodes(tmp_path_factory.mktemp("replica"), 1))
        made[-1].answers = []
        made[-1][0].answer_frame = lambda link, frame, all=made[-1].answers: all.append(frame)
        return made[-1]

    yield make
    for each in made:
        each.close()


def send(nodes, state):
    """A version, as a coordinator sends it; how it was acknowledged."""
    hlc, actor, deadline_ms, tombstone, value = to_record(state)
    annotation = 0 if actor & 1 else state.siblings[0].annotation
    nodes[0].coordinator.receive_bytes(0, 0, frame_of(
        "W", KEY, value, hlc=hlc, actor=actor, deadline_ms=deadline_ms, annotation=annotation,
        flags=int(tombstone)))
    nodes.run()
    _, kind, header, _, _ = split_frame(nodes.answers[-1])
    return f"{kind}{header['status']}"


def plain(at, value, actor=ONE):
    return blind(HLC + at, actor, value, False, 0)


def causal(at, value, actor=ONE, over=None):
    return put(over or State(), (over or State()).seen, HLC + at, actor | 1, value, False, 0, 100)


def test_the_newer_of_two_plain_writes_stays(nodes):
    assert send(nodes, plain(5, b"new")) == TAKEN
    assert send(nodes, plain(4, b"old")) == OLDER
    assert send(nodes, plain(5, b"new")) == TAKEN                # again: nothing new, and no loss
    assert nodes.value(0, b"a") == b"new"
    assert send(nodes, plain(5, b"same time", OTHER)) == TAKEN   # the greater actor
    assert nodes.value(0, b"a") == b"same time"


def test_a_plain_write_covers_older_causal_ones(nodes):
    send(nodes, causal(3, b"causal"))
    assert send(nodes, plain(5, b"plain")) == TAKEN
    assert nodes.state(0, b"a") == plain(5, b"plain")


def test_a_plain_write_that_comes_late_is_beside_a_causal_one(nodes):
    """The causal write had not seen it: both are kept, and the writer is told that it is older."""
    send(nodes, causal(5, b"causal"))
    assert send(nodes, plain(3, b"plain", OTHER)) == OLDER
    assert {sibling.value for sibling in nodes.state(0, b"a").siblings} == {b"plain", b"causal"}


def test_a_causal_write_that_has_seen_it_replaces_it(nodes):
    first = plain(3, b"1")
    send(nodes, first)
    assert send(nodes, causal(5, b"2", over=first)) == TAKEN
    assert [sibling.value for sibling in nodes.state(0, b"a").siblings] == [b"2"]


def test_two_that_have_not_seen_each_other_are_siblings(nodes):
    send(nodes, causal(5, b"mine", ONE))
    send(nodes, causal(4, b"yours", OTHER))
    state = nodes.state(0, b"a")
    assert state == merge(causal(5, b"mine", ONE), causal(4, b"yours", OTHER))
    assert len(state.siblings) == 2 and nodes.value(0, b"a") == b"mine"


def test_an_annotation_of_an_overwritten_version_does_nothing(nodes):
    old = plain(3, b"old")
    send(nodes, plain(5, b"new"))
    assert send(nodes, annotate(old, HLC + 3, ONE, START_MS + 9, HLC + 9)) == OLDER
    assert nodes.state(0, b"a") == plain(5, b"new")
    late = annotate(plain(5, b"new"), HLC + 5, ONE, START_MS + 9, HLC + 9)
    assert send(nodes, late) == TAKEN
    assert nodes.state(0, b"a").siblings[0].deadline_ms == START_MS + 9
    assert send(nodes, plain(5, b"new")) == TAKEN                # without it: an older annotation
    assert nodes.state(0, b"a").siblings[0].deadline_ms == START_MS + 9


def test_of_two_annotations_of_one_moment_the_later_deadline_stays(fresh):
    """Two coordinators that do not hear each other."""
    old, ends = plain(3, b"old"), []
    two = [annotate(old, HLC + 3, ONE, START_MS + deadline_ms, HLC + 9) for deadline_ms in (8, 9)]
    for order in (two, two[::-1]):
        nodes = fresh()
        for state in (old, *order):
            assert send(nodes, state) == TAKEN
        ends.append(nodes.state(0, b"a"))
    assert ends == [two[1], two[1]] == [merge(*two), merge(*two[::-1])]


def test_an_annotation_brings_back_nothing_that_was_purged(nodes):
    """It was made of something read before that was deleted, and comes after the proof."""
    nodes[0].coordinator.replica.use_line(0, HLC + 50)
    gone, sibling = plain(3, b"gone"), causal(4, b"gone, too")
    for state in (annotate(gone, HLC + 3, ONE, START_MS + 9, HLC + 60),
                  annotate(sibling, HLC + 4, ONE | 1, START_MS + 9, HLC + 60)):
        assert send(nodes, state) == OLDER and nodes.state(0, b"a") is None
    fresh = causal(70, b"written since", OTHER)
    send(nodes, fresh)
    assert send(nodes, annotate(gone, HLC + 3, ONE, START_MS + 9, HLC + 80)) == OLDER
    assert nodes.state(0, b"a") == fresh


@pytest.mark.parametrize("kind", [plain, causal])
def test_what_is_below_the_line_and_there_may_be_annotated(nodes, kind):
    old = kind(3, b"old")
    send(nodes, old)
    nodes[0].coordinator.replica.use_line(0, HLC + 50)
    dot = old.siblings[0].hlc, old.siblings[0].actor
    late = annotate(old, *dot, START_MS + 9, HLC + 60)
    assert send(nodes, late) == TAKEN and nodes.state(0, b"a") == late


def test_any_order_ends_in_the_same_state(fresh):
    first = plain(1, b"1")
    versions = [first, causal(2, b"2", ONE, first), causal(3, b"3", OTHER, first), plain(2, b"4", OTHER)]
    ends = []
    for order in itertools.permutations(versions):
        nodes = fresh()
        for version in order:
            send(nodes, version)
        ends.append(nodes.state(0, b"a"))
    merged = versions[0]
    for version in versions[1:]:
        merged = merge(merged, version)
    assert all(end == merged for end in ends)


def test_what_comes_from_far_ahead_is_refused(nodes):
    far = blind((START_MS + 60_000) << 16, ONE, b"x", False, 0)
    assert send(nodes, far) == "A4"
    assert nodes.state(0, b"a") is None
    old = plain(3, b"old")
    send(nodes, old)
    assert send(nodes, annotate(old, HLC + 3, ONE, START_MS + 9, (START_MS + 60_000) << 16)) == "A4"
    assert nodes.state(0, b"a") == old


def test_quiet_writes_are_not_acknowledged(nodes):
    nodes[0].coordinator.receive_bytes(0, 0, frame_of("W", KEY, b"x", hlc=HLC, actor=ONE, flags=2))
    nodes.run()
    assert nodes.answers == [] and nodes.value(0, b"a") == b"x"
