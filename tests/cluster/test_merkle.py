"""Trees by example: what they depend on, what they leave out, how they find a difference."""

import random

import pytest

from cluster.hlc import Clock
from cluster.merkle import Gather, Tree, leaf_start, record_digest
from cluster.parcels import packed, unpacked
from cluster.replica import Replica
from cluster.slots import slot_of, stored_key
from cluster.versions import blind, encode, merge, put, to_record
from engine import Engine
from resp_kv.shell.store import EngineStore

ACTOR = 1 << 32 | 2
HLC = 1_700_000_000_000 << 16


class Held:
    """One replica with one partition of all slots."""

    def __init__(self, folder):
        self.engine = Engine.open(folder)
        self.store = EngineStore(self.engine)
        self.replica = Replica(self.store, Clock(1_700_000_000_000))
        self.tree = Tree(0, 0, 16384, self.replica.dirty_address)

    def put(self, key, hlc=1, value=b"v", actor=ACTOR, deadline_ms=0, annotation=0, tombstone=False):
        self.engine.write_room()
        self.replica.apply_all([(stored_key(0, key), HLC + hlc, actor, deadline_ms, annotation, tombstone,
                                 value)])

    def put_state(self, key, state):
        hlc, actor, deadline_ms, tombstone, value = to_record(state)
        self.replica.apply_all([(stored_key(0, key), hlc, actor, deadline_ms, 0, tombstone, value)])

    def walk(self, walk):
        work = self.store.walk(walk)
        work.run()
        work.close()
        assert walk.error is None
        return walk

    def root(self):
        """Up to date. Also how many records it took to find."""
        summary = self.tree.begin()
        if summary is None:
            return self.tree.root, 0
        self.tree.put(self.walk(summary))
        return self.tree.root, summary.records


@pytest.fixture
def held(tmp_path):
    opened = []

    def make():
        opened.append(Held(tmp_path / str(len(opened))))
        return opened[-1]

    yield make
    for each in opened:
        each.engine.close()


def keys(count):
    return [b"key:%d" % number for number in range(count)]


def test_order_and_place_do_not_matter(held):
    one, other = held(), held()
    names = keys(500)
    for name in names:
        one.put(name)
    random.Random(1).shuffle(names)
    for number, name in enumerate(names):
        other.put(name)
        if number == 250:
            other.engine.flush()
    assert one.root()[0] == other.root()[0] != 0


@pytest.mark.parametrize("change", [
    {"hlc": 2}, {"actor": ACTOR + 2}, {"deadline_ms": 5}, {"annotation": 7, "deadline_ms": 5},
    {"tombstone": True}])
def test_everything_counts_that_replicas_agree_on(held, change):
    one, other = held(), held()
    one.put(b"a")
    other.put(b"a", **change)
    assert one.root()[0] != other.root()[0]


def test_the_value_does_not_count_but_its_key_does():
    version = (HLC, ACTOR, 0, 0, False, b"value")
    digest = record_digest(stored_key(0, b"a"), *version)[0]
    assert digest == record_digest(stored_key(0, b"a"), *version[:-1], b"rotten")[0]
    assert digest != record_digest(stored_key(0, b"b"), *version)[0]
    assert digest != record_digest(stored_key(1, b"a"), *version)[0]


def test_a_causal_record_counts_by_its_content(held):
    """How often and when it was merged is each replica's own."""
    one, other = held(), held()
    first = put(blind(HLC + 1, ACTOR, b"0"), blind(HLC + 1, ACTOR, b"0").seen, HLC + 2, ACTOR | 1, b"1")
    second = put(first, first.seen, HLC + 3, (ACTOR + 8) | 1, b"2")
    one.put_state(b"a", merge(first, second))
    other.put_state(b"a", first)
    assert one.root()[0] != other.root()[0]
    other.put_state(b"a", second)
    assert one.root()[0] == other.root()[0]
    key = stored_key(0, b"a")
    hlc, actor, _, _, _ = to_record(second)
    assert record_digest(key, hlc, actor, 0, 5, False, encode(second)) == record_digest(
        key, hlc, actor, 0, 6, False, encode(second))


def test_time_alone_changes_nothing(held):
    one = held()
    one.put(b"a", deadline_ms=1_700_000_000_001)
    before, _ = one.root()
    one.tree.make_dirty()
    one.replica.clock.now_ms += 10_000
    assert one.root() == (before, 1)


def test_only_dirty_leaves_are_read_again(held):
    one = held()
    for name in keys(5000):
        one.put(name)
    before, read = one.root()
    assert read == 5000
    assert one.root() == (before, 0)
    one.put(b"key:7", hlc=2)
    assert one.tree.dirty_leaves() == 1
    after, read = one.root()
    assert after != before and 1 <= read < 10
    one.tree.make_dirty()
    assert one.root() == (after, 5000)


def test_what_is_written_during_a_walk_stays_dirty(held):
    one = held()
    one.put(b"a")
    summary = one.tree.begin()
    one.put(b"a", hlc=2)
    one.tree.put(one.walk(summary))
    assert one.tree.dirty_leaves() == 1
    again = held()
    again.put(b"a", hlc=2)
    assert one.root()[0] == again.root()[0]


