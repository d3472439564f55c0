"""Who is down, as this node sees it. Pure: heartbeats, reports and times go in, states come out.

               silent for too long            enough members say so
        up  ------------------------> suspect ----------------------> down
        ^ \\                            |                               |
        |  `-- connection refused --> unreachable (refuses, and         |
        |                              is routed around at once)        |
        `-- fresher heartbeat ---------'         fresher heartbeat, -----'
                                                 then a direct contact

**Suspicion** is local: a heartbeat stood still for longer than `max(floor, mean + 5.6 deviations)` of
the intervals seen so far, which is phi = 8 of the accrual detector under a normal distribution, and
the member was asked directly meanwhile and did not answer within a period. The node publishes what it
suspects, with the (generation, heartbeat) at which the member stands still.

**Down** takes `min(2, others)` reporters that live themselves and whose report is not older than what
this node knows; `others` are the members besides the suspect that are not down, this node included.
With two members that is one, or nobody could ever be declared down. A member that is silent *and*
refuses connections does not count among the others: of three nodes two of which were killed, the
third is all there are. A fresher heartbeat refutes every report, since reports name a heartbeat.

**Self-doubt.** A node whose own clockwork lagged, or that hears from nobody where at least two could
speak, is more likely ill itself than everyone else. It withdraws its reports, declares nobody down,
and counts no silence for that time. So an isolated node declares nobody down. In what is left of two
nodes neither can tell which of them is cut off: both declare the other down, and stay available.

Down changes routing, never ownership. What is left out: holding a flapping member down for longer,
and any defence against members that lie.

Sources: Hayashibara et al., "The phi Accrual Failure Detector", 2004; Dadgar, Phillips, Currey,
"Lifeguard", 2017; Cassandra's FailureDetector (local pause).
"""

from math import sqrt
from typing import NamedTuple

UP, SUSPECT, UNREACHABLE, DOWN = "up", "suspect", "unreachable", "down"
DEVIATIONS = 5.6        # phi = 8: one false suspicion in 10^8 intervals of a normal distribution
REPORTERS_WANTED = 2
WEIGHT_OF_LAST = 1 / 32  # of an interval in the running mean


class Limits(NamedTuple):
    """Milliseconds. `of_period` gives those that fit a heartbeat's period."""

    period: float
    floor: float        # no silence shorter than this is suspicious
    ceiling: float      # any longer one is, however irregular the member was
    lag: float          # a check that comes later than this finds its own node ill
    doubt: float        # and the node is silent about others for this long, or as long as it lagged
    doubt_max: float
    lonely: float       # without any contact for this long a node doubts itself

    @classmethod
    def of_period(cls, period):
        return cls(period=period, floor=4 * period, ceiling=30 * period, lag=period, doubt=2 * period,
                   doubt_max=10 * period, lonely=3 * period)


