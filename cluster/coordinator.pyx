"""The coordinator: reads and blind writes over the replicas of a key, from any node.

    write   stamped by the node that has it, sent to the preferred coordinator (the first replica
            that lives), which sends it to all replicas and answers when the level is met
    read    by whichever node was asked: as many replicas as the level needs, itself first; what
            differs is merged, and whoever lacks the merge is sent it (read repair)

Written as callbacks around small values: a Request counts (quorum.pyx), a frame or a timer moves it
on, its Sink is told once. Nothing waits, nothing owns a thread. A local write counts when the turn's
log is written (`committed`), with `wait_for_sync` when it is synced: like any other replica's.

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

Sources: DeCandia et al., "Dynamo", 2007, sections 4.5 and 4.6; Cassandra's speculative retry.
"""

from collections import deque

from cluster.errors import NeedsDisk, StoreError
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cluster.replica cimport COLD, OLDER, TAKEN
from cluster.request cimport (
    EXECUTED, FAILED, FORWARDED, NO_QUORUM, OPEN, OVERTAKEN, READING, SUCCESS, TIMED_OUT, WRITING,
)
from cluster.store cimport FOUND, PENDING
from cluster.wire cimport (
    ACKNOWLEDGE, APPLIED, BUNDLE, DRIFTED, EXECUTE, FORWARD, HEADER_BYTES, NOTHING, OUTCOME, QUIET,
    READ, REFUSED, REPLY, SUPERSEDED, SWEEP, TOMBSTONE, VERSION, WRITE, Header, make_frame,
    take_frame,
)

from cluster import levels, outcome
from cluster.versions import DamagedState, from_record, merge, to_record

ROUNDS_MAX = 8
COLD_MAX = 65_536
HEDGE_MS_MIN, HEDGE_MS_MAX = 20.0, 1000.0

cdef enum:
    REFUSED_HERE = 3       # beside replica.Applied: this node's own store takes no writes


cdef class RemoteSink(Sink):
    """Tells the node that forwarded a write how it ended."""

    cdef object link
    cdef uint64_t request_id
    cdef Coordinator coordinator

    cdef int done(self, Request request) except -1:
        cdef Header header
        cdef bytes text = request.text.encode() if request.text else b""
        zero(&header)
        header.request, header.sent_hlc = self.request_id, self.coordinator.clock.last
        header.status, header.hlc, header.actor = request.result, request.hlc, request.actor
        header.annotation = request.newest_hlc
        self.coordinator.env.answer(self.link, make_frame(
            OUTCOME, &header, b"", 0, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)))
        return 0


