"""Reading: as many replicas as the level needs, this node first, by whichever node was asked.

What differs is merged, and whoever lacks the merge is sent it (read repair); nobody waits for that. A
read that takes unusually long asks one replica more (Cassandra's speculative retry); replicas that owe
answers for long are asked last (silence.pyx).

Sources: DeCandia et al., "Dynamo", 2007, section 4.5.
"""

from cluster.errors import StoreError
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cluster.quorum cimport Need, bits
from cluster.replica cimport COLD, handed_over
from cluster.request cimport NO_QUORUM, OPEN, READING, SUCCESS
from cluster.store cimport FOUND, PENDING
from cluster.versions cimport annotated_later
from cluster.wire cimport HINTED, READ, Header, make_frame, version_frame, zero

from cluster import outcome
from cluster.hints import hint_key
from cluster.versions import DamagedState, from_record, merge, to_record


cdef class Reads(Requests):
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
        if not need.possible(0, living) and not (living and self.sloppy and self.hints is not None):
            return self.finish(request, NO_QUORUM, outcome.refused_at_once(
                need.total, need.counted(living)))
        self.ask_enough(request)
        return self.judge_read(request)

    def read_at(self, int member, bytes key, uint32_t timeout_ms, Sink sink):
        """What one replica has of a stored key, whatever the others have."""
        cdef Plan plan = self.plan_of(PyBytes_AS_STRING(key))
        cdef Plan alone = Plan(plan.partition, (member,), (), (plan.here,), self.me, plan.here)
        cdef Request request = self.make(READING, alone, sink, 1, timeout_ms)
        request.key, request.need = key, alone.need(1, False)
        if not self.alive[member]:
            self.finish(request, NO_QUORUM, "it cannot be reached")
            return
        self.ask_enough(request)
        self.judge_read(request)

    cdef int ask_enough(self, Request request) except -1:
        """Ask so many replicas that the level can be met by them; this node first."""
        cdef Plan plan = request.plan
        cdef uint32_t free = self.living(plan) & ~request.asked, silent
        cdef uint32_t last = self.asked_last(plan, &silent)
        cdef uint32_t hopeful = request.acks | request.open, chosen = 0
        if request.need.met(hopeful):
            return 0
        if plan.mine >= 0 and not request.asked & (1 << plan.mine):
            chosen |= 1 << plan.mine
        chosen |= choose(request.need, plan.count, hopeful | chosen, free & ~last)
        if last & free:
            chosen |= choose(request.need, plan.count, hopeful | chosen, free & last)
            chosen |= self.worth_a_try(plan, free & silent & ~chosen)
        self.ask(request, chosen)
        if (request.result == OPEN and self.sloppy and self.hints is not None
                and not request.need.possible(request.acks, request.open)):
            self.ask_stand_ins_to_read(request)
        return 0

    cdef uint32_t worth_a_try(self, Plan plan, uint32_t silent) except? 0:
        """Silent replicas that are asked besides, to find out whether they answer again."""
        cdef uint32_t mask = 0
        cdef int i
        for i in range(plan.count):
            if silent & (1 << i) and self.silence.is_due(plan.members[i], self.env.monotonic_ms):
                mask |= 1 << i
        return mask

    cdef int ask_stand_ins_to_read(self, Request request) except -1:
        """Too few replicas live: what do those know that keep their hints?"""
        cdef Header header
        cdef bytes frame
        cdef uint32_t bit
        for position, member in self.hints.stand_ins(request.plan).items():
            bit = 1 << position
            if request.asked & bit:
                continue
            request.asked |= bit
            target = request.plan.replicas[position]
            if member == self.me:
                self.read_hint(request, position, target)
                continue
            zero(&header)
            header.request, header.sent_hlc = request.id, self.clock.last
            header.level, header.flags = target + 1, HINTED
            frame = make_frame(READ, &header, PyBytes_AS_STRING(request.key),
                               PyBytes_GET_SIZE(request.key), b"", 0)
            if self.env.send(member, frame):
                request.open |= bit
        return 0

    cdef int read_hint(self, Request request, int position, int target) except -1:
        """What this node keeps for a replica that is down counts as that replica's answer."""
        cdef Row row
        cdef bint waiting = request.cold or request.cold_hints
        cdef bytes key = hint_key(target, request.key)
        cdef int answer = self.replica.read(PyBytes_AS_STRING(key), <uint32_t>PyBytes_GET_SIZE(key),
                                            &row)
        if answer == PENDING:
            request.open |= 1 << position
            request.cold_hints |= 1 << position
            return 0 if waiting else self.cool(request)
        return self.take_version(request, position, answer == FOUND and not handed_over(&row), &row)

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
                self.silence.asked(plan.members[i], self.env.monotonic_ms)
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
        if request.result != OPEN:
            if request.open == 0:
                if request.stale:
                    self.repair(request)
                self.forget(request)
            return 0
        if request.need.met(request.acks):
            self.learn_usual(request)
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

    cdef int learn_usual(self, Request request) noexcept:
        """One more read for the estimate of the 99th percentile. What a hedge has won says how long the
        hedge waited, not how long replicas take: learnt from, it would make the next hedge wait longer,
        and so on, for as long as one member does not answer."""
        cdef double took_ms = <double>(self.env.monotonic_ms - request.began_ms)
        cdef double step = max(1.0, self.usual_ms / 10)
        if request.acks & request.hedged and request.open:
            return 0
        self.usual_ms += 0.99 * step if took_ms > self.usual_ms else -0.01 * step
        if self.usual_ms < 1:
            self.usual_ms = 1
        return 0

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
        frame = version_frame(version)
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
                self.cool((self.me, None, version_frame(version)))
        except (StoreError, DamagedState):
            pass               # the next read, or anti-entropy, comes by again


cdef uint32_t choose(Need need, int count, uint32_t hopeful, uint32_t candidates) except? 0:
    """The first of some positions that a level still lacks, beside those that are hoped for."""
    cdef uint32_t chosen = 0
    cdef int i
    for i in range(count):
        if need.met(hopeful | chosen):
            break
        if not candidates & (1 << i):
            continue
        if not need.met(hopeful | chosen | (1 << i)) and useless(need, hopeful | chosen, i):
            continue
        chosen |= 1 << i
    return chosen


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
    return request.annotation == row.annotation and request.deadline_ms == row.deadline_ms


cdef inline bint later(const Row* row, Request request) noexcept:
    if row.hlc != request.hlc:
        return row.hlc > request.hlc
    if row.actor != request.actor:
        return row.actor > request.actor
    return annotated_later(row.annotation, row.deadline_ms, request.annotation, request.deadline_ms)


cdef inline bint useless(Need need, uint32_t chosen, int position) noexcept:
    """Whether one more answer from this position would count for nothing."""
    cdef int i
    for i in range(need.groups):
        if need.masks[i] & (1 << position):
            if bits(chosen & need.masks[i]) < need.counts[i]:
                return False
    return True


cdef row_tuple(const Row* row):
    return (row.hlc, row.actor, row.deadline_ms, row.annotation, row.tombstone,
            row.value[:row.value_bytes])
