import pytest

from cluster import levels
from cluster.levels import BadLevel, code_of, need, text_of

ONE_PLACE = ["a"] * 3
TWO_PLACES = ["a", "a", "b", "b", "a"]


@pytest.mark.parametrize(("word", "code"), [
    ("ONE", 1), (b"two", 2), ("Three", 3), (b"QUORUM", levels.QUORUM), ("all", levels.ALL),
    ("LOCAL_ONE", levels.LOCAL_ONE), ("LOCAL_QUORUM", levels.LOCAL_QUORUM),
    ("each_quorum", levels.EACH_QUORUM), (b"1", 1), ("32", 32)])
def test_words(word, code):
    assert code_of(word, writing=True) == code_of(word, writing=False) == code


@pytest.mark.parametrize("word", ["", "0", "33", "-1", "1.5", "QUORUMS", b"\xff", "٣", "1 ", "x" * 1000])
def test_words_that_are_none(word):
    with pytest.raises(BadLevel, match="unknown consistency level") as caught:
        code_of(word, writing=True)
    assert len(str(caught.value)) < 300


def test_any_is_for_writes():
    assert code_of("any", writing=True) == levels.ANY
    with pytest.raises(BadLevel, match="level ANY is for writes"):
        code_of("ANY", writing=False)


@pytest.mark.parametrize("name", levels.NAMES)
def test_names_come_back(name):
    assert code_of(text_of(levels.NAMES[name]), writing=True) == levels.NAMES[name]


def test_numbers_come_back_as_numbers():
    assert text_of(17) == "17"


@pytest.mark.parametrize(("word", "places", "here", "pairs"), [
    ("ONE", ONE_PLACE, "a", [(0b111, 1)]),
    ("QUORUM", ONE_PLACE, "a", [(0b111, 2)]),
    ("ALL", ONE_PLACE, "a", [(0b111, 3)]),
    ("ANY", ONE_PLACE, "a", [(0b111, 1)]),
    ("2", ONE_PLACE, "a", [(0b111, 2)]),
    ("QUORUM", ["a"], "a", [(0b1, 1)]),
    ("QUORUM", ["a"] * 4, "a", [(0b1111, 3)]),
    ("QUORUM", TWO_PLACES, "b", [(0b11111, 3)]),
    ("LOCAL_ONE", TWO_PLACES, "b", [(0b01100, 1)]),
    ("LOCAL_QUORUM", TWO_PLACES, "b", [(0b01100, 2)]),
    ("LOCAL_QUORUM", TWO_PLACES, "a", [(0b10011, 2)]),
    ("EACH_QUORUM", TWO_PLACES, "a", [(0b10011, 2), (0b01100, 2)]),
])
def test_what_a_level_asks(word, places, here, pairs):
    made = need(code_of(word, writing=True), places, here)
    assert made.pairs() == pairs
    assert made.hint_counts == (word == "ANY")


@pytest.mark.parametrize(("word", "here", "text"), [
    ("4", "a", "level 4 cannot be met: this key has 3 replicas"),
    ("LOCAL_ONE", "c", "level LOCAL_ONE: no replica of this key is in data centre c"),
    ("LOCAL_QUORUM", "c", "no replica of this key is in data centre c")])
def test_what_these_replicas_cannot_give(word, here, text):
    with pytest.raises(BadLevel, match=text):
        need(code_of(word, writing=True), ONE_PLACE, here)
