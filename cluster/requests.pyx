"""What all requests have in common: who is alive, where a key is, time-outs, hedges, lost members.

Reads (reads.pyx), writes (writes.pyx) and the frames of other nodes (coordinator.pyx) build on this,
each a class on top of the one before: together they are one object, the node's Coordinator. Written as
callbacks around small values: a Request counts (quorum.pyx), a frame or a timer moves it on, its Sink
is told once. Nothing waits, nothing owns a thread.
"""

from collections import deque

from cluster.errors import StoreError
from cpython.bytes cimport PyBytes_AS_STRING
from cluster.request cimport (
    EXECUTED, FORWARDED, NO_QUORUM, OPEN, READING, TIMED_OUT, WRITING,
)

from cluster import levels, outcome
from cluster.pace import Pace

COLD_MAX = 65_536
HEDGE_MS_MIN, HEDGE_MS_MAX = 10.0, 1000.0
LATE_AT_ONCE = 100


cdef class Requests:
    """`members`: the document's members in order; `me`: this node's place among them."""

    def __init__(self, Environment env, Replica replica, list members, int me, uint64_t actor,
                 list plans):
        if len(members) > MEMBERS_MAX:
            raise ValueError(f"at most {MEMBERS_MAX} members")
        self.env, self.replica, self.clock = env, replica, env.clock
        self.members, self.me, self.actor = members, me, actor
        self.use_plans(plans)
        self.silence, self.pace = Silence(), Pace()
        self.pending, self.queues = {}, {}
        self.uncommitted, self.unsynced, self.cold = [], [], []
        self.young, self.late = deque(), deque()
        self.read_level = self.write_level = levels.QUORUM
        self.read_timeout_ms, self.write_timeout_ms = 5000, 2000
        self.usual_ms = HEDGE_MS_MIN
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
        elif self.hints is not None:
            self.hints.member_back(member)

    def set_gone(self, int member, bint gone):
        """Whether a member that cannot be reached is taken for down: only then may others stand in for
        it. A node that has just started has met nobody, and must not answer for all."""
        self.gone[member] = gone

    def is_gone(self, int member):
        return bool(self.gone[member])

    def is_alive(self, int member):
        return bool(self.alive[member])

    cdef uint32_t living(self, Plan plan) noexcept:
        cdef uint32_t mask = 0
        cdef int i
        for i in range(plan.count):
            if self.alive[plan.members[i]]:
                mask |= 1 << i
        return mask

    cdef uint32_t asked_last(self, Plan plan, uint32_t* silent) noexcept:
        """Replicas that are best asked last (silence.pyx): the silent ones, and those that lately refused to
        be read, because they are being refilled."""
        cdef uint32_t refusing = 0
        cdef int i
        silent[0] = 0
        for i in range(plan.count):
            if self.silence.is_silent(plan.members[i], self.env.monotonic_ms):
                silent[0] |= 1 << i
            elif self.silence.is_refusing(plan.members[i], self.env.monotonic_ms):
                refusing |= 1 << i
        return silent[0] | refusing

    def is_silent(self, int member):
        return bool(self.silence.is_silent(member, self.env.monotonic_ms))

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

    cdef int quickest(self, Plan plan, int level):
        """Who coordinates a blind write: the preferred one, unless it owes answers; then the next that does
        not, this node if there is none. (It may run twice and anywhere, unlike a command that reads.)"""
        cdef int member = self.preferred(plan, level)
        if member < 0 or not self.silence.is_silent(member, self.env.monotonic_ms):
            return member
        member = self.next_answering(plan, level)
        return self.me if member < 0 else member

    cpdef int next_answering(self, Plan plan, int level):
        """The first replica that lives and owes no answers, -1: none. For a level that counts in one data
        centre: the first one there."""
        cdef int i, member
        cdef bint near = level in levels.LOCAL
        for i in range(plan.count):
            member = plan.members[i]
            if (self.alive[member] and not self.silence.is_silent(member, self.env.monotonic_ms)
                    and (not near or plan.places[i] == plan.here)):
                return member
        return -1

    cdef bint drifted(self, uint64_t hlc) noexcept:
        return hlc > ((self.clock.now_ms + self.clock.drift_ms_max) << 16)

    def drift_text(self, hlc):
        return (f"a timestamp is {(hlc >> 16) - self.clock.now_ms} ms ahead of this node's clock, more "
                f"than max-clock-drift {self.clock.drift_ms_max}").encode()

    def name_of(self, member):
        return f"{self.members[member].ip}:{self.members[member].port}"

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
        if request.open == 0 and request.hint_open == 0 and not request.cold:
            self.forget(request)
        sink, request.sink = request.sink, None
        (<Sink>sink).done(request)
        return 0

    cdef int forget(self, Request request) except -1:
        """Nothing more is expected of it."""
        if self.pending.pop(request.id, None) is None:
            return 0
        if request.queue is not None:
            request.queue.remove(request)
        if request.kind == WRITING and self.hints is not None:
            self.leave_hints(request)
        return 0

    def tick(self, uint64_t monotonic_ms):
        """Time-outs and hedges; every 10 ms or so."""
        cdef Queue queue
        self.env.monotonic_ms = monotonic_ms
        self.pace.refill(monotonic_ms, self.reads + self.writes)
        hedge_ms = min(HEDGE_MS_MAX, max(HEDGE_MS_MIN, 2 * self.usual_ms))
        while self.young and (<Request>self.young[0]).began_ms + hedge_ms <= monotonic_ms:
            self.hedge(self.young.popleft())
        for _ in range(min(LATE_AT_ONCE, len(self.late))):
            self.judge(self.late.popleft())
        for queue in list(self.queues.values()):
            while queue.first is not None and queue.first.expires_ms <= monotonic_ms:
                self.expire(queue.first)
        if len(self.queues) > 64:
            self.queues = {ms: queue for ms, queue in self.queues.items()
                           if (<Queue>queue).first is not None}

    def expire(self, Request request):
        writing = request.kind != READING
        request.open, request.hint_open, request.cold, request.cold_hints = 0, 0, False, 0
        self.forget(request)
        if request.result != OPEN:
            return
        if request.kind in (FORWARDED, EXECUTED):
            text = outcome.unknown_fate(self.name_of(request.target))
        else:
            text = outcome.timed_out(request, writing)
        self.finish(request, TIMED_OUT, text)

    def hedge(self, Request request):
        """It takes unusually long: ask one replica more, or do it here."""
        cdef uint32_t others, silent
        if request.result != OPEN:
            return
        if request.kind == READING:
            others = self.living(request.plan) & ~request.asked
            self.asked_last(request.plan, &silent)
            others = (others & ~silent) or others
            if others:
                self.hedges += 1
                request.hedged |= others & (~others + 1)
                self.ask(request, others & (~others + 1))
        elif request.kind == FORWARDED:
            self.hedges += 1
            self.take_over(request)

    def take_over(self, Request request):
        """Coordinate a write here that another node should have coordinated."""
        request.kind, request.open, request.target = WRITING, 0, -1
        self.coordinate(request)

    def member_lost(self, int member):
        """Its connection broke, or it was declared down: it will not answer what is under way.

        Writes that were answered long ago may wait for it by the ten thousand, if it froze. Keeping hints
        for all of them at once would stop this node for some tenths of a second: ticks do that."""
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
                if request.result == OPEN:
                    self.judge(request)
                elif request.open == 0:
                    self.late.append(request)

    def judge(self, Request request):
        if request.kind == READING:
            if request.result == OPEN:
                self.ask_enough(request)
            self.judge_read(request)
        else:
            self.judge_write(request)

    # -- what reads and writes do themselves --------------------------------------------------

    cdef int coordinate(self, Request request) except -1:
        """Start a write that this node coordinates."""
        raise NotImplementedError

    cdef int judge_write(self, Request request) except -1:
        raise NotImplementedError

    cdef int leave_hints(self, Request request) except -1:
        raise NotImplementedError

    cdef int judge_read(self, Request request) except -1:
        raise NotImplementedError

    cdef int ask(self, Request request, uint32_t positions) except -1:
        raise NotImplementedError

    cdef int ask_enough(self, Request request) except -1:
        raise NotImplementedError

    # -- cold reads ---------------------------------------------------------------------------

    def cool(self, waiter):
        if len(self.cold) >= COLD_MAX:
            raise StoreError("BUSY too many reads wait for the disk")
        self.cold.append(waiter)
        self.env.load_soon()
        return 0
