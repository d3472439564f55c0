"""What a command sees and writes while it runs: nothing leaves, so it may run again from the start."""

from types import SimpleNamespace

import pytest

from cluster.errors import NeedsDisk, PairTooLarge, StoreError
from cluster.hlc import Clock
from cluster.slots import stored_key
from cluster.versions import State, blind, from_record, merge, put
from cluster.view import KeyspaceView, View, state_of_nothing

NOW_MS = 1_700_000_000_000
ACTOR = 7 << 32 | 2
EARLIER = (NOW_MS - 1000) << 16


@pytest.fixture
def view():
    return View(Clock(NOW_MS), ACTOR, pair_bytes_max=100, siblings_max=3)


@pytest.fixture
def keys(view):
    """Database 5, of which everything is read on demand."""
    return KeyspaceView(view, SimpleNamespace(database=5, synchronous=False))


def stored(key):
    return stored_key(5, key)


def seen(view, key, value=None, **fields):
    """The quorum read of a key."""
    view.states[stored(key)] = state_of_nothing() if value is None else blind(
        EARLIER, ACTOR, value, fields.get("tombstone", False), fields.get("deadline_ms", 0))


def written(view, key):
    [change] = [change for change in view.changes() if change[0] == stored(key)]
    return from_record(*change[1:])


def test_what_is_not_read_yet_is_asked_for_once(view, keys):
    for _ in range(2):
        for door in (keys.get, keys.exists, keys.deadline, keys.dot, keys.state):
            with pytest.raises(NeedsDisk):
                door(b"a")
    assert view.wanted == [stored(b"a")]
    with pytest.raises(NeedsDisk):
        keys.need([b"a", b"b", b"c"])
    assert view.wanted == [stored(b"a"), stored(b"b"), stored(b"c")]


def test_reading(view, keys):
    seen(view, b"a", b"1", deadline_ms=NOW_MS + 5)
    seen(view, b"none")
    record = keys.get(b"a")
    assert (record.value, record.deadline_ms, record.hlc) == (b"1", NOW_MS + 5, EARLIER)
    assert (keys.exists(b"a"), keys.deadline(b"a")) == (True, NOW_MS + 5)
    assert keys.dot(b"a") == (EARLIER, ACTOR, 0, False)
    assert (keys.get(b"none"), keys.exists(b"none"), keys.deadline(b"none"), keys.dot(b"none")) == (
        None, False, -2, None)
    assert view.changes() == []


def test_what_is_past_its_deadline_or_deleted_is_not_there(view, keys):
    seen(view, b"a", b"1", deadline_ms=NOW_MS)
    seen(view, b"b", b"", tombstone=True)
    for key in (b"a", b"b"):
        assert (keys.get(key), keys.exists(key), keys.deadline(key)) == (None, False, -2)
    assert keys.dot(b"a")[3] and not keys.dot(b"b")[3]


def test_a_write_without_a_look_is_blind(view, keys):
    keys.put(b"a", b"1", NOW_MS + 9)
    keys.delete(b"b")
    for key, tombstone in ((b"a", False), (b"b", True)):
        [sibling] = written(view, key).siblings
        assert sibling.actor == ACTOR and sibling.tombstone == tombstone
        assert written(view, key).covers(EARLIER, 5)             # everything older
    assert view.wanted == []


def test_a_write_after_a_look_replaces_just_what_was_seen(view, keys):
    seen(view, b"a", b"1")
    elsewhere = put(State(), State().seen, EARLIER + 5, 9 << 32 | 3, b"concurrent", False, 0, 3)
    keys.get(b"a")
    keys.put(b"a", b"2")
    mine = written(view, b"a")
    assert [(sibling.value, sibling.actor) for sibling in mine.siblings] == [(b"2", ACTOR | 1)]
    assert mine.covers(EARLIER, ACTOR)
    assert len(merge(mine, elsewhere).siblings) == 2


def test_a_deletion_after_a_look_does_so_too(view, keys):
    seen(view, b"a", b"1")
    keys.get(b"a")
    keys.delete(b"a")
    [sibling] = written(view, b"a").siblings
    assert (sibling.tombstone, sibling.actor) == (True, ACTOR | 1)


def test_whether_it_exists_is_no_look_at_the_value(view, keys):
    seen(view, b"a", b"1")
    assert keys.exists(b"a")
    keys.delete(b"a")
    assert written(view, b"a").siblings[0].actor == ACTOR


def test_later_commands_see_earlier_ones(view, keys):
    keys.put(b"a", b"1")
    first = keys.dot(b"a")
    assert keys.get(b"a").value == b"1"
    keys.put(b"a", b"2")
    assert keys.get(b"a").value == b"2" and keys.dot(b"a")[:1] > first[:1]
    keys.delete(b"a")
    assert keys.get(b"a") is None
    assert len(view.changes()) == 1


def test_a_version_of_the_commands_own_is_written_with_its_deadline(view, keys):
    """SET and EXPIRE in one transaction: a write as SET ... EX is, that may be stamped again."""
    seen(view, b"a", b"old")
    keys.put(b"a", b"1")
    keys.annotate(b"a", keys.get(b"a"), NOW_MS + 50)
    [(_, hlc, actor, deadline_ms, annotation, tombstone, value)] = view.changes()
    assert hlc > EARLIER and (deadline_ms, annotation, value) == (NOW_MS + 50, 0, b"1")


def test_an_annotation_keeps_the_dot(view, keys):
    seen(view, b"a", b"1")
    record = keys.get(b"a")
    keys.annotate(b"a", record, NOW_MS + 50)
    assert (keys.deadline(b"a"), keys.get(b"a").value) == (NOW_MS + 50, b"1")
    [(_, hlc, actor, deadline_ms, annotation, tombstone, value)] = view.changes()
    assert (hlc, actor, deadline_ms, tombstone, value) == (EARLIER, ACTOR, NOW_MS + 50, False, b"1")
    assert annotation > EARLIER


def test_each_run_begins_anew(view, keys):
    seen(view, b"a", b"1")
    keys.get(b"a")
    keys.put(b"a", b"2")
    view.begin()
    assert view.changes() == [] and keys.get(b"a").value == b"1"
    view.begin()
    keys.put(b"a", b"3")
    assert written(view, b"a").siblings[0].actor == ACTOR       # the look of the last run is forgotten


def test_limits(view, keys):
    with pytest.raises(PairTooLarge):
        keys.put(b"k" * 50, b"v" * 51)
    keys.put(b"k" * 50, b"v" * 50)
    view.pair_bytes_max = 1 << 20
    for door in (keys.get, keys.exists, lambda key: keys.put(key, b"")):
        with pytest.raises(StoreError):
            door(b"k" * 65_530)
    with pytest.raises(StoreError, match="a whole database is not deleted inside a transaction"):
        keys.flush()


def test_walks_load_on_the_spot_and_leave_things_as_they_were(view):
    calls = []

    class Local:
        database, synchronous = 0, False

        def page(self, cursor, count):
            calls.append((cursor, count, self.synchronous))
            return 0, [b"a"]

        def size(self):
            calls.append(self.synchronous)
            return 3

    local = Local()
    keys = KeyspaceView(view, local)
    assert (keys.page(5, 7), keys.size()) == ((0, [b"a"]), 3)
    assert calls == [(5, 7, True), True] and not local.synchronous
