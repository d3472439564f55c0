"""The coordinator: this node's part in the requests of all nodes.

    its own     read (reads.pyx), write (writes.pyx), execute: another node runs a command
    of others   versions to store, versions to give, writes and commands to coordinate

`receive` takes a frame of another node and answers it over the connection on which it came. What
needs a block from the disk is kept and handed in again when it is there.
"""

from cluster.errors import StoreError
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cluster.replica cimport COLD, OLDER, handed_over
from cluster.request cimport (
    EXECUTED, FAILED, FORWARDED, NO_QUORUM, OPEN, OVERTAKEN, READING, SUCCESS, WRITING,
)
from cluster.store cimport FOUND, PENDING
from cluster.writes cimport may_restamp
from cluster.wire cimport (
    ACKNOWLEDGE, APPLIED, BUNDLE, COMPARE, COMPARED, DRIFTED, EXECUTE, FORWARD, HINT, HINTED,
    LAST_ROUND, NOTHING, OUTCOME, QUIET, READ, REFUSED, REPLY, STRICT, SUPERSEDED, SWEEP, TOMBSTONE,
    VERSION, WRITE, Header,
    make_frame, take_frame, zero,
)

from cluster import levels, outcome
from cluster.versions import DamagedState
from cluster.hints import hint_key
from cluster.wire import split_versions


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


