"""Writing: stamped by the node that has it, sent to the preferred coordinator (the first replica that
lives), which sends it to all replicas and answers when the level is met.

A local write counts when the turn's log is written (`committed`), with `wait_for_sync` when it is
synced: like any other replica's.

A write that meets something newer at so many replicas that its level cannot be met any more is
stamped again, past what was met: so a SET takes effect although another node's clock was ahead
(DESIGN: 1.02 rounds a SET with clocks half a second apart). A replica that answered an earlier
round is not counted in a later one: acknowledgements name the stamp.

A blind write may run twice without harm, because it keeps the dot that its first node gave it: so one
that was forwarded and is not answered within the usual time, or whose coordinator is lost, is
coordinated here. (Were it stamped by its coordinator, one that a frozen process finds in its socket
half a minute later would come out as the newest.) A coordinator that has something newer answers
OVERTAKEN, and only the first node stamps again. A command that reads and then writes is never
repeated: its client is told that the outcome is unknown.

Sources: DeCandia et al., "Dynamo", 2007, section 4.5.
"""

from functools import partial

from cluster.errors import StoreError
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cluster.replica cimport COLD, OLDER, TAKEN
from cluster.request cimport FAILED, FORWARDED, NO_QUORUM, OPEN, OVERTAKEN, SUCCESS, WRITING
from cluster.wire cimport (
    BUNDLE, FORWARD, HINT, LAST_ROUND, STRICT, SWEEP, TOMBSTONE, WRITE, Header, make_frame,
    version_frame, zero,
)

from cluster import levels, outcome
from cluster.versions import DamagedState

cdef enum:
    ROUNDS_MAX = 8
    REFUSED_HERE = 3       # beside replica.Applied: this node's own store takes no writes


cdef enum:
    EVERYONE = -1          # the partition of a sweep's plan, which is that of no key

cdef int ALL = levels.ALL            # that is every replica, and no hint for one