def test_a_cancelled_walk_leaves_all_dirty(held):
    one = held()
    one.put(b"a")
    one.tree.cancel(one.tree.begin())
    assert one.root()[1] == 1


def line(hlc=0, ms=0):
    return HLC + hlc + (ms << 16)


def test_what_may_be_purged_is_left_out(held):
    """Above the line tombstones and expired records count, below it no more."""
    one, without = held(), held()
    for each in (one, without):
        each.put(b"stays")
    one.put(b"gone", hlc=5, tombstone=True)
    one.put(b"expired", hlc=5, deadline_ms=1_700_000_000_003)
    root, _ = without.root()
    assert one.root()[0] != root
    one.tree.use_line(line(5))
    assert one.root()[0] != root                      # the line is not above the dot
    one.tree.use_line(line(6))
    half, read = one.root()
    assert half != root and read == 1                 # the tombstone; only its slot was read
    one.tree.use_line(line(0, ms=2))
    assert one.root()[0] == half                      # not yet expired by the line's time
    one.tree.use_line(line(0, ms=3))
    assert one.root()[0] == root


def test_an_annotation_above_the_line_counts(held):
    one, without = held(), held()
    one.put(b"a", hlc=1, annotation=HLC + (9 << 16), deadline_ms=1_700_000_000_003)
    one.tree.use_line(line(0, ms=8))
    assert one.root()[0] != without.root()[0]
    one.tree.use_line(line(1, ms=9))
    assert one.root()[0] == without.root()[0]


def test_a_line_that_rises_during_a_walk(held):
    one, without = held(), held()
    one.put(b"gone", hlc=5, tombstone=True)
    summary = one.tree.begin()
    one.tree.use_line(line(6))
    one.tree.put(one.walk(summary))
    assert one.root()[0] == without.root()[0]


def test_the_way_down_to_the_difference(held):
    one, other = held(), held()
    for name in keys(3000):
        one.put(name)
        other.put(name)
    other.put(b"key:9", hlc=2)
    one.root(), other.root()
    slots = one.tree.differing_slots(other.tree.slot_texts())
    assert slots == [slot_of(b"key:9")]
    leaves = one.tree.differing_leaves(slots, other.tree.leaf_texts(slots))
    bucket = stored_key(0, b"key:9")[2]
    assert leaves == [slots[0] * 64 + bucket // 4]
    assert leaf_start(leaves[0]) <= stored_key(0, b"key:9") < leaf_start(leaves[0] + 1)


def test_a_missing_and_an_additional_leaf_differ(held):
    one, other = held(), held()
    one.put(b"a")
    one.root(), other.root()
    slots = one.tree.differing_slots(other.tree.slot_texts())
    assert len(one.tree.differing_leaves(slots, other.tree.leaf_texts(slots))) == 1
    assert len(other.tree.differing_leaves(slots, one.tree.leaf_texts(slots))) == 1


def test_texts_of_another_length_are_refused(held):
    one = held()
    with pytest.raises(ValueError):
        one.tree.differing_slots(b"12345678")
    with pytest.raises(ValueError):
        one.tree.differing_leaves([0, 1], bytes(8))
    with pytest.raises(ValueError):
        one.tree.leaf_texts([16384])


WHOLE = [(b"", b"\x40")]


def test_gather_packs_what_the_other_lacks(held):
    one, other = held(), held()
    for name in keys(100):
        one.put(name)
    for name in keys(90) + [b"other"]:
        other.put(name)
    mine = one.walk(Gather(WHOLE, 0))
    theirs = other.walk(Gather(WHOLE, 0, known=mine.digests, parcel_bytes_max=1 << 20))
    assert [record[0] for record in unpacked(theirs.parcel)] == [stored_key(0, b"other")]
    wanted = theirs.missing()
    assert len(wanted) == 80
    sent = one.walk(Gather(WHOLE, 0, known=wanted, wants_known=True, parcel_bytes_max=1 << 20))
    assert sorted(record[0] for record in unpacked(sent.parcel)) == sorted(
        stored_key(0, name) for name in keys(100)[90:])


def test_gather_stops_at_its_limits_and_goes_on(held):
    one = held()
    for name in keys(100):
        one.put(name, value=bytes(100))
    seen, start, walks = [], b"", 0
    while start is not None:
        walk = one.walk(Gather([(start, b"\x40")], 0, wants_all=True, parcel_bytes_max=1000))
        seen += [record[0] for record in unpacked(walk.parcel)]
        start, walks = walk.stopped_at, walks + 1
    assert seen == sorted(stored_key(0, name) for name in keys(100))
    assert walks > 10
    few = one.walk(Gather(WHOLE, 0, digests_max=7))
    assert len(few.digests) == 56 and few.stopped_at is not None


def test_parcels_there_and_back():
    records = [(stored_key(0, b"a"), 1, ACTOR, 0, 0, False, b"v"),
               (stored_key(0, b"b"), 1, ACTOR, 7, 9, False, b""),
               (stored_key(0, b"c"), 1, ACTOR, 0, 0, True, b""),
               (stored_key(0, b"d"), 1, ACTOR | 1, 7, 0, False, bytes(1000))]
    assert unpacked(packed(records)) == records
    for cut in range(1, len(packed(records[:1]))):
        with pytest.raises(ValueError):
            unpacked(packed(records[:1])[:cut])