cdef class Coordinator(Writes):
    """`executor.execute(member, link, request_id, header, key, body)` runs commands of other nodes."""

    def execute(self, int member, bytes key, bytes body, int level, uint32_t timeout_ms, flags,
                Sink sink):
        """Have another node run a command. The reply's bytes are `request.value`.

        The frame says until when somebody waits: a process that was frozen finds frames in its socket
        whose clients were told long ago that the outcome is unknown, and may have written since."""
        cdef Header header
        cdef Request request = self.make(
            EXECUTED, self.plan_of(PyBytes_AS_STRING(key)), sink, level, timeout_ms)
        zero(&header)
        header.request, header.sent_hlc, header.level = request.id, self.clock.last, level
        header.timeout_ms, header.flags = timeout_ms, flags
        header.deadline_ms = self.clock.now_ms + timeout_ms
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
            self.silence.answered(member)
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
        if kind == HINT:
            return self.receive_hint(member, link, frame)
        if kind == EXECUTE and frame.header.deadline_ms + self.clock.drift_ms_max >= self.clock.now_ms:
            self.executor.execute(member, link, frame.header.request, dict(frame.header),
                                  frame.key[:frame.key_bytes], frame.body[:frame.body_bytes])
        if (kind == COMPARE or kind == COMPARED) and self.repairer is not None:
            self.repairer.receive(member, link, chr(kind), dict(frame.header),
                                  frame.key[:frame.key_bytes], frame.body[:frame.body_bytes])
        return 0               # an unknown kind comes from a newer version: nobody waits for ever

    cdef int receive_write(self, int member, object link, const Frame* frame) except -1:
        cdef Row row
        cdef int answer
        cdef uint64_t newest_hlc = newest(&frame.header)
        if self.drifted(newest_hlc):
            return self.acknowledge(link, frame, DRIFTED, 0, self.drift_text(newest_hlc))
        version_of(frame, &row)
        try:
            answer = self.replica.apply(frame.key, <uint32_t>frame.key_bytes, &row)
        except (StoreError, DamagedState) as error:
            return self.acknowledge(link, frame, REFUSED, 0, str(error).encode())
        return stored(self, member, link, frame, answer)

    cdef int receive_bundle(self, int member, object link, const Frame* frame) except -1:
        changes = split_versions(frame.body[:frame.body_bytes])
        greatest = newest_of(changes)
        if self.drifted(greatest):
            return self.acknowledge(link, frame, DRIFTED, 0, self.drift_text(greatest))
        try:
            answer = self.replica.apply_all(changes)
        except (StoreError, DamagedState) as error:
            return self.acknowledge(link, frame, REFUSED, 0, str(error).encode())
        return stored(self, member, link, frame, answer)

    cdef int receive_hint(self, int member, object link, const Frame* frame) except -1:
        """Keep versions for a replica that is down; the acknowledgement names it."""
        cdef Header header
        versions = split_versions(frame.body[:frame.body_bytes])
        kept = False
        zero(&header)
        header.request, header.sent_hlc = frame.header.request, self.clock.last
        header.hlc, header.level = frame.header.hlc, frame.header.level + 1
        if not (self.hints is None or frame.header.level >= len(self.members)
                or self.drifted(newest_of(versions))):
            kept = self.hints.keep(frame.header.level, versions)
            if kept is None:
                return self.chill(member, link, frame)
        header.status = APPLIED if kept else REFUSED
        return self.env.answer(link, make_frame(ACKNOWLEDGE, &header, b"", 0, b"", 0))

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
        """SUPERSEDED: done, but this clock was ahead, so newer writes may have been acknowledged here."""
        cdef uint64_t newest_hlc = 0
        if self.drifted(frame.header.hlc) or frame.key_bytes != 1:
            return self.acknowledge(link, frame, DRIFTED, 0, self.drift_text(frame.header.hlc))
        try:
            self.replica.sweep(<uint8_t>frame.key[0], frame.header.hlc, frame.header.actor)
        except StoreError as error:
            return self.acknowledge(link, frame, REFUSED, 0, str(error).encode())
        if self.clock.last > frame.header.hlc and not frame.header.flags & LAST_ROUND:
            newest_hlc = self.clock.last
        return self.acknowledge(link, frame, SUPERSEDED if newest_hlc else APPLIED, newest_hlc, b"")

    cdef int receive_read(self, int member, object link, const Frame* frame) except -1:
        cdef Header header
        cdef Row row
        cdef int answer
        cdef bytes text
        cdef bytes key
        zero(&header)
        header.request, header.sent_hlc = frame.header.request, self.clock.last
        header.level = frame.header.level
        try:
            if frame.header.flags & HINTED and frame.header.level > 0:
                key = hint_key(frame.header.level - 1, frame.key[:frame.key_bytes])
                answer = self.replica.read(PyBytes_AS_STRING(key),
                                           <uint32_t>PyBytes_GET_SIZE(key), &row)
            else:
                answer = self.replica.read(frame.key, <uint32_t>frame.key_bytes, &row)
        except StoreError as error:
            header.status = REFUSED
            text = str(error).encode()
            return self.env.answer(link, make_frame(
                VERSION, &header, b"", 0, PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text)))
        if answer == PENDING:
            return self.chill(member, link, frame)
        if answer != FOUND or (frame.header.flags & HINTED and handed_over(&row)):
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
        request.tombstone, request.flags = (
            frame.header.flags & TOMBSTONE != 0, frame.header.flags & STRICT)
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
            if status == OVERTAKEN and may_restamp(request):
                return self.overtaken(request, frame.header.annotation)
            if status == OVERTAKEN:
                return self.finish(request, NO_QUORUM, outcome.overtaken_for_ever(request.rounds))
            if (status == NO_QUORUM and request.kind == FORWARDED and request.result == OPEN
                    and self.reaches_enough(request)):
                # More than the coordinator does: that has just been started, or is cut off.
                self.take_over(request)
                return 0
            return self.finish(request, status, frame.body[:frame.body_bytes].decode()
                               if frame.body_bytes else None)
        if frame.header.level:
            return self.receive_stand_in(request, frame)
        position = request.plan.position(member)
        bit = 1 << position if position >= 0 else 0
        if not request.open & bit:
            return 0
        if frame.kind == VERSION and request.kind == READING:
            if status == REFUSED:
                self.silence.refused(member, self.env.monotonic_ms)
                request.open &= ~bit
                request.refused |= bit
                request.text = frame.body[:frame.body_bytes].decode()
            elif status != NOTHING and self.drifted(newest(&frame.header)):
                request.open &= ~bit
                request.refused |= bit
                request.text = self.drift_text(newest(&frame.header)).decode()
            else:
                version_of(frame, &row)
                self.take_version(request, position, status != NOTHING, &row)
            return self.judge_read(request)
        if frame.kind != ACKNOWLEDGE or request.kind != WRITING or frame.header.hlc != request.hlc:
            return 0
        request.open &= ~bit
        if status == APPLIED:
            request.acks |= bit
        elif status == SUPERSEDED:
            self.count_older(request, bit, frame.header.annotation)
        else:
            request.refused |= bit
            if request.rounds == 0:
                request.touched &= ~bit
            request.text = frame.body[:frame.body_bytes].decode()
        return self.judge_write(request)

    cdef int receive_stand_in(self, Request request, const Frame* frame) except -1:
        """The answer of a member that keeps hints for a replica that is down."""
        cdef Row row
        cdef int position = request.plan.position(frame.header.level - 1)
        cdef uint32_t bit = 1 << position if position >= 0 else 0
        if frame.kind == ACKNOWLEDGE and request.kind == WRITING:
            if not request.hint_open & bit or frame.header.hlc != request.hlc:
                return 0
            request.hint_open &= ~bit
            if frame.header.status == APPLIED:
                request.hinted |= bit
            return self.judge_write(request)
        if frame.kind != VERSION or request.kind != READING or not request.open & bit:
            return 0
        if frame.header.status == REFUSED:
            request.open &= ~bit
            request.refused |= bit
        else:
            version_of(frame, &row)
            self.take_version(request, position, frame.header.status != NOTHING, &row)
        return self.judge_read(request)

    cdef bint reaches_enough(self, Request request) except -1:
        return request.plan.need(request.level, True).possible(0, self.living(request.plan))

    # -- cold reads ---------------------------------------------------------------------------

    cdef int chill(self, int member, object link, const Frame* frame) except -1:
        """Keep a frame until the blocks are there that it needs."""
        cdef bytes text = make_frame(frame.kind, &frame.header, frame.key, frame.key_bytes,
                                     frame.body, frame.body_bytes)
        return self.cool((member, link, text))

    def retry_cold(self):
        """What was asked of the disk has come."""
        waiters, self.cold = self.cold, []
        for waiter in waiters:
            if isinstance(waiter, Request):
                self.retry_request(waiter)
            else:
                self.receive_bytes(*waiter)
        if self.hints is not None:
            self.hints.retry_cold()

    def retry_request(self, Request request):
        cdef bint cold = request.cold
        cdef uint32_t hints = request.cold_hints
        cdef int i
        if not cold and not hints:
            return             # given up meanwhile
        request.cold, request.cold_hints = False, 0
        if request.kind == READING:
            if cold:
                request.open &= ~(1 << request.plan.mine)
                self.read_mine(request)
            for i in range(request.plan.count):
                if hints & (1 << i):
                    self.read_hint(request, i, request.plan.members[i])
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
            "silent_members": sum([self.is_silent(member) for member in range(len(self.members))]),
            "usual_read_ms": f"{self.usual_ms:.2f}",
            "background_rate": round(self.pace.rate), "background_credit": round(self.pace.tokens),
            "replica_writes": self.replica.writes, "replica_merges": self.replica.merges,
            "replica_superseded": self.replica.superseded,
        }