cdef class Writes(Reads):
    cpdef int write(self, bytes key, bytes value, uint64_t deadline_ms, bint tombstone, int level,
                    uint32_t timeout_ms, uint8_t flags, Sink sink) except -1:
        """A blind write of a stored key, coordinated by the preferred coordinator. Raises
        levels.BadLevel."""
        cdef Plan plan = self.plan_of(PyBytes_AS_STRING(key))
        cdef int member
        cdef Request request
        plan.need(level, True)
        member = self.quickest(plan, level)
        request = self.make(WRITING, plan, sink, level, timeout_ms)
        request.key, request.value = key, value
        request.deadline_ms, request.tombstone, request.flags = deadline_ms, tombstone, flags
        self.stamp(request)
        if member >= 0 and member != self.me:
            return self.forward(request, member)
        return self.coordinate(request)

    cdef int forward(self, Request request, int member) except -1:
        cdef Header header
        zero(&header)
        header.request, header.sent_hlc, header.level = request.id, self.clock.last, request.level
        header.hlc, header.actor = request.hlc, request.actor
        header.deadline_ms, header.timeout_ms = request.deadline_ms, request.timeout_ms
        header.flags = request.flags | (TOMBSTONE if request.tombstone else 0)
        request.kind, request.target = FORWARDED, member
        if not self.env.send(member, make_frame(
                FORWARD, &header, PyBytes_AS_STRING(request.key), PyBytes_GET_SIZE(request.key),
                PyBytes_AS_STRING(request.value), PyBytes_GET_SIZE(request.value))):
            self.take_over(request)
            return 0
        self.silence.asked(member, self.env.monotonic_ms)
        self.forwards += 1
        request.forwarded = True
        self.young.append(request)
        return 0

    cdef int overtaken(self, Request request, uint64_t newest_hlc) except -1:
        """The coordinator has something newer: stamp past it and send it again."""
        if self.drifted(newest_hlc):
            self.take_over(request)
            return 0
        request.rounds += 1
        self.restamps += 1
        self.clock.recover(newest_hlc)
        self.stamp(request)
        return self.forward(request, request.target)

    def write_changes(self, list changes, int level, uint32_t timeout_ms, Sink sink):
        """Several versions at once, all of one partition: a replica takes all of them or none.

        changes   [(stored key, hlc, actor, deadline_ms, annotation, tombstone, value), ...]
        """
        cdef Request request
        cdef Plan plan = self.plan_of(PyBytes_AS_STRING(changes[0][0]))
        plan.need(level, True)
        request = self.make(WRITING, plan, sink, level, timeout_ms)
        request.changes = changes
        request.key = changes[0][0]
        request.hlc = max([change[1] for change in changes])
        request.actor = self.actor
        self.coordinate(request)
        return request

    cdef int coordinate(self, Request request) except -1:
        cdef uint32_t living = self.living(request.plan)
        request.need = request.plan.need(request.level, True)
        self.writes += request.plan.partition >= 0         # and not a hint's
        request.sloppy = (self.sloppy and self.hints is not None and not request.flags & STRICT
                          and request.plan.partition >= 0 and request.level != ALL)
        if not request.need.possible(0, living) and not (
                request.sloppy and (living or request.need.hint_counts)):
            # Forwarded before, and taken over since: somebody may have it.
            return self.finish(request, NO_QUORUM, outcome.no_quorum(request, True)
                               if request.touched or request.forwarded
                               else outcome.refused_at_once(
                                   request.need.total, request.need.counted(living)))
        if request.hlc == 0:
            self.stamp(request)
        return self.send_round(request)

    cdef int stamp(self, Request request) except -1:
        """A new dot, greater than all seen."""
        cdef list changes
        request.hlc = self.clock.tick()
        if request.changes is None:
            request.actor = self.actor
            return 0
        changes = []
        for change in request.changes:
            key, hlc, actor, deadline_ms, annotation, tombstone, value = change
            if not actor & 1 and not annotation:
                hlc, actor = request.hlc, self.actor
            changes.append((key, hlc, actor, deadline_ms, annotation, tombstone, value))
        request.changes = changes
        return 0

    cdef int send_round(self, Request request) except -1:
        """This node's share first, so that a clock that is behind shows before anything is sent."""
        cdef Plan plan = request.plan
        cdef bytes frame
        cdef uint32_t bit
        cdef int i, answer
        request.acks = request.older = request.refused = request.open = 0
        request.hinted = request.hint_open = request.own_hints = 0
        if plan.mine >= 0:
            answer = self.apply_mine(request)
            if answer == COLD:
                return 0
            if answer == OLDER and request.stamped_elsewhere:
                request.newest_hlc = self.replica.newest_hlc       # however far ahead: who stamps shall know
                return self.finish(request, OVERTAKEN, None)
            if answer == REFUSED_HERE and must_be_stored(request):
                return self.finish(request, FAILED, request.text)
        frame = self.write_frame(request)
        for i in range(plan.count):
            bit = 1 << i
            if i != plan.mine and self.alive[plan.members[i]]:
                if self.env.send(plan.members[i], frame):
                    self.silence.asked(plan.members[i], self.env.monotonic_ms)
                    request.open |= bit
        request.touched |= request.open
        if request.sloppy and not request.need.possible(0, request.open):
            self.ask_stand_ins(request)
        return self.judge_write(request)

    # -- hints --------------------------------------------------------------------------------

    cdef int ask_stand_ins(self, Request request) except -1:
        """Too few replicas live: others keep the write for those that are down, and count."""
        cdef Header header
        cdef bytes frame, body
        versions = versions_of(request)
        for position, member in self.hints.stand_ins(request.plan).items():
            target = request.plan.replicas[position]
            if member == self.me:
                kept = self.hints.keep(target, versions,
                                       partial(self.own_hint_kept, request, request.hlc, position))
                if kept:
                    request.own_hints |= 1 << position
                if kept is not False:
                    request.hint_open |= 1 << position
                continue
            zero(&header)
            header.request, header.sent_hlc, header.level = request.id, self.clock.last, target
            header.hlc = request.hlc
            body = b"".join([version_frame(version) for version in versions])
            frame = make_frame(HINT, &header, b"", 0, PyBytes_AS_STRING(body),
                               PyBytes_GET_SIZE(body))
            if self.env.send(member, frame):
                request.hint_open |= 1 << position
        if request.own_hints:
            self.uncommitted.append(request)
        return 0

    def own_hint_kept(self, Request request, hlc, position, kept):
        """It had to wait for the disk."""
        cdef uint32_t bit = 1 << <int>position
        if request.hlc != hlc or not request.hint_open & bit:
            return             # given up, or stamped again
        if kept:
            request.own_hints |= bit
            self.uncommitted.append(request)
            return
        request.hint_open &= ~bit
        self.judge_write(request)

    cdef int leave_hints(self, Request request) except -1:
        """A write has ended: keep it for each replica that has not got it, if anybody has."""
        cdef uint32_t missed
        cdef int i
        if request.plan.partition < 0 or not request.acks:
            return 0
        missed = request.plan.everywhere & ~(request.acks | request.older | request.hinted)
        if missed == 0:
            return 0
        versions = versions_of(request)
        for i in range(request.plan.count):
            if missed & (1 << i) and i != request.plan.mine:
                self.hints.keep(request.plan.members[i], versions, not_counted)
        return 0

    def write_to(self, Plan plan, list versions, uint32_t timeout_ms, Sink sink):
        """Give one replica versions that it missed; `plan` has that member alone. OVERTAKEN: of some it
        has something newer, and it took the others."""
        cdef Request request = self.make(WRITING, plan, sink, levels.ALL, timeout_ms)
        request.changes, request.key = versions, versions[0][0]
        request.hlc = max([version[1] for version in versions])
        request.actor, request.stamped_elsewhere = versions[0][2], True
        self.coordinate(request)

    cdef int apply_mine(self, Request request) except -1:
        cdef uint32_t bit = 1 << request.plan.mine
        cdef int answer
        try:
            answer = self.apply_changes(request)
            while (answer == OLDER and request.rounds < ROUNDS_MAX and restampable(request)
                   and not self.drifted(self.replica.newest_hlc)):
                self.clock.recover(self.replica.newest_hlc)
                request.rounds += 1
                self.stamp(request)
                answer = self.apply_changes(request)
        except (StoreError, DamagedState) as error:
            request.refused |= bit
            request.text = str(error)
            self.note_refusal(request)
            return REFUSED_HERE
        if answer == COLD:
            request.cold = True
            self.cool(request)
        elif answer == TAKEN:
            request.open |= bit
            self.uncommitted.append(request)
        else:
            self.count_older(request, bit, self.replica.newest_hlc)
            request.touched |= bit         # merged, if a causal version is there
        return answer

    cdef int note_refusal(self, Request request) except -1:
        """Others may take what this node's own replica did not."""
        if self.repairer is not None and request.plan.partition >= 0:
            self.repairer.refused(request.plan.partition)
        return 0

    cdef int apply_changes(self, Request request) except -1:
        cdef Row row
        if request.changes is None:
            row.value = PyBytes_AS_STRING(request.value)
            row.value_bytes = <uint32_t>PyBytes_GET_SIZE(request.value)
            row.hlc, row.actor, row.tombstone = request.hlc, request.actor, request.tombstone
            row.deadline_ms, row.annotation = request.deadline_ms, 0
            return self.replica.apply(PyBytes_AS_STRING(request.key),
                                      <uint32_t>PyBytes_GET_SIZE(request.key), &row)
        return self.replica.apply_all(request.changes)

    cdef bytes write_frame(self, Request request):
        cdef Header header
        cdef bytes body
        zero(&header)
        header.request, header.sent_hlc = request.id, self.clock.last
        header.hlc, header.actor = request.hlc, request.actor
        header.deadline_ms = request.deadline_ms
        header.flags = TOMBSTONE if request.tombstone else 0
        if request.changes is None:
            return make_frame(
                WRITE, &header, PyBytes_AS_STRING(request.key), PyBytes_GET_SIZE(request.key),
                PyBytes_AS_STRING(request.value), PyBytes_GET_SIZE(request.value))
        body = b"".join([version_frame(change) for change in request.changes])
        return make_frame(BUNDLE, &header, b"", 0, PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body))

    cdef int judge_write(self, Request request) except -1:
        """After any answer: done, hopeless, once more, or wait."""
        if request.result != OPEN:
            if request.open == 0 and request.hint_open == 0 and not request.cold:
                self.forget(request)
            return 0
        if enough(request):
            if request.older and is_sweep(request):
                return self.sweep_again(request)
            if request.older and self.journal is not None and request.changes is None:
                self.journal.note(request.key, request.hlc, request.actor, request.tombstone,
                                  request.value)
            return self.finish(request, SUCCESS, None)
        if hopeful(request):
            return 0
        if request.older and request.rounds < ROUNDS_MAX and restampable(request):
            request.rounds += 1
            self.restamps += 1
            self.clock.recover(request.newest_hlc)
            self.stamp(request)
            return self.send_round(request)
        if request.older and request.stamped_elsewhere:
            return self.finish(request, OVERTAKEN, None)
        return self.finish(request, NO_QUORUM, outcome.no_quorum(request, True))

    cdef int count_older(self, Request request, uint32_t bit, uint64_t newest_hlc) except -1:
        """A replica has something newer. If that is from a clock that is too far ahead, stamping past
        it would drag this clock along: then it is a refusal."""
        if self.drifted(newest_hlc):
            request.refused |= bit
            request.text = self.drift_text(newest_hlc).decode()
            return 0
        request.older |= bit
        if is_sweep(request) or only_annotates(request):
            request.acks |= bit            # it has swept what is older; what was annotated is replaced
        request.newest_hlc = max(request.newest_hlc, newest_hlc)
        return 0

    # -- a whole database ---------------------------------------------------------------------

    def sweep(self, int database, Sink sink, uint32_t timeout_ms):
        """Delete everything of a physical database that is older than now, on every node.

        A node whose clock is ahead may have acknowledged writes newer than our stamp that are older
        than this request all the same; it says so, and then all are swept once more, past it."""
        cdef Request request
        cdef Plan plan = self.everyone()
        request = self.make(WRITING, plan, sink, levels.ALL, timeout_ms)
        request.need, request.key = plan.need(levels.ALL, True), bytes([database])
        request.rounds = ROUNDS_MAX - 1
        if not request.need.possible(0, self.living(plan)):
            self.finish(request, NO_QUORUM, "NOQUORUM deleting a whole database needs every node, "
                        f"{self.missing()} cannot be reached; nothing was done")
            return
        self.stamp(request)
        self.sweep_all(request)

    cdef int sweep_all(self, Request request) except -1:
        cdef Header header
        cdef bytes frame
        request.acks = request.older = request.refused = request.open = 0
        zero(&header)
        header.request, header.sent_hlc = request.id, self.clock.last
        header.hlc, header.actor = request.hlc, request.actor
        header.flags = LAST_ROUND if request.rounds == ROUNDS_MAX else 0
        frame = make_frame(SWEEP, &header, PyBytes_AS_STRING(request.key), 1, b"", 0)
        try:
            self.replica.sweep(request.key[0], request.hlc, request.actor)
            request.open |= 1 << request.plan.mine
            self.uncommitted.append(request)
        except StoreError as error:
            request.text = str(error)
        for member in range(len(self.members)):
            if member != self.me and self.env.send(member, frame):
                request.open |= 1 << member
        request.touched |= request.open
        return self.judge_write(request)

    cdef int sweep_again(self, Request request) except -1:
        request.rounds += 1
        self.restamps += 1
        self.clock.recover(request.newest_hlc)
        self.stamp(request)
        return self.sweep_all(request)

    def everyone(self):
        """All members as if they were the replicas of one key."""
        if len(self.members) > 32:
            raise StoreError("ERR deleting a whole database is limited to clusters of 32 nodes")
        return Plan(EVERYONE, range(len(self.members)), (), [member.dc for member in self.members],
                    self.me, self.members[self.me].dc)

    def missing(self):
        return ", ".join([self.name_of(i) for i in range(len(self.members)) if not self.alive[i]])

    # -- local writes count when the log has them ---------------------------------------------

    def committed(self, uint64_t position):
        """The log of this turn is written, up to `position`: local writes count, or wait for the
        sync that covers it."""
        if not self.uncommitted:
            return
        requests, self.uncommitted = self.uncommitted, []
        if self.wait_for_sync:
            self.unsynced.append((position, [(request, request.hlc) for request in requests]))
        else:
            self.count_mine(requests)

    def synced(self, uint64_t position):
        """The log is synced up to `position`: what has been stamped again since is not in it yet."""
        while self.unsynced and self.unsynced[0][0] <= position:
            self.count_mine([request for request, hlc in self.unsynced.pop(0)[1]
                             if request.hlc == hlc])

    def commit_failed(self, str reason):
        """The log of this turn could not be written."""
        requests, self.uncommitted = self.uncommitted, []
        self.refuse_mine(requests, reason)

    def sync_failed(self, str reason):
        waiting, self.unsynced = self.unsynced, []
        for _, requests in waiting:
            self.refuse_mine([request for request, _ in requests], reason)

    @property
    def waits_for_sync(self):
        return bool(self.unsynced)

    def count_mine(self, requests):
        cdef Request request
        cdef uint32_t bit
        for request in requests:
            bit = 1 << request.plan.mine if request.plan.mine >= 0 else 0
            request.acks |= request.open & bit
            request.open &= ~bit
            request.hinted |= request.hint_open & request.own_hints
            request.hint_open &= ~request.own_hints
            self.judge_write(request)

    def refuse_mine(self, requests, reason):
        cdef Request request
        cdef uint32_t bit
        for request in requests:
            bit = 1 << request.plan.mine if request.plan.mine >= 0 else 0
            request.open &= ~bit
            request.hint_open &= ~request.own_hints
            request.refused |= bit
            request.text = reason
            if bit:
                self.note_refusal(request)
            self.judge_write(request)


