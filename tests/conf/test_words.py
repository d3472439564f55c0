"""Quoting and escaping, as redis.conf has them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conf.words import UnbalancedQuotes, quoted, split_words


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  \t ", []),
        ("port 7000", ["port", "7000"]),
        ("  bind  a\tb  ", ["bind", "a", "b"]),
        ('save ""', ["save", ""]),
        ("save ''", ["save", ""]),
        ('a "b c" d', ["a", "b c", "d"]),
        (r'a "\x41\n\t\"\\\q"', ["a", 'A\n\t"\\q']),
        (r"a 'it\'s \n'", ["a", "it's \\n"]),
        (r'"\xc3\xa9"', ["é"]),
        (r'"\xff"', [b"\xff".decode("utf-8", "surrogateescape")]),
        ('pre"fix ed"', ["prefix ed"]),
        ("a#b", ["a#b"]),
    ],
)
def test_words(line, words):
    assert split_words(line) == words


@pytest.mark.parametrize("line", ['"a', "'a", 'a "b"c', "'a'b", '"a\\"', '"', "'"])
def test_unbalanced_quotes(line):
    with pytest.raises(UnbalancedQuotes):
        split_words(line)


@pytest.mark.parametrize("word", ["7000", "a/b.conf", "*", "-::1"])
def test_safe_words_stay_bare(word):
    assert quoted(word) == word


@given(st.lists(st.binary()))
def test_quoted_words_come_back(words):
    texts = [word.decode("utf-8", "surrogateescape") for word in words]
    assert split_words(" ".join(map(quoted, texts))) == texts