cdef class Coordinator:
    """`members`: the document's members in order; `me`: this node's place among them.

    `executor.execute(member, link, request_id, header, key, body)` runs commands of other nodes.
    """

    def __init__(self, Environment env, Replica replica, list members, int me, uint64_t actor,
                 list plans):
        if len(members) > MEMBERS_MAX:
            raise ValueError(f"at most {MEMBERS_MAX} members")
        self.env, self.replica, self.clock = env, replica, env.clock
        self.members, self.me, self.actor = members, me, actor
        self.use_plans(plans)
        self.pending, self.queues = {}, {}
        self.uncommitted, self.unsynced, self.cold = [], [], []
        self.young = deque()
        self.read_level = self.write_level = levels.QUORUM
        self.read_timeout_ms, self.write_timeout_ms = 5000, 2000
        self.usual_ms = 50.0
        self.alive[me] = 1

    def use_plans(self, list plans):
        """Where each partition is; their number is a power of two."""
        self.plans = plans
        self.slot_shift = 14 - (len(plans).bit_length() - 1)

    # -- who is there -------------------------------------------------------------------------

    def set_alive(self, int member, bint alive):
        """What the failure detector, or a broken connection, says of a member."""
        if member == self.me or self.alive[member] == alive:
            return
        self.alive[member] = alive
        if not alive:
            self.member_lost(member)

    def is_alive(self, int member):
        return bool(self.alive[member])

    cdef uint32_t living(self, Plan plan) noexcept:
        cdef uint32_t mask = 0
        cdef int i
        for i in range(plan.count):
            if self.alive[plan.members[i]]:
                mask |= 1 << i
        return mask

    cdef Plan plan_of(self, const char* key):
        """Of a stored key, which begins with its slot."""
        cdef int slot = (<uint8_t>key[0] << 8) | <uint8_t>key[1]
        return <Plan>self.plans[slot >> self.slot_shift]

    def plan_for(self, bytes key):
        return self.plan_of(PyBytes_AS_STRING(key))

    cpdef int preferred(self, Plan plan, int level):
        """The member that coordinates writes of a partition, -1: no replica lives.

        For a level that counts in one data centre: the first replica there, if one lives."""
        cdef int i, first = -1
        for i in range(plan.count):
            if self.alive[plan.members[i]]:
                if level not in levels.LOCAL or plan.places[i] == plan.here:
                    return plan.members[i]
                if first < 0:
                    first = plan.members[i]
        return first

    # -- requests -----------------------------------------------------------------------------

    cdef Request make(self, int kind, Plan plan, Sink sink, int level, uint32_t timeout_ms):
        cdef Request request = Request.__new__(Request)
        self.next_id += 1
        request.id, request.kind, request.plan, request.sink = self.next_id, kind, plan, sink
        request.level, request.timeout_ms = level, timeout_ms
        request.began_ms = self.env.monotonic_ms
        request.expires_ms = request.began_ms + timeout_ms
        request.target = -1
        self.pending[request.id] = request
        queue = self.queues.get(timeout_ms)
        if queue is None:
            queue = self.queues[timeout_ms] = Queue()
        (<Queue>queue).append(request)
        return request

    cdef int finish(self, Request request, int result, str text) except -1:
        """Tell the sink, once."""
        if request.result != OPEN:
            return 0
        request.result, request.text = result, text
        if result == NO_QUORUM:
            self.no_quorums += 1
        elif result == TIMED_OUT:
            self.timeouts += 1
        if request.open == 0 and not request.cold:
            self.forget(request)
        sink, request.sink = request.sink, None
        (<Sink>sink).done(request)
        return 0

    cdef int forget(self, Request request) except -1:
        self.pending.pop(request.id, None)
        if request.queue is not None:
            request.queue.remove(request)
        return 0

    def tick(self, uint64_t monotonic_ms):
        """Time-outs and hedges; every 10 ms or so."""
        cdef Request request
        cdef Queue queue
        self.env.monotonic_ms = monotonic_ms
        hedge_ms = min(HEDGE_MS_MAX, max(HEDGE_MS_MIN, 2 * self.usual_ms))
        while self.young and (<Request>self.young[0]).began_ms + hedge_ms <= monotonic_ms:
            self.hedge(self.young.popleft())
        for queue in list(self.queues.values()):
            while queue.first is not None and queue.first.expires_ms <= monotonic_ms:
                self.expire(queue.first)
        if len(self.queues) > 64:
            self.queues = {ms: queue for ms, queue in self.queues.items()
                           if (<Queue>queue).first is not None}

    def expire(self, Request request):
        writing = request.kind != READING
        missed = request.open
        request.open, request.cold = 0, False
        self.forget(request)
        if request.result != OPEN:
            return
        if request.kind == FORWARDED and request.target >= 0:
            text = outcome.unknown_fate(self.name_of(request.target))
        elif request.kind == EXECUTED:
            text = outcome.unknown_fate(self.name_of(request.target))
        else:
            text = outcome.timed_out(request, writing)
        self.finish(request, TIMED_OUT, text)

    def hedge(self, Request request):
        """It takes unusually long: ask one replica more, or do it here."""
        cdef uint32_t others
        if request.result != OPEN:
            return
        if request.kind == READING:
            others = self.living(request.plan) & ~request.asked
            if others:
                self.hedges += 1
                self.ask(request, others & (~others + 1))
        elif request.kind == FORWARDED:
            self.hedges += 1
            self.take_over(request)

    def take_over(self, Request request):
        """Coordinate a write here that another node should have coordinated."""
        request.kind, request.open, request.target = WRITING, 0, -1
        self.coordinate(request)

    def member_lost(self, int member):
        """Its connection broke, or it was declared down: it will not answer what is under way."""
        cdef Request request
        cdef int position
        for request in list(self.pending.values()):
            if request.kind in (FORWARDED, EXECUTED):
                if request.target != member:
                    continue
                if request.kind == FORWARDED and request.result == OPEN:
                    self.take_over(request)
                elif request.result == OPEN:
                    request.open = 0
                    self.finish(request, TIMED_OUT, outcome.unknown_fate(self.name_of(member)))
                continue
            position = request.plan.position(member)
            if position >= 0 and request.open & (1 << position):
                request.open &= ~(1 << position)
                self.judge(request)

    def judge(self, Request request):
        if request.kind == READING:
            if request.result == OPEN:
                self.ask_enough(request)
            self.judge_read(request)
        else:
            self.judge_write(request)

    def name_of(self, member):
        return f"{self.members[member].ip}:{self.members[member].port}"

    # -- writing ------------------------------------------------------------------------------

    cpdef int write(self, bytes key, bytes value, uint64_t deadline_ms, bint tombstone, int level,
                    uint32_t timeout_ms, uint8_t flags, Sink sink) except -1:
        """A blind write of a stored key, coordinated by the preferred coordinator. Raises
        levels.BadLevel."""
        cdef Plan plan = self.plan_of(PyBytes_AS_STRING(key))
        cdef int member
        cdef Request request
        plan.need(level, True)
        member = self.preferred(plan, level)
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
        self.forwards += 1
        request.forwarded = True
        self.young.append(request)
        return 0

    cdef int overtaken(self, Request request, uint64_t newest_hlc) except -1:
        """The coordinator has something newer: stamp past it and send it again."""
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
        self.writes += 1
        if not request.need.possible(0, living):
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
        if plan.mine >= 0:
            answer = self.apply_mine(request)
            if answer == COLD:
                return 0
            if answer == OLDER and request.stamped_elsewhere:
                return self.finish(request, OVERTAKEN, None)
            if answer == REFUSED_HERE and not restampable(request):
                return self.finish(request, FAILED, request.text)
        frame = self.write_frame(request)
        for i in range(plan.count):
            bit = 1 << i
            if i != plan.mine and self.alive[plan.members[i]]:
                if self.env.send(plan.members[i], frame):
                    request.open |= bit
        request.touched |= request.open
        return self.judge_write(request)

    cdef int apply_mine(self, Request request) except -1:
        cdef uint32_t bit = 1 << request.plan.mine
        cdef int answer
        try:
            answer = self.apply_changes(request)
            while answer == OLDER and request.rounds < ROUNDS_MAX and restampable(request):
                self.clock.recover(self.replica.newest_hlc)
                request.rounds += 1
                self.stamp(request)
                answer = self.apply_changes(request)
        except (StoreError, DamagedState) as error:
            request.refused |= bit
            request.text = str(error)
            return REFUSED_HERE
        if answer == COLD:
            request.cold = True
            self.cool(request)
        elif answer == TAKEN:
            request.open |= bit
            self.uncommitted.append(request)
        else:
            request.older |= bit
            request.touched |= bit         # merged, if a causal version is there
            request.newest_hlc = max(request.newest_hlc, self.replica.newest_hlc)
        return answer

    cdef int apply_changes(self, Request request) except -1:
        cdef Row row
        cdef int answer
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
        body = b"".join([change_frame(change) for change in request.changes])
        return make_frame(BUNDLE, &header, b"", 0, PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body))

    cdef int judge_write(self, Request request) except -1:
        """After any answer: done, hopeless, once more, or wait."""
        if request.result != OPEN:
            if request.open == 0 and not request.cold:
                self.forget(request)
            return 0
        if request.need.met(request.acks):
            if request.older and self.journal is not None and request.changes is None:
                self.journal.note(request.key, request.hlc, request.actor, request.tombstone,
                                  request.value)
            return self.finish(request, SUCCESS, None)
        if request.need.possible(request.acks, request.open):
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

    # -- local writes count when the log has them ---------------------------------------------

    def committed(self, uint64_t position):
        """The log of this turn is written, up to `position`: local writes count, or wait for the
        sync that covers it."""
        if not self.uncommitted:
            return
        requests, self.uncommitted = self.uncommitted, []
        if self.wait_for_sync:
            self.unsynced.append((position, requests))
        else:
            self.count_mine(requests)

    def synced(self, uint64_t position):
        """The log is synced up to `position`."""
        while self.unsynced and self.unsynced[0][0] <= position:
            self.count_mine(self.unsynced.pop(0)[1])

    def commit_failed(self, str reason):
        """The log of this turn could not be written."""
        requests, self.uncommitted = self.uncommitted, []
        self.refuse_mine(requests, reason)

    def sync_failed(self, str reason):
        waiting, self.unsynced = self.unsynced, []
        for _, requests in waiting:
            self.refuse_mine(requests, reason)

    @property
    def waits_for_sync(self):
        return bool(self.unsynced)

    def count_mine(self, requests):
        cdef Request request
        cdef uint32_t bit
        for request in requests:
            bit = 1 << request.plan.mine
            if request.open & bit:
                request.open &= ~bit
                request.acks |= bit
                self.judge_write(request)

    def refuse_mine(self, requests, reason):
        cdef Request request
        cdef uint32_t bit
        for request in requests:
            bit = 1 << request.plan.mine
            request.open &= ~bit
            request.refused |= bit
            request.text = reason
            self.judge_write(request)

    # -- reading ------------------------------------------------------------------------------

    cpdef int read(self, bytes key, int level, uint32_t timeout_ms, Sink sink) except -1:
        """The merge of what a level's replicas have of a stored key. Raises levels.BadLevel."""
        cdef Plan plan = self.plan_of(PyBytes_AS_STRING(key))
        cdef Need need = plan.need(level, False)
        cdef Request request
        cdef uint32_t living
        self.reads += 1
        request = self.make(READING, plan, sink, level, timeout_ms)
        request.key, request.need = key, need
        living = self.living(plan)
        if not need.possible(0, living):
            return self.finish(request, NO_QUORUM, outcome.refused_at_once(
                need.total, need.counted(living)))
        self.ask_enough(request)
        return self.judge_read(request)

    cdef int ask_enough(self, Request request) except -1:
        """Ask so many replicas that the level can be met by them; this node first."""
        cdef Plan plan = request.plan
        cdef uint32_t living = self.living(plan), chosen = 0
        cdef uint32_t hopeful = request.acks | request.open
        cdef int i
        if request.need.met(hopeful):
            return 0
        if plan.mine >= 0 and not request.asked & (1 << plan.mine):
            chosen |= 1 << plan.mine
        for i in range(plan.count):
            if request.need.met(hopeful | chosen):
                break
            if living & ~request.asked & (1 << i):
                if not request.need.met(hopeful | chosen | (1 << i)) and useless(
                        request.need, hopeful | chosen, i):
                    continue
                chosen |= 1 << i
        return self.ask(request, chosen)

    cdef int ask(self, Request request, uint32_t positions) except -1:
        cdef Header header
        cdef Plan plan = request.plan
        cdef bytes frame = None
        cdef uint32_t bit
        cdef int i
        request.asked |= positions
        for i in range(plan.count):
            bit = 1 << i
            if not positions & bit:
                continue
            if i == plan.mine:
                self.read_mine(request)
                continue
            if frame is None:
                zero(&header)
                header.request, header.sent_hlc = request.id, self.clock.last
                frame = make_frame(READ, &header, PyBytes_AS_STRING(request.key),
                                   PyBytes_GET_SIZE(request.key), b"", 0)
            if self.env.send(plan.members[i], frame):
                request.open |= bit
        if request.open and request.result == OPEN and self.living(plan) & ~request.asked:
            self.young.append(request)
        return 0

    cdef int read_mine(self, Request request) except -1:
        cdef Row row
        cdef int answer
        cdef uint32_t bit = 1 << request.plan.mine
        try:
            answer = self.replica.read(PyBytes_AS_STRING(request.key),
                                       <uint32_t>PyBytes_GET_SIZE(request.key), &row)
        except StoreError as error:
            request.refused |= bit
            request.text = str(error)
            return 0
        if answer == PENDING:
            request.cold = True
            request.open |= bit
            return self.cool(request)
        return self.take_version(request, request.plan.mine, answer == FOUND, &row)

    cdef int take_version(self, Request request, int position, bint found, const Row* row) except -1:
        """One replica's answer into the merge so far."""
        cdef uint32_t bit = 1 << position
        cdef bint first = request.acks == 0
        request.open &= ~bit
        request.acks |= bit
        if first:
            if found:
                keep(request, row)
            request.equal = bit
        elif found != request.found:
            if found:
                keep(request, row)
                request.stale |= request.equal
                request.equal = bit
            else:
                request.stale |= bit
        elif not found or same(request, row):
            request.equal |= bit
        elif row.actor & 1 or request.actor & 1:
            self.merge_version(request, bit, row_tuple(row))
        elif later(row, request):
            keep(request, row)
            request.stale |= request.equal
            request.equal = bit
        else:
            request.stale |= bit
        return 0

    def merge_version(self, Request request, uint32_t bit, version):
        """Two versions of which one at least is a causal state."""
        cdef bytes value
        mine = from_record(request.hlc, request.actor, request.deadline_ms, request.annotation,
                           request.tombstone, request.value)
        theirs = from_record(*version)
        merged = merge(mine, theirs)
        if merged == mine:
            if merged == theirs:
                request.equal |= bit
            else:
                request.stale |= bit
            return
        request.stale |= request.equal
        request.equal = bit if merged == theirs else 0
        if merged != theirs:
            request.stale |= bit
        hlc, actor, deadline_ms, tombstone, value = to_record(merged)
        request.hlc, request.actor, request.deadline_ms = hlc, actor, deadline_ms
        request.tombstone, request.value = tombstone, value
        request.annotation = 0 if actor & 1 else merged.siblings[0].annotation

    cdef int judge_read(self, Request request) except -1:
        cdef double took_ms
        if request.result != OPEN:
            if request.open == 0:
                if request.stale:
                    self.repair(request)
                self.forget(request)
            return 0
        if request.need.met(request.acks):
            took_ms = <double>(self.env.monotonic_ms - request.began_ms)
            self.usual_ms += 0.99 if took_ms > self.usual_ms else -0.01
            if self.usual_ms < 1:
                self.usual_ms = 1
            if request.stale:
                self.repair(request)
            return self.finish(request, SUCCESS, None)
        if request.need.possible(request.acks, request.open):
            return 0
        if request.refused or request.asked:
            self.ask_enough(request)
            if request.need.met(request.acks) or request.need.possible(request.acks, request.open):
                return self.judge_read(request) if request.need.met(request.acks) else 0
        return self.finish(request, NO_QUORUM, outcome.no_quorum(request, False))

    cdef int repair(self, Request request) except -1:
        """Send the merge to the replicas that lack it; nobody waits for it."""
        cdef Plan plan = request.plan
        cdef bytes frame
        cdef int i
        if not request.found:
            return 0
        self.repairs += 1
        version = (request.key, request.hlc, request.actor, request.deadline_ms,
                   request.annotation, request.tombstone, request.value)
        frame = change_frame(version)
        for i in range(plan.count):
            if request.stale & (1 << i):
                if i == plan.mine:
                    self.repair_mine(version)
                elif self.alive[plan.members[i]]:
                    self.env.send(plan.members[i], frame)
        request.stale = 0
        return 0

    def repair_mine(self, version):
        try:
            if self.replica.apply_all([version]) == COLD:
                self.cool((self.me, None, change_frame(version)))
        except (StoreError, DamagedState):
            pass               # the next read, or anti-entropy, comes by again

    # -- commands of others, and for others ---------------------------------------------------

    def execute(self, int member, bytes key, bytes body, int level, uint32_t timeout_ms, flags,
                Sink sink):
        """Have another node run a command. The reply's bytes are `request.value`."""
        cdef Header header
        cdef Request request = self.make(
            EXECUTED, self.plan_of(PyBytes_AS_STRING(key)), sink, level, timeout_ms)
        zero(&header)
        header.request, header.sent_hlc, header.level = request.id, self.clock.last, level
        header.timeout_ms, header.flags = timeout_ms, flags
        request.target = member
        if self.env.send(member, make_frame(
                EXECUTE, &header, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key),
                PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body))):
            return True
        self.forget(request)
        return False

    def executed(self, link, request_id, bytes reply):
        """The end of a command that another node had us run."""
        cdef Header header
        zero(&header)
        header.request, header.sent_hlc = request_id, self.clock.last
        self.env.answer(link, make_frame(
            REPLY, &header, b"", 0, PyBytes_AS_STRING(reply), PyBytes_GET_SIZE(reply)))

    def sweep(self, int database, Sink sink, uint32_t timeout_ms):
        """Delete everything of a physical database that is older than now, on every node."""
        cdef Header header
        cdef bytes frame, key = bytes([database])
        cdef Request request
        cdef Plan plan = self.everyone()
        request = self.make(WRITING, plan, sink, levels.ALL, timeout_ms)
        request.need, request.key, request.rounds = plan.need(levels.ALL, True), key, ROUNDS_MAX
        if not request.need.possible(0, self.living(plan)):
            self.finish(request, NO_QUORUM, "NOQUORUM deleting a whole database needs every node, "
                        f"{self.missing()} cannot be reached; nothing was done")
            return
        request.hlc, request.actor = self.clock.tick(), self.actor
        zero(&header)
        header.request, header.sent_hlc = request.id, self.clock.last
        header.hlc, header.actor = request.hlc, request.actor
        frame = make_frame(SWEEP, &header, PyBytes_AS_STRING(key), 1, b"", 0)
        try:
            self.replica.store.flush(database, request.hlc, request.actor)
            request.open |= 1 << plan.mine
            self.uncommitted.append(request)
        except StoreError as error:
            request.text = str(error)
        for member in range(len(self.members)):
            if member != self.me and self.env.send(member, frame):
                request.open |= 1 << member
        request.touched = request.open
        self.judge_write(request)

    def everyone(self):
        """All members as if they were the replicas of one key."""
        if len(self.members) > 32:
            raise StoreError("ERR deleting a whole database is limited to clusters of 32 nodes")
        return Plan(-1, range(len(self.members)), (), [member.dc for member in self.members],
                    self.me, self.members[self.me].dc)

    def missing(self):
        return ", ".join([self.name_of(i) for i in range(len(self.members)) if not self.alive[i]])

    # -- frames of others ---------------------------------------------------------------------

    def receive_bytes(self, member, link, bytes text):
        """One whole frame, for environments written in Python."""
        cdef Frame frame
        if take_frame(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), &frame) != len(text):
            raise ValueError("not one whole frame")
        self.receive(member, link, &frame)

    cdef int receive(self, int member, object link, const Frame* frame) except -1:
        """A frame of `member`; requests are answered over `link`."""
        cdef char kind = frame.kind
        if frame.header.sent_hlc > self.clock.last and not self.drifted(frame.header.sent_hlc):
            self.clock.last = frame.header.sent_hlc
        if kind == ACKNOWLEDGE or kind == VERSION or kind == OUTCOME or kind == REPLY:
            return self.receive_reply(member, frame)
        if kind == WRITE:
            return self.receive_write(member, link, frame)
        if kind == READ:
            return self.receive_read(member, link, frame)
        if kind == FORWARD:
            return self.receive_forward(member, link, frame)
        if kind == BUNDLE:
            return self.receive_bundle(member, link, frame)
        if kind == SWEEP:
            return self.receive_sweep(member, link, frame)
        if kind == EXECUTE:
            self.executor.execute(member, link, frame.header.request, dict(frame.header),
                                  frame.key[:frame.key_bytes], frame.body[:frame.body_bytes])
        return 0               # an unknown kind comes from a newer version: nobody waits for ever

    cdef bint drifted(self, uint64_t hlc) noexcept:
        return hlc > ((self.clock.now_ms + self.clock.drift_ms_max) << 16)

    cdef int receive_write(self, int member, object link, const Frame* frame) except -1:
        cdef Row row
        cdef int answer
        if self.drifted(frame.header.hlc):
            return self.acknowledge(link, frame, DRIFTED, 0, self.drift_text(frame.header.hlc))
        row.value, row.value_bytes = frame.body, <uint32_t>frame.body_bytes
        row.hlc, row.actor = frame.header.hlc, frame.header.actor
        row.deadline_ms, row.annotation = frame.header.deadline_ms, frame.header.annotation
        row.tombstone = frame.header.flags & TOMBSTONE
        try:
            answer = self.replica.apply(frame.key, <uint32_t>frame.key_bytes, &row)
        except (StoreError, DamagedState) as error:
            return self.acknowledge(link, frame, REFUSED, 0, str(error).encode())
        if answer == COLD:
            return self.chill(member, link, frame)
        return self.acknowledge(link, frame, SUPERSEDED if answer == OLDER else APPLIED,
                                self.replica.newest_hlc if answer == OLDER else 0, b"")

    cdef int receive_bundle(self, int member, object link, const Frame* frame) except -1:
        changes = split_changes(frame.body[:frame.body_bytes])
        greatest = max([change[1] for change in changes])
        if self.drifted(greatest):
            return self.acknowledge(link, frame, DRIFTED, 0, self.drift_text(greatest))
        try:
            answer = self.replica.apply_all(changes)
        except (StoreError, DamagedState) as error:
            return self.acknowledge(link, frame, REFUSED, 0, str(error).encode())
        if answer == COLD:
            return self.chill(member, link, frame)
        return self.acknowledge(link, frame, SUPERSEDED if answer == OLDER else APPLIED,
                                self.replica.newest_hlc if answer == OLDER else 0, b"")

    def drift_text(self, hlc):
        return (f"a timestamp is {(hlc >> 16) - self.clock.now_ms} ms ahead of this node's clock, more "
                f"than max-clock-drift {self.clock.drift_ms_max}").encode()

    cdef int acknowledge(self, object link, const Frame* frame, int status, uint64_t newest_hlc,
                         bytes text) except -1:
        cdef Header header
        if frame.header.flags & QUIET:
            return 0
        zero(&header)
        header.request, header.sent_hlc = frame.header.request, self.clock.last
        header.hlc, header.annotation, header.status = frame.header.hlc, newest_hlc, status
        return self.env.answer(link, make_frame(
            ACKNOWLEDGE, &header, b"", 0, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)))

    cdef int receive_sweep(self, int member, object link, const Frame* frame) except -1:
        if self.drifted(frame.header.hlc) or frame.key_bytes != 1:
            return self.acknowledge(link, frame, DRIFTED, 0, self.drift_text(frame.header.hlc))
        try:
            self.replica.store.flush(<uint8_t>frame.key[0], frame.header.hlc, frame.header.actor)
        except StoreError as error:
            return self.acknowledge(link, frame, REFUSED, 0, str(error).encode())
        return self.acknowledge(link, frame, APPLIED, 0, b"")

    cdef int receive_read(self, int member, object link, const Frame* frame) except -1:
        cdef Header header
        cdef Row row
        cdef int answer
        cdef bytes text
        zero(&header)
        header.request, header.sent_hlc = frame.header.request, self.clock.last
        try:
            answer = self.replica.read(frame.key, <uint32_t>frame.key_bytes, &row)
        except StoreError as error:
            header.status = REFUSED
            text = str(error).encode()
            return self.env.answer(link, make_frame(
                VERSION, &header, b"", 0, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)))
        if answer == PENDING:
            return self.chill(member, link, frame)
        if answer != FOUND:
            header.status = NOTHING
            return self.env.answer(link, make_frame(VERSION, &header, b"", 0, b"", 0))
        header.hlc, header.actor = row.hlc, row.actor
        header.deadline_ms, header.annotation = row.deadline_ms, row.annotation
        header.flags = TOMBSTONE if row.tombstone else 0
        return self.env.answer(link, make_frame(
            VERSION, &header, b"", 0, row.value, row.value_bytes))

    cdef int receive_forward(self, int member, object link, const Frame* frame) except -1:
        cdef RemoteSink sink = RemoteSink.__new__(RemoteSink)
        cdef Plan plan = self.plan_of(frame.key)
        cdef Request request
        sink.link, sink.request_id, sink.coordinator = link, frame.header.request, self
        request = self.make(WRITING, plan, sink, frame.header.level, frame.header.timeout_ms)
        request.key = frame.key[:frame.key_bytes]
        request.value = frame.body[:frame.body_bytes]
        request.hlc, request.actor = frame.header.hlc, frame.header.actor
        request.stamped_elsewhere = True
        request.deadline_ms = frame.header.deadline_ms
        request.tombstone = frame.header.flags & TOMBSTONE
        if self.drifted(request.hlc):
            return self.finish(request, FAILED, "ERR " + self.drift_text(request.hlc).decode())
        try:
            self.coordinate(request)
        except levels.BadLevel as error:
            self.finish(request, FAILED, f"ERR {error}")
        return 0

    cdef int receive_reply(self, int member, const Frame* frame) except -1:
        cdef Request request = self.pending.get(frame.header.request)
        cdef Row row
        cdef int position, status = frame.header.status
        cdef uint32_t bit
        if request is None:
            return 0
        if frame.kind == OUTCOME or frame.kind == REPLY:
            if request.target != member:
                return 0
            if frame.kind == REPLY:
                request.value = frame.body[:frame.body_bytes]
                return self.finish(request, SUCCESS, None)
            if frame.header.hlc != request.hlc:
                return 0           # of an earlier round: an outcome names the stamp, too
            if status == OVERTAKEN and request.rounds < ROUNDS_MAX:
                return self.overtaken(request, frame.header.annotation)
            return self.finish(request, status, frame.body[:frame.body_bytes].decode()
                               if frame.body_bytes else None)
        position = request.plan.position(member)
        bit = 1 << position if position >= 0 else 0
        if not request.open & bit:
            return 0
        if frame.kind == VERSION and request.kind == READING:
            if status == REFUSED:
                request.open &= ~bit
                request.refused |= bit
                request.text = frame.body[:frame.body_bytes].decode()
            else:
                row.value, row.value_bytes = frame.body, <uint32_t>frame.body_bytes
                row.hlc, row.actor = frame.header.hlc, frame.header.actor
                row.deadline_ms, row.annotation = frame.header.deadline_ms, frame.header.annotation
                row.tombstone = frame.header.flags & TOMBSTONE
                self.take_version(request, position, status != NOTHING, &row)
            return self.judge_read(request)
        if frame.kind != ACKNOWLEDGE or request.kind != WRITING or frame.header.hlc != request.hlc:
            return 0
        request.open &= ~bit
        if status == APPLIED:
            request.acks |= bit
        elif status == SUPERSEDED:
            request.older |= bit
            request.newest_hlc = max(request.newest_hlc, frame.header.annotation)
        else:
            request.refused |= bit
            if request.rounds == 0:
                request.touched &= ~bit
            request.text = frame.body[:frame.body_bytes].decode()
        return self.judge_write(request)

    # -- cold reads ---------------------------------------------------------------------------

    cdef int chill(self, int member, object link, const Frame* frame) except -1:
        """Keep a frame until the blocks are there that it needs."""
        cdef bytes text = make_frame(frame.kind, &frame.header, frame.key, frame.key_bytes,
                                     frame.body, frame.body_bytes)
        return self.cool((member, link, text))

    def cool(self, waiter):
        if len(self.cold) >= COLD_MAX:
            raise StoreError("BUSY too many reads wait for the disk")
        self.cold.append(waiter)
        self.env.load_soon()
        return 0

    def retry_cold(self):
        """What was asked of the disk has come."""
        waiters, self.cold = self.cold, []
        for waiter in waiters:
            if isinstance(waiter, Request):
                self.retry_request(waiter)
            else:
                self.receive_bytes(*waiter)

    def retry_request(self, Request request):
        if not request.cold:
            return             # given up meanwhile
        request.cold = False
        if request.kind == READING:
            request.open &= ~(1 << request.plan.mine)
            self.read_mine(request)
            self.judge_read(request)
        elif request.result == OPEN:
            self.send_round(request)

    # -- numbers ------------------------------------------------------------------------------

    def stats(self):
        """Counters by name, as INFO's section Cluster shows them."""
        return {
            "coordinated_reads": self.reads, "coordinated_writes": self.writes,
            "forwarded_writes": self.forwards, "restamped_writes": self.restamps,
            "read_repairs": self.repairs, "hedged_requests": self.hedges,
            "timeouts": self.timeouts, "no_quorums": self.no_quorums,
            "requests_under_way": len(self.pending), "cold_requests": len(self.cold),
            "usual_read_ms": f"{self.usual_ms:.2f}",
            "replica_writes": self.replica.writes, "replica_merges": self.replica.merges,
            "replica_superseded": self.replica.superseded,
        }


