"""What time it is when the system clock and the other members disagree.

A node whose clock is more than `max-clock-drift` ahead is not believed by the others, which is how one bad
clock cannot poison their order. But it could spoil its own part: what it had stamped in the future would lie
in its own replica, unacknowledged, and win over everything once that time has come; and a clock that is
behind would make it disbelieve all others. So a node goes by the majority:

    the system clock is set      (it moves against the monotonic clock by more than half the drift): the node
                                 stays on the old line, in the same turn, until it has heard whether the new
                                 time is right
    a majority, this node        go by the system clock: the usual case. Also after the machine was suspended,
    included, is near it         when the monotonic clock stood still
    a majority without it is     go by theirs, the median
    near each other elsewhere
    neither                      leave it as it is: two members that disagree cannot tell who is right

"Near" is within `max-clock-drift`. The others' time comes with greetings and gossip. A message is late by
what it took, and a node that was frozen finds those of half a minute in its sockets: so of each member the
sample counts that shows the latest time; one that shows an earlier time counts only when that one is old and
this node has been running for a while.

A pure value: both clocks are arguments. Timestamps never go back, whatever happens here (hlc.pyx).
"""

cdef enum:
    OLD_MS = 60_000            # what was heard before that is no evidence any more
    SLEWED = 1000              # in so many ms a clock may be slewed by one
    PAUSE_MS = 1000            # a turn that comes so late: this node, or its machine, stood still
    DRAIN_MS = 3000            # until what came meanwhile is surely read


cdef class Timekeeper:
    """Of a cluster of so many members, in which this node is number `me`."""

    def __init__(self, int members, int me, int64_t drift_ms_max):
        self.members, self.me, self.drift_ms_max = members, me, drift_ms_max
        self.heard_of = [None] * members

    cdef uint64_t time(self, uint64_t wall_ms, uint64_t monotonic_ms) noexcept:
        """The time to go by; called in each turn, before anything is stamped."""
        cdef int64_t offset_ms = <int64_t>wall_ms - <int64_t>monotonic_ms
        cdef int64_t moved_ms = offset_ms - self.offset_ms
        if self.began and (moved_ms > self.drift_ms_max // 2 or -moved_ms > self.drift_ms_max // 2):
            self.correction_ms -= moved_ms
            self.jumped_ms = monotonic_ms
            self.jumps += 1
        if monotonic_ms > self.turn_ms + PAUSE_MS:
            self.drained_ms = monotonic_ms + DRAIN_MS
        self.began, self.offset_ms, self.turn_ms = True, offset_ms, monotonic_ms
        return <uint64_t>(<int64_t>wall_ms + self.correction_ms)

    def now_ms(self, wall_ms, monotonic_ms):
        """`time`, for Python."""
        return self.time(wall_ms, monotonic_ms)

    def heard(self, int member, clock_ms, monotonic_ms):
        """What a member's clock shows, and when that was heard. Returns whether the correction changed."""
        if member == self.me:
            return False
        if self.is_newer(self.heard_of[member], clock_ms, monotonic_ms):
            self.heard_of[member] = (clock_ms - monotonic_ms, monotonic_ms)
        return self.judge(self.offset_ms + monotonic_ms, monotonic_ms)

    def is_newer(self, known, clock_ms, monotonic_ms):
        """Whether that says more about a member's clock than what is known."""
        if known is None or known[1] < self.jumped_ms:
            return True
        age_ms = monotonic_ms - known[1]
        if clock_ms >= known[0] + monotonic_ms - age_ms // SLEWED - 1:
            return True
        return age_ms > OLD_MS and monotonic_ms >= self.drained_ms

    def judge(self, wall_ms, monotonic_ms):
        since_ms = max(self.jumped_ms, monotonic_ms - OLD_MS)
        theirs = sorted([clock_ms + monotonic_ms for clock_ms, at_ms in filter(None, self.heard_of)
                         if at_ms >= since_ms])
        before_ms = self.correction_ms
        if 2 * (self.near(theirs, wall_ms) + 1) > self.members:
            self.correction_ms = 0
        elif theirs:
            middle_ms = theirs[len(theirs) // 2]
            apart_ms = middle_ms - wall_ms - self.correction_ms
            if 2 * self.near(theirs, middle_ms) > self.members and abs(apart_ms) > self.drift_ms_max // 2:
                self.correction_ms = middle_ms - wall_ms
        return self.correction_ms != before_ms

    def near(self, times_ms, time_ms):
        return sum([abs(other_ms - time_ms) <= self.drift_ms_max for other_ms in times_ms])
