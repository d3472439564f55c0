from types import SimpleNamespace

from engine.version import Version


def table(number, least=b"a", greatest=b"z", file_bytes=10):
    properties = SimpleNamespace(least_key=least, greatest_key=greatest, file_bytes=file_bytes)
    return SimpleNamespace(number=number, properties=properties)


def test_level_0_is_newest_first_and_others_ascend():
    version = Version.empty(3).replaced((), [(0, table(3)), (0, table(9)), (0, table(4))])
    version = version.replaced((), [(1, table(7, b"m", b"p")), (1, table(8, b"a", b"c"))])
    assert [t.number for t in version.levels[0]] == [9, 4, 3]
    assert [t.number for t in version.levels[1]] == [8, 7]
    assert version.level_bytes(0) == 30


def test_replacing_leaves_the_old_version_alone():
    old = Version.empty(2).replaced((), [(0, table(1)), (0, table(2))])
    new = old.replaced([1, 2], [(1, table(3))])
    assert [t.number for t in old.tables()] == [2, 1]
    assert [(level, t.number) for level, t in new.placed()] == [(1, 3)]


def test_overlapping():
    version = Version.empty(2).replaced((), [(1, table(1, b"a", b"c")), (1, table(2, b"e", b"g"))])
    assert [t.number for t in version.overlapping(1, b"c", b"d")] == [1]
    assert [t.number for t in version.overlapping(1, b"c", b"e")] == [1, 2]
    assert version.overlapping(1, b"d", b"d") == []
