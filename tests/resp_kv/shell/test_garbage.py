"""What a compaction may leave out: everything that is seen on one node, nothing unproved on several."""

from types import SimpleNamespace

import pytest

from cluster.hlc import Clock
from resp_kv.shell.background import Background
from resp_kv.shell.cluster_shell import ClusterShell

NOW_MS = 1_700_000_000_000


class Offered:
    """An engine that notes with what it is asked for steps."""

    def __init__(self):
        self.asked = []

    def take_step(self, now_ms, drop_below_hlc):
        self.asked.append((now_ms, drop_below_hlc))


@pytest.fixture
def background():
    clock = Clock(NOW_MS)
    clock.stamp()
    made = Background(None, Offered(), clock, None, reader_threads=1, step_threads=1)
    yield made
    for pool in (made.readers, made.syncer, made.steppers):
        pool.shutdown()


def shell_of(background, members):
    """Just so much of a ClusterShell."""
    shell = ClusterShell.__new__(ClusterShell)
    shell.server = SimpleNamespace(background=background)
    document = None if members is None else SimpleNamespace(members=["member"] * members)
    shell.membership = SimpleNamespace(document=document)
    shell.repairer = None
    background.garbage = shell.garbage
    return shell


def test_a_lone_server_has_seen_all(background):
    background.step_soon()
    assert background.engine.asked == [(NOW_MS, background.clock.last + 1)]


@pytest.mark.parametrize(("members", "expected"), [(None, (0, 0)), (3, (0, 0))])
def test_nothing_goes_that_another_node_may_not_have(background, members, expected):
    shell_of(background, members)
    background.step_soon()
    assert background.engine.asked == [expected]


def test_a_cluster_of_one_has_seen_all(background):
    shell_of(background, 1)
    background.step_soon()
    assert background.engine.asked == [(NOW_MS, background.clock.last + 1)]


def test_several_nodes_go_by_what_they_have_proved(background):
    shell = shell_of(background, 3)
    shell.repairer = SimpleNamespace(garbage=lambda: (7, 7 << 16))
    background.step_soon()
    assert background.engine.asked == [(7, 7 << 16)]