cdef inline void zero(Header* header) noexcept:
    header.request = header.sent_hlc = header.hlc = header.actor = 0
    header.deadline_ms = header.annotation = 0
    header.timeout_ms = 0
    header.level = 0
    header.flags = header.status = 0


cdef inline int keep(Request request, const Row* row) except -1:
    request.found = True
    request.hlc, request.actor, request.tombstone = row.hlc, row.actor, row.tombstone
    request.deadline_ms, request.annotation = row.deadline_ms, row.annotation
    request.value = row.value[:row.value_bytes]
    return 0


cdef inline bint same(Request request, const Row* row) except -1:
    """Whether a replica has just what was kept. (Causal annotations are each replica's own.)"""
    if request.hlc != row.hlc or request.actor != row.actor:
        return False
    if row.actor & 1:
        return request.value == row.value[:row.value_bytes]
    return request.annotation == row.annotation


cdef inline bint later(const Row* row, Request request) noexcept:
    if row.hlc != request.hlc:
        return row.hlc > request.hlc
    if row.actor != request.actor:
        return row.actor > request.actor
    return row.annotation > request.annotation


cdef inline bint useless(Need need, uint32_t chosen, int position) noexcept:
    """Whether one more answer from this position would count for nothing."""
    cdef int i
    for i in range(need.groups):
        if need.masks[i] & (1 << position):
            if popcount(chosen & need.masks[i]) < need.counts[i]:
                return False
    return True


