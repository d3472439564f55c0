import random

import pytest

from resp_kv.commands.lcs_table import Rows


@pytest.fixture
def texts(rig):
    rig.run("MSET", "a", "ohmytext", "b", "mynewtext")
    return rig


def test_the_common_subsequence(texts):
    assert texts.run("LCS", "a", "b") == b"mytext"
    assert texts.run("LCS", "a", "b", "LEN") == 6
    assert texts.run("LCS", "a", "absent") == b""
    assert texts.run("LCS", "absent", "b", "LEN") == 0


def test_runs(texts):
    runs = [[[4, 7], [5, 8]], [[2, 3], [0, 1]]]
    assert texts.run("LCS", "a", "b", "IDX") == [b"matches", runs, b"len", 6]
    assert texts.run("LCS", "a", "b", "idx", "minmatchlen", 4) == [b"matches", runs[:1], b"len", 6]
    assert texts.run("LCS", "a", "b", "IDX", "MINMATCHLEN", -5, "WITHMATCHLEN") == [
        b"matches", [[*runs[0], 4], [*runs[1], 2]], b"len", 6]
    assert texts.run("LCS", "a", "absent", "IDX") == [b"matches", [], b"len", 0]


def test_runs_are_a_map_in_resp3(texts):
    texts.run("HELLO", 3)
    assert texts.send("LCS", "a", "b", "IDX", "MINMATCHLEN", 9) == \
        b"%2\r\n$7\r\nmatches\r\n*0\r\n$3\r\nlen\r\n:6\r\n"


def test_errors(texts):
    assert str(texts.run("LCS", "a", "b", "IDX", "LEN")) == \
        "ERR If you want both the length and indexes, please just use IDX."
    assert str(texts.run("LCS", "a", "b", "junk")) == "ERR syntax error"
    assert str(texts.run("LCS", "a", "b", "MINMATCHLEN")) == "ERR syntax error"
    assert str(texts.run("LCS", "a", "b", "MINMATCHLEN", "x")) == \
        "ERR value is not an integer or out of range"


def test_the_memory_limit_is_that_of_redis(rig):
    """A table of four bytes a cell must fit into proto-max-bulk-len."""
    rig.run("CONFIG", "SET", "proto-max-bulk-len", 1024 * 1024)
    rig.run("MSET", "a", "x" * 511, "b", "x" * 511, "c", "x" * 512)
    assert rig.run("LCS", "a", "b", "LEN") == 511
    assert str(rig.run("LCS", "a", "c", "LEN")) == \
        "ERR Insufficient memory, transient memory for LCS exceeds proto-max-bulk-len"


def table(a, b):
    """The textbook table: the dumb twin of the bit rows."""
    lengths = [[0] * (len(b) + 1) for _ in range(len(a) + 1)]
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            lengths[i][j] = (lengths[i - 1][j - 1] + 1 if a[i - 1] == b[j - 1]
                             else max(lengths[i - 1][j], lengths[i][j - 1]))
    return lengths


def walked_back(a, b, lengths):
    common, i, j = [], len(a), len(b)
    while i and j:
        if a[i - 1] == b[j - 1]:
            i, j = i - 1, j - 1
            common.append(a[i])
        elif lengths[i - 1][j] > lengths[i][j - 1]:
            i -= 1
        else:
            j -= 1
    return bytes(reversed(common))


@pytest.mark.parametrize("alphabet", [b"a", b"ab", b"abcd", bytes(range(256))])
def test_bit_rows_agree_with_the_textbook(alphabet):
    source = random.Random(len(alphabet))
    for _ in range(60):
        a, b = [bytes(source.choices(alphabet, k=source.randrange(150))) for _ in range(2)]
        rows, lengths = Rows(a, b), table(a, b)
        common, runs = rows.path()
        assert rows.length == lengths[-1][-1]
        assert common == walked_back(a, b, lengths)
        assert b"".join(a[start:end + 1] for start, end, _, _ in reversed(runs)) == common
        assert b"".join(b[start:end + 1] for _, _, start, end in reversed(runs)) == common
