"""A round: one partition, compared with all its other replicas until all have the same.

The star: this node compares with one replica after the other, so it collects what any of them has, and
goes back to those that it met before it learnt something old. When it has met each since then, all
replicas have everything that any of them had before `before_hlc` at the start of the round: the partition
is *verified* up to there, if every replica took part.

    before_hlc   the start of the round, less the time for which a write may still be under way (its
                 time-out and the drift of clocks), and not beyond what some replica holds back (hints)

What is younger is exchanged as well. If an operator waits, whoever was met before that was learnt is met once
more; otherwise the next round will do, since most of it are writes under way.

The round of a node that lost its data ends when it has met all others: then it is *refilled*. Whoever
starts a round, it is the same; usually it is the first replica that lives (anti_entropy.py).
"""

from cluster.exchange import Session
from cluster.repair_format import ENDLESS, MARK, REFUSED, encode_mark

SESSIONS_MAX = 6           # with each replica on average, in one round
SWEEPS = 2                 # for what is young


class Round:
    """`then(round)` at the end; `error` names what kept the partition from being verified."""

    def __init__(self, repairer, part, members, missing, before_hlc, then):
        self.repairer, self.part, self.then = repairer, part, then
        self.members, self.missing = list(members), list(missing)
        self.before_hlc, self.began_ms = before_hlc, repairer.env.monotonic_ms
        self.unmet = list(members)         # not met since something old was learnt from another
        self.again = []                    # not met since something young was
        self.asked = part.asked
        self.sweeps = SWEEPS if part.asked else 0
        self.failed = {}
        self.verified_hlcs = {}
        self.limit = ENDLESS
        self.sessions_left = SESSIONS_MAX * max(1, len(self.members))
        self.error = None
        self.verified = False

    def start(self):
        self.next_member()

    def next_member(self):
        if not self.unmet and self.again and self.sweeps:
            self.sweeps -= 1
            self.unmet, self.again = self.again, []
        if not self.unmet:
            self.conclude()
            return
        if self.sessions_left == 0:
            self.end("the replicas change faster than they can be compared")
            return
        self.sessions_left -= 1
        Session(self.repairer, self.part, self.unmet.pop(0), self.before_hlc, self.met).start()

    def met(self, session):
        member = session.member
        self.repairer.count(session)
        if session.error is not None:
            self.failed[member] = session.error
        else:
            self.verified_hlcs[member] = session.their_verified
            self.limit = min(self.limit, session.their_limit)
        others = [other for other in self.members if other != member and other not in self.failed]
        if session.changed:
            self.unmet += [other for other in others if other not in self.unmet]
        elif session.records_in:
            self.again += [other for other in others if other not in self.again]
        self.next_member()

    def conclude(self):
        part, repairer = self.part, self.repairer
        if self.failed or self.missing:
            self.end(self.complaint())
            return
        if part.refilling:
            repairer.refilled(part)
        self.before_hlc = min(self.before_hlc, self.limit)
        line = min([repairer.marks.verified(part.partition), *self.verified_hlcs.values()])
        self.mark = (self.before_hlc, line)
        self.unmarked = len(self.members)
        if not self.unmarked:
            self.marked_all()
        for member in self.members:
            repairer.ask(member, part, MARK, encode_mark(*self.mark), self.marked)

    def marked(self, fields, body, error):
        if error is None and fields["status"] == REFUSED:
            error = body.decode(errors="replace")
        self.error = self.error or error
        self.unmarked -= 1
        if self.unmarked == 0:
            self.marked_all()

    def marked_all(self):
        if self.error is None:
            self.verified = True
            self.repairer.verify(self.part, *self.mark)
        self.end(self.error)

    def complaint(self):
        names = [f"{self.repairer.name_of(member)} {error}" for member, error in self.failed.items()]
        names += [f"{self.repairer.name_of(member)} cannot be reached" for member in self.missing]
        return "; ".join(names)

    def end(self, error):
        self.error = error
        self.then(self)