class Detector:
    """`rows` are the gossip rows by member (their generation and heartbeat are read, never written).

    `alive[member]` is 1 where requests should go: states up and suspect. `on_change(member, before,
    now)` is called after each change of a state.
    """

    def __init__(self, rows, me, limits, now, on_change=None):
        count = len(rows)
        self.rows, self.me, self.limits = rows, me, limits
        self.on_change = on_change or (lambda member, before, now: None)
        self.alive = bytearray(b"\1" * count)
        self.states = [UP] * count
        self.generations = [row.generation for row in rows]
        self.heard_at = [now] * count       # last fresher heartbeat
        self.mean = [limits.period] * count
        self.variance = [(limits.period / 2) ** 2] * count
        self.reports = [{} for _ in rows]   # reporter -> (generation, heartbeat), of each member
        self.reported_by = [()] * count     # what each member reports now
        self.asked_at = [None] * count      # first direct question since then
        self.silent = [False] * count       # suspected by this node
        self.published = [False] * count    # and reported to the others
        self.refused_at = [None] * count
        self.back = [False] * count         # down, but a fresher heartbeat was heard
        self.checked_at = self.contact_at = now
        self.lagging_until = now
        self.lonely = False

    # What happens

    def heard(self, member, now):
        """The member's row has a fresher heartbeat than before."""
        row = self.rows[member]
        restarted = row.generation != self.generations[member]
        if restarted:
            self.generations[member] = row.generation
            self.reported(member, ())
        else:
            self.learn_interval(member, now - self.heard_at[member])
        self.heard_at[member] = now
        self.asked_at[member] = None
        self.silent[member] = self.published[member] = False
        refused_at = self.refused_at[member]
        # What it said before it died may still be on its way from node to node.
        if refused_at is not None and (restarted or now - refused_at > self.limits.floor):
            self.refused_at[member] = None
        reports = self.reports[member]
        for reporter in [who for who in reports if reports[who] < (row.generation, row.heartbeat)]:
            del reports[reporter]
        self.back[member] = self.states[member] == DOWN
        self.settle(member)

    def asked(self, member, now):
        """A message that wants an answer has gone to the member."""
        if self.asked_at[member] is None:
            self.asked_at[member] = now

    def reported(self, reporter, suspects):
        """The (member, generation, heartbeat) triples that `reporter` suspects now, in place of all
        that it reported before. True if that is something new."""
        if suspects == self.reported_by[reporter]:
            return False
        for member, _, _ in self.reported_by[reporter]:
            self.reports[member].pop(reporter, None)
        self.reported_by[reporter] = suspects
        for member, generation, heartbeat in suspects:
            self.reports[member][reporter] = (generation, heartbeat)
            self.judge(member)
        return True

    def contact(self, member, now):
        """A message came from the member itself."""
        self.contact_at = now
        self.refused_at[member] = None
        if self.back[member]:
            self.back[member] = False
            self.change(member, UP)
        self.settle(member)

    def refused(self, member, now):
        """The member's machine answered that nobody listens there: no requests to it from now on. It
        is evidence, too, that this node itself is not cut off."""
        self.contact_at = now
        self.refused_at[member] = now
        self.settle(member)

    def check(self, now, expected_ms):
        """Look for silence; `expected_ms` is the time that should have passed since the last check."""
        late = now - self.checked_at - expected_ms
        self.checked_at = now
        if late > self.limits.lag:
            self.lagging_until = now + min(max(late, self.limits.doubt), self.limits.doubt_max)
            self.forgive(now)
        lonely = self.is_lonely(now)
        if self.lonely and not lonely:
            self.forgive(now)
        self.lonely = lonely
        if self.doubts_itself(now):
            self.withdraw()
            return
        for member in range(len(self.rows)):
            self.look_at(member, now)
        for member in range(len(self.rows)):
            if self.silent[member] or self.reports[member]:
                self.judge(member)

    def inherit(self, older, index_of):
        """Go on with what the detector of an older document knew; `index_of` gives each of its
        members the index here, or -1."""
        kept = [(was, now) for was, now in enumerate(index_of) if now >= 0 and now != self.me]
        for was, now in kept:
            for name in ("states", "alive", "generations", "heard_at", "asked_at", "mean", "variance",
                         "silent", "published", "refused_at", "back"):
                getattr(self, name)[now] = getattr(older, name)[was]
        for _, now in kept:
            self.reported(now, self.rows[now].suspects)
        self.checked_at, self.contact_at = older.checked_at, older.contact_at
        self.lagging_until, self.lonely = older.lagging_until, older.lonely

    # What follows

    def doubts_itself(self, now):
        return self.lonely or now < self.lagging_until

    def suspects(self):
        """What this node reports. Where enough others do already, it does not add its voice: a
        hundred members that see one silent would all spread the same word."""
        return tuple((member, self.rows[member].generation, self.rows[member].heartbeat)
                     for member in range(len(self.rows)) if self.published[member])

    def patience(self, member):
        """Milliseconds of silence that are nothing special for this member."""
        usual = self.mean[member] + DEVIATIONS * sqrt(self.variance[member])
        return min(max(usual, self.limits.floor), self.limits.ceiling)

    def reporters(self, member):
        """The live members, this one included, whose reports on the member hold."""
        row = self.rows[member]
        known = (row.generation, row.heartbeat)
        reports = self.reports[member]
        found = [who for who in sorted(reports)
                 if reports[who] >= known and self.states[who] == UP and who not in (member, self.me)]
        return sorted(found + [self.me]) if self.silent[member] else found

    # How

    def learn_interval(self, member, interval):
        """What is usual; a silence that was suspicious teaches little, and one after which the member
        was taken for down nothing: a member that freezes now and then would earn ever more patience."""
        if interval < self.limits.ceiling and self.states[member] != DOWN:
            interval = min(interval, self.patience(member))
            difference = interval - self.mean[member]
            self.mean[member] += difference * WEIGHT_OF_LAST
            self.variance[member] += (difference * difference - self.variance[member]) * WEIGHT_OF_LAST

    def is_lonely(self, now):
        if now - self.contact_at <= self.limits.lonely:
            return False
        return sum(state != DOWN for state in self.states) - 1 >= REPORTERS_WANTED

    def forgive(self, now):
        """The time that this node was ill counts as nobody's silence."""
        self.heard_at = [now] * len(self.rows)
        self.asked_at = [None] * len(self.rows)
        self.contact_at = now

    def withdraw(self):
        for member in range(len(self.rows)):
            if self.silent[member]:
                self.silent[member] = self.published[member] = False
                self.settle(member)

    def look_at(self, member, now):
        if member == self.me:
            return
        asked_at = self.asked_at[member]
        if not self.silent[member] and asked_at is not None and now - asked_at >= self.limits.period \
                and now - self.heard_at[member] > self.patience(member):
            self.silent[member] = True
            self.settle(member)
        if self.silent[member] and not self.published[member]:
            self.published[member] = len(self.reporters(member)) - 1 < REPORTERS_WANTED

    def judge(self, member):
        """Down, if enough live members report it."""
        if member == self.me or self.states[member] == DOWN or self.lonely \
                or self.checked_at < self.lagging_until:
            return
        reporters = len(self.reporters(member))
        if reporters >= REPORTERS_WANTED or 0 < self.others(member) <= reporters:
            self.back[member] = False
            self.change(member, DOWN)

    def others(self, member):
        """How many could report the member; this node is always one of them."""
        return sum(self.states[other] != DOWN and not self.is_gone(other)
                   for other in range(len(self.rows)) if other != member)

    def is_gone(self, member):
        return self.silent[member] and self.refused_at[member] is not None

    def settle(self, member):
        """Only `judge` makes a member down, and only a contact ends that."""
        if self.states[member] == DOWN:
            return
        if self.refused_at[member] is not None:
            self.change(member, UNREACHABLE)
        else:
            self.change(member, SUSPECT if self.silent[member] else UP)

    def change(self, member, state):
        before = self.states[member]
        if before != state:
            self.states[member] = state
            self.alive[member] = state in (UP, SUSPECT)
            self.on_change(member, before, state)
