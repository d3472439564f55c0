import random
import time

import pytest

from resp_kv.commands.pattern import matches


@pytest.mark.parametrize(("pattern", "text", "expected"), [
    ("", "", True), ("*", "", False), ("*", "a", True), ("**", "a", True), ("?", "", False),
    ("?", "a", True), ("?", "ab", False), ("a*", "a", True), ("a**", "a", True), ("*a", "ba", True),
    ("a*b*c", "aXbXc", True), ("a*b*c", "aXbX", False), ("[abc]", "b", True), ("[abc]", "d", False),
    ("[^abc]", "d", True), ("[^abc]", "a", False), ("[a-c]", "b", True), ("[c-a]", "b", True),
    ("[a-", "a", True), ("[a-", "-", True), ("[a", "a", True), ("[", "a", False), ("[^", "a", True),
    ("[]", "a", False), ("[^]", "a", True), ("[\\]]", "]", True), ("[a\\-c]", "-", True),
    ("[a\\-c]", "b", False), ("\\*", "*", True), ("\\*", "a", False), ("\\", "\\", True),
    ("a\\", "a\\", True), ("*\\", "x\\", True), ("h?llo", "hello", True), ("h*llo", "heeeello", True),
    ("h[^e]llo", "hallo", True), ("h[a-b]llo", "hillo", False), ("*[x]", "aax", True)])
def test_odd_and_even_cases(pattern, text, expected):
    assert matches(pattern.encode(), text.encode()) is expected


def test_ranges_compare_signed_bytes():
    assert matches(b"[a-\xff]", b"A")       # -1 to 97
    assert not matches(b"[a-\xff]", b"z")


def test_no_pattern_takes_exponential_time():
    start = time.process_time()
    assert not matches(b"a*" * 40 + b"b", b"a" * 2000)
    assert not matches(b"*a" * 500 + b"b", b"a" * 5000)
    assert time.process_time() - start < 5       # exponential would be for ever


def simple(pattern, text):
    """The dumb twin: tries every way. Stars and question marks only."""
    if not pattern:
        return not text
    if pattern[:1] == b"*":
        return any(simple(pattern[1:], text[i:]) for i in range(len(text) + 1))
    return bool(text) and pattern[:1] in (b"?", text[:1]) and simple(pattern[1:], text[1:])


def test_stars_agree_with_trying_every_way():
    source = random.Random(3)
    for _ in range(3000):
        pattern = bytes(source.choices(b"ab*?", k=source.randrange(7)))
        text = bytes(source.choices(b"ab", k=source.randrange(1, 8)))
        assert matches(pattern, text) == simple(pattern, text), (pattern, text)
