from cluster.journal import BYTES_PER_ENTRY, Journal


def test_losers_by_key_oldest_first():
    journal = Journal(10)
    for hlc, key in ((5, b"a"), (6, b"b"), (4, b"a")):
        journal.note(key, hlc, 2, False, b"value %d" % hlc)
    assert [loser.hlc for loser in journal.of(b"a")] == [5, 4]
    assert journal.of(b"b")[0].value == b"value 6"
    assert journal.of(b"none") == []


def test_the_same_loser_is_noted_once():
    journal = Journal(10)
    for _ in range(3):
        journal.note(b"a", 5, 2, False, b"x")
    assert (journal.noted, len(journal.of(b"a"))) == (1, 1)


def test_the_oldest_go_when_there_are_too_many():
    journal = Journal(3)
    for hlc in range(10):
        journal.note(b"a", hlc, 2, True, b"")
    assert [loser.hlc for loser in journal.of(b"a")] == [7, 8, 9]
    assert journal.noted == 10


def test_bytes_are_bounded_too():
    journal = Journal(4)
    for hlc in range(10):
        journal.note(b"k", hlc, 2, False, b"x" * (BYTES_PER_ENTRY * 2 - 1))
    assert [loser.hlc for loser in journal.of(b"k")] == [8, 9]
    assert journal.bytes == 4 * BYTES_PER_ENTRY
    journal.note(b"k", 11, 2, False, b"x" * BYTES_PER_ENTRY * 5)       # larger than all may be together
    assert (journal.of(b"k"), journal.bytes) == ([], 0)


def test_none_are_kept_where_none_are_wanted():
    journal = Journal(0)
    journal.note(b"a", 1, 2, False, b"x")
    assert (journal.of(b"a"), journal.noted) == ([], 1)
