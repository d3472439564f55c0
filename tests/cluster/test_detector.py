from types import SimpleNamespace

import pytest

from cluster.detector import DOWN, SUSPECT, UNREACHABLE, UP, Detector, Limits

LIMITS = Limits.of_period(1000)


class Watch:
    """Member 0's detector, and hands to move the others."""

    def __init__(self, count):
        self.rows = [SimpleNamespace(generation=1, heartbeat=10) for _ in range(count)]
        self.changes, self.now = [], 0
        self.detector = Detector(self.rows, 0, LIMITS, 0, lambda *change: self.changes.append(change))

    def beat(self, *members):
        for member in members:
            self.rows[member].heartbeat += 1
            self.detector.heard(member, self.now)
            self.detector.contact(member, self.now)

    def run(self, seconds, *lively, answers=True):
        """Ask everybody, hear the lively ones each second, look four times as often."""
        for quarter in range(int(seconds * 4)):
            self.now += 250
            if quarter % 4 == 0:
                self.beat(*lively)
                for member in range(1, len(self.rows)):
                    self.detector.asked(member, self.now)
            self.detector.check(self.now, 250)

    def report(self, reporter, member, behind=0):
        row = self.rows[member]
        return self.detector.reported(reporter, ((member, row.generation, row.heartbeat - behind),))

    def state(self, member):
        return self.detector.states[member]


def test_whoever_beats_is_up():
    watch = Watch(4)
    watch.run(60, 1, 2, 3)
    assert watch.detector.states == [UP] * 4
    assert watch.changes == []
    assert watch.detector.suspects() == ()


def test_silence_makes_suspect_and_a_second_voice_down():
    watch = Watch(4)
    watch.run(10, 1, 2, 3)
    watch.run(6, 1, 2)
    assert watch.state(3) == SUSPECT
    assert watch.detector.suspects() == ((3, 1, 20),)
    assert watch.detector.alive[3] == 1
    assert watch.report(1, 3)
    assert watch.state(3) == DOWN
    assert watch.detector.alive[3] == 0
    assert watch.changes == [(3, UP, SUSPECT), (3, SUSPECT, DOWN)]
    assert watch.detector.reporters(3) == [0, 1]


def test_two_others_are_enough():
    watch = Watch(4)
    watch.run(3, 1, 2, 3)
    watch.report(1, 3)
    assert watch.state(3) == UP
    watch.report(2, 3)
    assert watch.state(3) == DOWN


def test_a_report_of_an_old_heartbeat_does_not_count():
    watch = Watch(4)
    watch.run(3, 1, 2, 3)
    watch.report(1, 3)
    watch.report(2, 3, behind=1)
    assert watch.state(3) == UP
    assert watch.detector.reporters(3) == [1]


def test_a_fresher_heartbeat_refutes_every_report():
    watch = Watch(4)
    watch.run(3, 1, 2, 3)
    watch.report(1, 3)
    watch.beat(3)
    watch.report(2, 3, behind=1)
    assert watch.state(3) == UP
    assert watch.detector.reporters(3) == []


def test_a_report_is_taken_back():
    watch = Watch(4)
    watch.run(3, 1, 2, 3)
    watch.report(1, 3)
    assert watch.detector.reported(1, ())
    assert not watch.detector.reported(1, ())
    watch.report(2, 3)
    assert watch.state(3) == UP


def test_reports_die_with_the_process_that_made_them():
    watch = Watch(4)
    watch.run(3, 1, 2, 3)
    watch.report(1, 3)
    watch.rows[1].generation = 2
    watch.beat(1)
    watch.report(2, 3)
    assert watch.state(3) == UP


def test_a_suspect_is_no_witness():
    watch = Watch(4)
    watch.run(5, 1, 2, 3)
    watch.run(6, 2, 3)
    watch.report(1, 3)
    watch.report(2, 3)
    assert watch.state(1) == SUSPECT
    assert watch.state(3) == UP


def test_up_again_takes_a_fresher_heartbeat_and_a_contact():
    watch = Watch(4)
    watch.run(3, 1, 2, 3)
    watch.report(1, 3)
    watch.report(2, 3)
    watch.detector.contact(3, watch.now)
    assert watch.state(3) == DOWN
    watch.rows[3].heartbeat += 1
    watch.detector.heard(3, watch.now)
    assert watch.state(3) == DOWN
    watch.detector.contact(3, watch.now)
    assert watch.state(3) == UP
    assert watch.detector.alive[3] == 1


def test_of_two_nodes_one_voice_is_all_there_are():
    watch = Watch(2)
    watch.run(5, 1)
    watch.run(6)
    assert watch.state(1) == DOWN


def test_an_isolated_node_doubts_itself():
    watch = Watch(5)
    watch.run(10, 1, 2, 3, 4)
    watch.run(600)
    assert watch.detector.lonely
    assert watch.detector.suspects() == ()
    assert watch.changes == []
    watch.run(3, 1)  # somebody speaks again: the silence of the others begins only now
    assert watch.changes == []
    watch.run(4, 1)
    assert [watch.state(member) for member in range(5)] == [UP, UP, SUSPECT, SUSPECT, SUSPECT]


