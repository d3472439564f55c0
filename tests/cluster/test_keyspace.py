"""The keyspace against a dict on a virtual clock, with flushes to tables and restarts in between."""

import tempfile

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from cluster.errors import PairTooLarge
from tests.resp_kv.rig import START_MS, Rig

KEYS = [b"", b"a", b"b", b"{a}1", b"{a}2", b"\x00\xff", b"k" * 500, *(b"n%d" % i for i in range(20))]


@pytest.fixture
def keyspace(rig):
    rig.node.keyspaces[0].synchronous = True
    return rig.node.keyspaces[0]


def test_get_put_delete(keyspace):
    assert keyspace.get(b"a") is None
    assert not keyspace.exists(b"a")
    keyspace.put(b"a", b"1")
    record = keyspace.get(b"a")
    assert (record.value, record.deadline_ms) == (b"1", 0)
    keyspace.delete(b"a")
    assert keyspace.get(b"a") is None


def test_expiry_is_exact_to_the_millisecond(rig, keyspace):
    keyspace.put(b"a", b"1", START_MS + 100)
    assert keyspace.deadline(b"a") == START_MS + 100
    rig.advance(99)
    assert keyspace.exists(b"a") and keyspace.size() == 1
    rig.advance(1)
    assert not keyspace.exists(b"a") and keyspace.size() == 0
    assert keyspace.deadline(b"a") == -2
    assert keyspace.page(0, 1000) == (0, [])


def test_an_annotation_never_brings_an_overwritten_value_back(keyspace):
    keyspace.put(b"a", b"old")
    seen = keyspace.get(b"a")
    keyspace.put(b"a", b"new")
    keyspace.annotate(b"a", seen, START_MS + 5000)
    record = keyspace.get(b"a")
    assert (record.value, record.deadline_ms) == (b"new", 0)


def test_an_annotation_after_a_delete_is_lost_too(rig, keyspace):
    keyspace.put(b"a", b"old")
    seen = keyspace.get(b"a")
    keyspace.delete(b"a")
    keyspace.annotate(b"a", seen, START_MS + 5000)
    assert keyspace.get(b"a") is None
    rig.flush_to_tables()
    assert keyspace.get(b"a") is None


def test_the_later_annotation_of_one_version_wins(rig, keyspace):
    keyspace.put(b"a", b"1")
    rig.flush_to_tables()
    seen = keyspace.get(b"a")
    keyspace.annotate(b"a", seen, START_MS + 5000)
    rig.flush_to_tables()
    keyspace.annotate(b"a", seen, 0)
    assert keyspace.get(b"a").deadline_ms == 0
    assert (keyspace.get(b"a").hlc, keyspace.get(b"a").value) == (seen.hlc, b"1")


def test_a_dot_changes_with_everything_that_happens_to_a_key(rig, keyspace):
    seen = [keyspace.dot(b"a")]
    keyspace.put(b"a", b"1")
    seen.append(keyspace.dot(b"a"))
    keyspace.put(b"a", b"1")
    seen.append(keyspace.dot(b"a"))
    keyspace.annotate(b"a", keyspace.get(b"a"), START_MS + 10)
    seen.append(keyspace.dot(b"a"))
    rig.advance(10)
    seen.append(keyspace.dot(b"a"))
    keyspace.delete(b"a")
    seen.append(keyspace.dot(b"a"))
    keyspace.put(b"a", b"1")
    keyspace.flush()
    seen.append(keyspace.dot(b"a"))
    assert seen[0] is None
    assert all(one != other for one, other in zip(seen, seen[1:]))
    keyspace.put(b"other", b"1")
    assert keyspace.dot(b"a") == seen[-1]


def test_databases_do_not_see_each_other(rig, keyspace):
    other = rig.node.keyspaces[1]
    keyspace.put(b"a", b"0")
    other.put(b"a", b"1")
    assert (keyspace.get(b"a").value, other.get(b"a").value) == (b"0", b"1")
    other.flush()
    assert other.get(b"a") is None
    assert keyspace.get(b"a").value == b"0"
    assert (keyspace.size(), other.size()) == (1, 0)


def test_the_pair_limit_counts_key_and_value(keyspace):
    keyspace.writer.pair_bytes_max = 100
    keyspace.put(b"k" * 40, b"v" * 60)
    with pytest.raises(PairTooLarge, match="101 bytes, the limit is 100 .directive max-pair-bytes"):
        keyspace.put(b"k" * 41, b"v" * 60)
    assert keyspace.get(b"k" * 41) is None