cdef inline uint64_t newest(const Header* header) noexcept:
    """The latest timestamp of a version. (The annotation of a causal state is its replica's own.)"""
    return header.hlc if header.actor & 1 else max(header.hlc, header.annotation)


cdef newest_of(list changes):
    """The same of several, [(stored key, hlc, actor, deadline_ms, annotation, ...), ...]."""
    return max([hlc if actor & 1 else max(hlc, annotation) for _, hlc, actor, _, annotation, *_ in changes])


cdef inline void version_of(const Frame* frame, Row* row) noexcept:
    """The version that a WRITE or VERSION frame carries; `row` borrows from the frame."""
    row.value, row.value_bytes = frame.body, <uint32_t>frame.body_bytes
    row.hlc, row.actor = frame.header.hlc, frame.header.actor
    row.deadline_ms, row.annotation = frame.header.deadline_ms, frame.header.annotation
    row.tombstone = frame.header.flags & TOMBSTONE


cdef int stored(Coordinator coordinator, int member, object link, const Frame* frame,
                int answer) except -1:
    """Acknowledge what the replica made of a frame's versions (replica.Applied)."""
    if answer == COLD:
        return coordinator.chill(member, link, frame)
    if answer == OLDER:
        return coordinator.acknowledge(link, frame, SUPERSEDED, coordinator.replica.newest_hlc, b"")
    return coordinator.acknowledge(link, frame, APPLIED, 0, b"")