cdef inline int popcount(uint32_t number) noexcept:
    cdef int count = 0
    while number:
        number &= number - 1
        count += 1
    return count


cdef inline bint restampable(Request request) noexcept:
    """Blind writes may be stamped again, by the node that stamped them; a causal state or an
    annotation is what it is."""
    if request.changes is None:
        return not request.stamped_elsewhere
    return not request.changes[0][2] & 1 and not request.changes[0][4]


cdef row_tuple(const Row* row):
    return (row.hlc, row.actor, row.deadline_ms, row.annotation, row.tombstone,
            row.value[:row.value_bytes])


cdef bytes change_frame(change):
    """A version as a frame that nobody acknowledges: in a bundle, or for a repair."""
    cdef Header header
    cdef bytes key, value
    key, hlc, actor, deadline_ms, annotation, tombstone, value = change
    zero(&header)
    header.hlc, header.actor, header.deadline_ms, header.annotation = (
        hlc, actor, deadline_ms, annotation)
    header.flags = QUIET | (TOMBSTONE if tombstone else 0)
    return make_frame(WRITE, &header, PyBytes_AS_STRING(key), PyBytes_GET_SIZE(key),
                      PyBytes_AS_STRING(value), PyBytes_GET_SIZE(value))


def split_changes(bytes body):
    """The versions of a bundle. Raises BadFrame."""
    cdef Frame frame
    cdef Py_ssize_t at = 0, size = PyBytes_GET_SIZE(body), length
    changes = []
    while at < size:
        length = take_frame(PyBytes_AS_STRING(body) + at, size - at, &frame)
        if length == 0 or frame.kind != WRITE:
            raise ValueError("a bundle holds whole versions and nothing else")
        changes.append((frame.key[:frame.key_bytes], frame.header.hlc, frame.header.actor,
                        frame.header.deadline_ms, frame.header.annotation,
                        bool(frame.header.flags & TOMBSTONE), frame.body[:frame.body_bytes]))
        at += length
    if not changes:
        raise ValueError("a bundle holds at least one version")
    return changes