def test_keys_beyond_the_stored_length_are_absent_and_refused(keyspace):
    keyspace.writer.pair_bytes_max = 10**6
    key = b"k" * 65530
    assert keyspace.get(key) is None
    with pytest.raises(PairTooLarge):
        keyspace.put(key, b"")
    keyspace.put(key[1:], b"v")
    assert keyspace.get(key[1:]).value == b"v"


def test_pages_cover_every_key_once_whatever_the_count(rig, keyspace):
    keys = {b"k%d" % i for i in range(500)} | {b"{same}%d" % i for i in range(300)}
    for key in keys:
        keyspace.put(key, b"v" + key)
    rig.flush_to_tables()
    for key in sorted(keys)[:50]:
        keyspace.delete(key)
        keys.discard(key)
    for count in (1, 10, 10**6):
        assert walk(keyspace, count) == {key: b"v" + key for key in keys}


def test_cursors_that_nobody_gave_out(keyspace):
    keyspace.put(b"a", b"1")
    for cursor in (2**64 - 1, 2**22, -1):
        assert keyspace.page(cursor, 10) == (0, [])


def walk(keyspace, count):
    """Everything that SCAN finds, with its values; each key must come once."""
    found, cursor = {}, 0
    while True:
        cursor, keys = keyspace.page(cursor, count)
        for key in keys:
            assert key not in found
            found[key] = keyspace.get(key).value
        if cursor == 0:
            return found


class KeyspaceAgainstDict(RuleBasedStateMachine):
    """`model` is {(database, key): (value, deadline)}; time moves only by `wait`."""

    keys, values = st.sampled_from(KEYS), st.binary(max_size=30)
    databases = st.integers(0, 1)

    def __init__(self):
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.model = {}
        self.now_ms = START_MS
        self.start()

    def start(self):
        self.rig = Rig(self.folder.name)
        self.rig.advance(self.now_ms - START_MS)
        for keyspace in self.rig.node.keyspaces:
            keyspace.synchronous = True

    def teardown(self):
        self.rig.close()
        self.folder.cleanup()

    def live(self, database):
        return {key: (value, deadline) for (db, key), (value, deadline) in self.model.items()
                if db == database and not 0 < deadline <= self.now_ms}

    @rule(db=databases, key=keys, value=values, lifetime=st.sampled_from([0, 0, 0, 1, 50, 10**6]))
    def put(self, db, key, value, lifetime):
        deadline = lifetime and self.now_ms + lifetime
        self.rig.node.keyspaces[db].put(key, value, deadline)
        self.model[db, key] = value, deadline

    @rule(db=databases, key=keys)
    def delete(self, db, key):
        self.rig.node.keyspaces[db].delete(key)
        self.model.pop((db, key), None)

    @rule(db=databases, key=keys, lifetime=st.sampled_from([0, 1, 50, 10**6]))
    def annotate(self, db, key, lifetime):
        keyspace = self.rig.node.keyspaces[db]
        record = keyspace.get(key)
        if record is not None:
            deadline = lifetime and self.now_ms + lifetime
            keyspace.annotate(key, record, deadline)
            self.model[db, key] = record.value, deadline

    @rule(db=databases)
    def flush_database(self, db):
        self.rig.node.keyspaces[db].flush()
        self.model = {place: row for place, row in self.model.items() if place[0] != db}

    @rule(ms=st.sampled_from([1, 49, 50, 1000]))
    def wait(self, ms):
        self.rig.advance(ms)
        self.now_ms += ms

    @rule()
    def flush_to_tables(self):
        self.rig.flush_to_tables()

    @precondition(lambda self: self.model)
    @rule()
    def restart(self):
        self.rig.store.commit()
        self.rig.close()
        self.start()

    @rule(db=databases, key=keys)
    def read(self, db, key):
        record = self.rig.node.keyspaces[db].get(key)
        found = record and (record.value, record.deadline_ms)
        assert found == self.live(db).get(key)

    @rule(db=databases, count=st.sampled_from([1, 7, 1000]))
    def scan(self, db, count):
        expected = {key: value for key, (value, _) in self.live(db).items()}
        assert walk(self.rig.node.keyspaces[db], count) == expected

    @invariant()
    def sizes(self):
        for db in (0, 1):
            assert self.rig.node.keyspaces[db].size() == len(self.live(db))


TestKeyspaceAgainstDict = KeyspaceAgainstDict.TestCase
TestKeyspaceAgainstDict.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None,
    suppress_health_check=[HealthCheck.too_slow])