def test_of_three_nodes_two_that_refuse_are_not_waited_for():
    watch = Watch(3)
    watch.run(5, 1, 2)
    for _ in range(6):
        watch.detector.refused(1, watch.now)
        watch.detector.refused(2, watch.now)
        watch.run(1)
    assert watch.detector.states == [UP, DOWN, DOWN]


def test_a_refusal_is_routed_around_at_once_and_is_not_down():
    watch = Watch(4)
    watch.run(3, 1, 2, 3)
    watch.detector.refused(3, watch.now)
    assert watch.state(3) == UNREACHABLE
    assert watch.detector.alive[3] == 0
    watch.detector.contact(3, watch.now)
    assert watch.state(3) == UP
    assert watch.detector.alive[3] == 1


def test_a_late_word_of_the_dead_does_not_undo_a_refusal():
    watch = Watch(4)
    watch.run(3, 1, 2, 3)
    watch.detector.refused(3, watch.now)
    watch.rows[3].heartbeat += 1
    watch.now += 2000
    watch.detector.heard(3, watch.now)
    assert watch.state(3) == UNREACHABLE
    watch.rows[3].heartbeat += 1
    watch.now += 3000
    watch.detector.heard(3, watch.now)
    assert watch.state(3) == UP


def test_a_restart_undoes_a_refusal():
    watch = Watch(4)
    watch.run(3, 1, 2, 3)
    watch.detector.refused(3, watch.now)
    watch.rows[3].generation, watch.rows[3].heartbeat = 2, 1
    watch.detector.heard(3, watch.now)
    assert watch.state(3) == UP


def test_nobody_is_suspected_who_was_not_asked():
    watch = Watch(4)
    for _ in range(40):
        watch.now += 250
        watch.beat(1, 2)
        watch.detector.check(watch.now, 250)
    assert watch.state(3) == UP
    watch.detector.asked(3, watch.now)
    watch.run(1.25, 1, 2)
    assert watch.state(3) == SUSPECT


@pytest.mark.parametrize("late_ms", [1500, 30_000])
def test_a_node_that_stood_still_reports_nobody_for_a_while(late_ms):
    watch = Watch(4)
    watch.run(10, 1, 2, 3)
    watch.run(6, 1, 2)
    assert watch.detector.suspects()
    watch.now += late_ms
    watch.detector.check(watch.now, 250)
    assert watch.detector.doubts_itself(watch.now)
    assert watch.detector.suspects() == ()
    assert watch.state(3) == UP
    watch.report(1, 2)
    watch.report(3, 2)
    assert watch.state(2) == UP  # it declares nobody down either
    watch.run(2, 1, 2)
    assert watch.detector.suspects() == ()


def test_a_short_pause_is_no_reason_for_doubt():
    watch = Watch(4)
    watch.run(10, 1, 2, 3)
    watch.now += 450
    watch.detector.check(watch.now, 250)
    assert not watch.detector.doubts_itself(watch.now)


def test_whoever_beats_irregularly_gets_more_patience():
    watch = Watch(4)
    assert watch.detector.patience(3) == LIMITS.floor
    for step in range(200):
        watch.now += 500 if step % 2 else 4000
        watch.beat(1, 2, 3)
    assert 8000 < watch.detector.patience(3) < 14_000
    watch.detector.variance[3] = 1e12
    assert watch.detector.patience(3) == LIMITS.ceiling


def test_a_member_that_freezes_now_and_then_earns_no_patience():
    watch = Watch(4)
    watch.run(50, 1, 2, 3)
    usual = watch.detector.patience(3)
    for _ in range(10):
        watch.run(20, 1, 2)
        watch.report(1, 3)
        watch.report(2, 3)
        assert watch.state(3) == DOWN
        watch.run(20, 1, 2, 3)
    assert watch.detector.patience(3) <= 1.5 * usual


def test_the_first_few_witnesses_are_enough():
    watch = Watch(6)
    watch.run(5, 1, 2, 3, 4, 5)
    watch.report(1, 5)
    watch.report(2, 5)
    watch.run(8, 1, 2, 3, 4)
    assert watch.state(5) == DOWN
    assert watch.detector.suspects() == ()       # two others say it already
    watch.detector.reported(1, ())
    watch.run(1, 1, 2, 3, 4)
    assert watch.detector.suspects() == ((5, 1, watch.rows[5].heartbeat),)


def test_a_new_document_takes_over_what_is_known():
    watch = Watch(4)
    watch.run(3, 1, 2, 3)
    watch.report(1, 3)
    watch.report(2, 3)
    rows = [watch.rows[member] for member in (0, 3, 1)]  # member 2 left, the others have new indices
    for row in rows:
        row.suspects = ()
    newer = Detector(rows, 0, LIMITS, watch.now)
    newer.inherit(watch.detector, [0, 2, -1, 1])
    assert newer.states == [UP, DOWN, UP]
    assert bytes(newer.alive) == b"\1\0\1"
    assert newer.heard_at[2] == watch.detector.heard_at[1]