def not_counted(kept):
    """A hint that counts for nothing was kept, or was not."""


cdef inline bint is_sweep(Request request) noexcept:
    return request.plan.partition == EVERYONE


cdef bint only_annotates(Request request):
    """EXPIRE or PERSIST of plain versions. Where one has been replaced meanwhile there is nothing left to
    annotate: it is as if the annotation had come first."""
    if request.changes is None or request.stamped_elsewhere:
        return False
    for _, _, actor, _, annotation, *_ in request.changes:
        if actor & 1 or not annotation:
            return False
    return True


cdef inline bint restampable(Request request) noexcept:
    """Blind writes may be stamped again, by the node that stamped them; a causal state or an
    annotation is what it is."""
    if request.stamped_elsewhere:
        return False
    if request.changes is None:
        return True
    return not request.changes[0][2] & 1 and not request.changes[0][4]


cdef inline bint must_be_stored(Request request) noexcept:
    """Whether this node may not ship it without having it: its next causal version covers all its earlier
    ones. A blind write covers nothing of its actor's."""
    return request.changes is not None and not restampable(request)


cdef bint may_restamp(Request request) noexcept:
    """Whether one more round may follow."""
    return request.rounds < ROUNDS_MAX


cdef bint enough(Request request) noexcept:
    """Whether the client may be told. A hint counts like the replica it is for, but only beside a
    replica that has the write itself, except at level ANY."""
    return request.need.met(request.acks | request.hinted) and (
        request.acks != 0 or request.need.hint_counts)


cdef bint hopeful(Request request) noexcept:
    """The same, if everybody else answers."""
    return request.need.possible(request.acks | request.hinted, request.open | request.hint_open) and (
        (request.acks | request.open) != 0 or request.need.hint_counts)


cdef versions_of(Request request):
    """What a write stores, as versions for another node."""
    if request.changes is not None:
        return request.changes
    return [(request.key, request.hlc, request.actor, request.deadline_ms, 0, request.tombstone,
             request.value)]
