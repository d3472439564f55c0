"""Anti-entropy: replicas of a partition compare what they hold, and make it the same. Always on.

    when      each partition once an interval; soon after a replica came back; at once when asked (KV.REPAIR)
              or when this node's data of it was lost
    who       the first replica that lives runs the round (repair_round.py) of a partition, with one session
              (exchange.py) after the other; a node that is being refilled runs its own
    how fast  bytes sent and received by repair, on each node, up to `rate_bytes` a second, and an eighth
              of that while reads of clients take unusually long; few rounds at a time; scans yield

The answering side (repair_answers.py) keeps nothing between two questions. Every question has a token:
an answer that is late, or comes from a peer that restarted, finds nobody. Nothing here waits: all goes
on when a frame comes, a walk ends or `tick` is called (every 10 ms or so).

Two nodes that both take themselves for the first replica that lives both run rounds, which costs bytes and
harms nothing: merging is idempotent, watermarks only rise, and each round proves by itself.

Sources: DeCandia et al., "Dynamo", 2007, section 4.7; ScyllaDB's tombstone_gc=repair (a tombstone goes after
a repair in which all replicas took part, not after a grace time).
"""

from heapq import heappop, heappush
from typing import NamedTuple

from cluster.errors import StoreError
from cluster.fields import Malformed
from cluster.merkle import Summary, Tree
from cluster.pace import records_in
from cluster.parcels import packed, unpacked
from cluster.partitions import slots_of
from cluster.repair_answers import Answers
from cluster.repair_format import ANSWER, ENDLESS, QUESTION, REFILLING, RESUME, BadRepair
from cluster.repair_round import Round
from cluster.versions import DamagedState
from cluster.watermarks import Watermarks
from cluster.wire import frame_of

ANSWER_MS = 60_000         # for a question; the other side may have to scan the partition first
SCHEDULE_MS = 200
ROUNDS_MAX = 2             # at the same time
URGENT_ROUNDS_MAX = 4      # of partitions that somebody waits for
RETRY_MS = 10_000          # after a round that did not verify
RETURN_MS = 2_000          # within which partitions of a member that came back are looked at
FIRST_MS = 10_000          # after the start; scans of everything should not meet the clients' rush
SPREAD_MS = 60_000
HINTS_FIRST_MS = 1_000
UNTOLD_MS = 60_000         # until then the first replica has compared it, most often
NO_ROOM_MS = 50
BURST_BYTES = 128 << 10
DRIFT_MS = 1_000
BURIER = (1 << 64) - 2     # an actor that no node has, greater than all
CALM_MS_MIN = 5.0          # reads that take no longer than this are never a reason to yield


class Options(NamedTuple):
    rate_bytes: int = 8 << 20       # 0: no limit
    interval_ms: int = 600_000


class Part:
    """A partition that this node holds."""

    def __init__(self, plan, tree, marks):
        self.plan, self.tree, self.marks = plan, tree, marks
        self.partition = plan.partition
        self.others = [member for member in plan.replicas if member != plan.replicas[plan.mine]]
        self.due_ms = 0.0
        self.asked = False             # by an operator, or because its data was lost
        self.round = None
        self.walking = False
        self.waiting = []              # for the tree to be up to date
        self.differing = 0             # leaves, when they were compared last
        self.error = None              # what kept the last round from verifying it
        self.untold = False            # a replica has missed something, and no hint will tell it
        self.proved_ms = 0             # wall clock

    @property
    def line_hlc(self):
        return self.marks.line(self.partition)

    @property
    def verified_hlc(self):
        return self.marks.verified(self.partition)

    @property
    def refilling(self):
        return self.marks.is_refilling(self.partition)

    @property
    def state(self):
        if self.refilling:
            return "refilling"
        if self.round is not None:
            return "comparing"
        if self.error is not None or not self.verified_hlc:
            return "unverified"
        return "verified"


class Repairer:
    """`coordinator` tells who is alive and where partitions are.

    `hold_back(partition) -> hlc or 0`: nothing from this timestamp on may be verified, since this node
    keeps a hint of it; None: of any partition, also of those that are not here. Set by whoever keeps
    hints."""

    def __init__(self, coordinator, options=None):
        self.coordinator, self.options = coordinator, options or Options()
        self.env, self.replica, self.clock = coordinator.env, coordinator.replica, coordinator.clock
        self.store = self.replica.store
        self.hold_back = None
        plans = coordinator.plans
        self.marks = Watermarks(self.store, self.clock, self.replica, len(plans))
        self.parts = {}
        for plan in plans:
            if plan.mine >= 0:
                self.add_part(plan, len(plans))
        self.answers = Answers(self)
        self.asking = {}               # token -> (due ms, member, then)
        self.parked = {}               # token -> the rest of a parcel that waits for the disk
        # Late answers to an earlier process, or to the Repairer of an older document, find nobody.
        self.next_token = self.env.random.getrandbits(62)
        self.later, self.order = [], 0
        self.tokens, self.filled_ms = 0.0, self.env.monotonic_ms
        self.calm_ms = None
        self.next_schedule_ms = 0
        self.living = [coordinator.is_alive(member) for member in range(len(coordinator.members))]
        self.sent_bytes = self.received_bytes = self.records_in = self.records_out = 0
        self.rounds = self.verified_rounds = self.sessions = self.scanned = 0
        coordinator.repairer = self

    def add_part(self, plan, partitions):
        first, last = slots_of(plan.partition, partitions)
        self.marks.load(plan.partition)
        tree = Tree(plan.partition, first, last - first + 1, self.replica.dirty_address)
        part = self.parts[plan.partition] = Part(plan, tree, self.marks)
        tree.use_line(part.line_hlc)
        part.asked = part.refilling
        spread_ms = self.env.random.random() * min(SPREAD_MS, self.options.interval_ms)
        part.due_ms = self.env.monotonic_ms + (0 if part.asked else FIRST_MS + spread_ms)

    # -- for operators and for the shell ------------------------------------------------------

    def repair(self, partition=None):
        """Start rounds of one partition or of all that are here; how many. KeyError: not here."""
        parts = list(self.parts.values()) if partition is None else [self.parts[partition]]
        for part in parts:
            part.asked, part.due_ms = True, self.env.monotonic_ms
        return len(parts)

    def ready(self, partition):
        """Whether this node's replica of a partition is complete, as far as it knows."""
        return not self.replica.is_refilling(partition)

    def garbage(self):
        """(ms, hlc): a compaction may leave out what expired before the time and tombstones, both only
        below the hlc. The line's own time judges expiry, so that all replicas agree about it. Hints are
        records, too, and the hint of a delete is a tombstone."""
        line_hlc = self.marks.least_line()
        held = self.hold_back(None) if self.hold_back is not None else 0
        if line_hlc is None:
            return self.clock.now_ms, held or self.clock.last + 1
        return line_hlc >> 16, min(line_hlc, held or ENDLESS)

    def name_of(self, member):
        return self.coordinator.name_of(member)

    def progress(self):
        """Numbers by name, for KV.REPAIR and INFO."""
        parts = self.parts.values()
        return {
            "partitions": len(parts),
            "partitions_waiting": sum(part.asked and part.round is None for part in parts),
            "partitions_comparing": sum(part.round is not None for part in parts),
            "partitions_refilling": sum(part.refilling for part in parts),
            "partitions_unverified": sum(part.state == "unverified" for part in parts),
            "rounds": self.rounds, "rounds_verified": self.verified_rounds, "sessions": self.sessions,
            "sent_bytes": self.sent_bytes, "received_bytes": self.received_bytes,
            "records_sent": self.records_out, "records_received": self.records_in,
            "records_scanned": self.scanned, "late_writes_refused": self.replica.late,
        }

    # -- time ---------------------------------------------------------------------------------

    def tick(self):
        """Every 10 ms or so, in a turn of its own or in one that ends by sending what was sent."""
        now_ms = self.env.monotonic_ms
        self.refill_tokens(now_ms)
        while self.later and self.later[0][0] <= now_ms:
            heappop(self.later)[2]()
        if now_ms >= self.next_schedule_ms:
            self.next_schedule_ms = now_ms + SCHEDULE_MS
            self.give_up_waiting(now_ms)
            self.look_for_returned(now_ms)
            self.schedule(now_ms)

    def call_later(self, delay_ms, action):
        self.order += 1
        heappush(self.later, (self.env.monotonic_ms + delay_ms, self.order, action))

    def refill_tokens(self, now_ms):
        """Bytes that may be sent or taken in. Yields while the reads of clients are slow."""
        rate = self.options.rate_bytes / 1000
        usual_ms = self.coordinator.usual_ms
        if self.calm_ms is None or usual_ms < self.calm_ms:
            self.calm_ms = usual_ms
        passed_ms, self.filled_ms = now_ms - self.filled_ms, now_ms
        self.calm_ms += self.calm_ms * passed_ms / 100_000     # forgets old calm in minutes
        if usual_ms > max(CALM_MS_MIN, 2 * self.calm_ms):
            rate /= 8
        self.tokens = min(self.tokens + rate * passed_ms, max(BURST_BYTES, self.options.rate_bytes / 5))

    def spend(self, count, then):
        """`then()` now, or when the rate and the pace beside clients permit."""
        wait_ms = self.coordinator.pace.spend(records_in(count))
        if self.options.rate_bytes:
            self.tokens -= count
            wait_ms = max(wait_ms, -self.tokens * 1000 / self.options.rate_bytes)
        if wait_ms <= 0:
            then()
        else:
            self.call_later(min(5000, wait_ms), then)

    def safe_hlc(self, partition):
        """Writes stamped before this are stored by now wherever they ever will be, or refused."""
        return min(self.settled_hlc(self.clock.drift_ms_max), self.limit(partition))

    def settled_hlc(self, behind_ms=0):
        """What a clock that is so far behind this one stamped before this is no longer under way."""
        margin_ms = self.coordinator.write_timeout_ms + DRIFT_MS + behind_ms
        return max(0, self.clock.now_ms - margin_ms) << 16

    def limit(self, partition):
        """Nothing from here on may be verified, whoever runs the round: this node keeps hints of it, or by
        its own clock it may still be under way. So a clock that is ahead proves nothing of the future."""
        held = self.hold_back(partition) if self.hold_back is not None else 0
        return min(held or ENDLESS, self.settled_hlc())

    # -- rounds -------------------------------------------------------------------------------

    def look_for_returned(self, now_ms):
        for member, was in enumerate(self.living):
            alive = self.living[member] = self.coordinator.is_alive(member)
            if alive and not was:
                for part in self.parts.values():
                    if member in part.others:
                        soon_ms = now_ms + self.env.random.random() * RETURN_MS
                        part.due_ms = min(part.due_ms, soon_ms)

    def schedule(self, now_ms):
        running = sum(part.round is not None for part in self.parts.values())
        if running >= URGENT_ROUNDS_MAX:
            return
        due = [(not part.asked, part.due_ms, part.partition) for part in self.parts.values()
               if part.round is None and part.due_ms <= now_ms]
        for rest, _, partition in sorted(due):
            part = self.parts[partition]
            if running >= (ROUNDS_MAX if rest else URGENT_ROUNDS_MAX):
                return
            if rest and not part.untold and self.leader(part) != self.coordinator.me:
                part.due_ms = now_ms + self.options.interval_ms
                continue
            if rest and self.hands_over(part):
                part.due_ms = now_ms + HINTS_FIRST_MS
                continue
            running += 1
            self.begin(part)

    def hands_over(self, part):
        """Whether this node has hints under way to one of the replicas: what they will tell need not be
        looked for, and nothing as young as the oldest of them can be proved."""
        hints = self.coordinator.hints
        return hints is not None and any(member in hints.replays for member in part.others)

    def leader(self, part):
        return self.coordinator.preferred(part.plan, 0)

    def begin(self, part):
        alive = [member for member in part.others if self.coordinator.is_alive(member)]
        missing = [member for member in part.others if member not in alive]
        self.rounds += 1
        part.round = Round(self, part, alive, missing, self.safe_hlc(part.partition), self.round_ended)
        part.round.start()

    def round_ended(self, ended):
        part, now_ms = ended.part, self.env.monotonic_ms
        part.round, part.error = None, ended.error
        asked_since = part.asked and not ended.asked
        interval_ms = self.options.interval_ms * (0.9 + 0.2 * self.env.random.random())
        if ended.error is None:
            self.verified_rounds += 1
            part.due_ms = now_ms + interval_ms
        else:
            # When somebody is missing it is its return that starts the next one, if that is still to come.
            absent = any(not self.coordinator.is_alive(member) for member in ended.missing)
            part.due_ms = now_ms + (interval_ms if absent else min(interval_ms, RETRY_MS))
        part.asked = asked_since or part.refilling
        if asked_since:
            part.due_ms = now_ms
        self.next_schedule_ms = 0

    def count(self, session):
        self.sessions += 1
        self.records_in += session.records_in
        self.records_out += session.records_out

    # -- watermarks ---------------------------------------------------------------------------

    def verify(self, part, verified_hlc, line_hlc):
        self.marks.verify(part.partition, verified_hlc, line_hlc)
        part.tree.use_line(part.line_hlc)
        part.proved_ms = self.clock.now_ms
        part.error, part.untold = None, False

    def meet_line(self, part, line_hlc):
        """Another replica may purge up to here."""
        if self.marks.meet(part.partition, line_hlc):
            self.lost(part)
        part.tree.use_line(part.line_hlc)

    def not_told(self, partition, member):
        """A hint for another replica was dropped: only a comparison finds what it has missed."""
        self.doubt(partition, f"hints for {self.name_of(member)} were dropped")

    def refused(self, partition):
        """This node's own store took no write of a partition that it coordinated: nobody keeps a hint."""
        self.doubt(partition, "this node's store refused a write")

    def doubt(self, partition, why):
        part = self.parts.get(partition)
        if part is not None and not part.untold:
            part.error, part.untold = why, True
            part.due_ms = min(part.due_ms, self.env.monotonic_ms + UNTOLD_MS)

    def lose_all(self):
        """This node's disk was lost."""
        for part in self.parts.values():
            self.marks.lose(part.partition)
            self.lost(part)

    def lost(self, part):
        part.asked, part.due_ms = True, self.env.monotonic_ms
        part.error = "its data was lost here"

    def refilled(self, part):
        self.marks.refilled(part.partition)

    # -- trees and records --------------------------------------------------------------------

    def refresh(self, part, then):
        """`then(error or None)` when the tree shows at least what is stored now."""
        part.waiting.append(then)
        if not part.walking:
            self.begin_refresh(part)

    def begin_refresh(self, part):
        waiting, part.waiting = part.waiting, []
        summary = part.tree.begin()
        if summary is None:
            for then in waiting:
                then(None)
            return
        part.walking = True
        self.walk(part, summary, lambda _: self.refreshed(part, summary, waiting))

    def refreshed(self, part, summary, waiting):
        part.walking = False
        self.scanned += summary.records
        if summary.error is None and not summary.aborted:
            part.tree.put(summary)
            error = None
        else:
            part.tree.cancel(summary)
            error = str(summary.error or "the scan was stopped")
        for then in waiting:
            then(error)
        if part.waiting and not part.walking:
            self.begin_refresh(part)

    def walk(self, part, walk, then):
        walk.gentle = isinstance(walk, Summary) and not part.asked
        self.env.walk(walk, then)

    def absorb(self, part, parcel, before_hlc, trusted, then):
        """Store a parcel's records: `then(error or None, records, late parcel, changed)`."""
        self.spend(len(parcel), lambda: self.absorb_now(
            Absorption(part.partition, parcel, before_hlc, trusted, then)))

    def bury(self, part, late, then):
        """Delete records of a partition that is being refilled, as `absorb` stores them: all others had
        purged them when this node's data was still older (a backup that was put back).

        The tombstones' dot is just below the line, so that they are left out of the trees."""
        dot = (part.line_hlc - 1, BURIER)
        self.absorb(part, packed([(record[0], *dot, 0, 0, True, b"") for record in unpacked(late)]),
                    0, True, then)

    def absorb_now(self, absorption):
        error = None
        try:
            if absorption.parcel and not self.store.has_room():
                self.call_later(NO_ROOM_MS, lambda: self.absorb_now(absorption))
                return
            absorption.take(self.replica)
            if absorption.parcel:
                self.park(absorption)
                return
        except (StoreError, DamagedState, Malformed) as failure:
            error = str(failure)
        absorption.then(error, absorption.records, absorption.late, absorption.changed)

    def park(self, absorption):
        """Blocks have to be read first; the coordinator hands the frame back when they are there."""
        self.next_token += 1
        self.parked[self.next_token] = absorption
        self.coordinator.cool((self.coordinator.me, None, frame_of(
            QUESTION, request=self.next_token, level=RESUME)))

    # -- questions and answers ----------------------------------------------------------------

    def ask(self, member, part, step, body, then):
        """`then(fields, body, error or None)`, once."""
        self.next_token += 1
        token = self.next_token
        frame = self.frame(QUESTION, part, token, step, REFILLING if part.refilling else 0, body)
        self.asking[token] = (self.env.monotonic_ms + ANSWER_MS, member, then)
        self.spend(len(frame), lambda: self.send(token, member, frame))

    def send(self, token, member, frame):
        if token not in self.asking:
            return
        self.sent_bytes += len(frame)
        if not (self.coordinator.is_alive(member) and self.env.send_to(member, frame)):
            self.fail(token, "cannot be reached")

    def fail(self, token, error):
        _, _, then = self.asking.pop(token)
        then(None, b"", error)

    def give_up_waiting(self, now_ms):
        for token, (due_ms, member, _) in list(self.asking.items()):
            if not self.coordinator.is_alive(member):
                self.fail(token, "cannot be reached any more")
            elif now_ms >= due_ms:
                self.fail(token, "does not answer")

    def receive(self, member, link, kind, fields, key, body):
        """A frame of another node. (One from this node itself has waited for the disk.)"""
        if fields["level"] == RESUME:
            absorption = self.parked.pop(fields["request"], None)
            if member == self.coordinator.me and absorption is not None:
                self.absorb_now(absorption)
            return
        self.received_bytes += len(body)
        if kind == ANSWER:
            _, asked, then = self.asking.get(fields["request"], (0, None, None))
            if asked == member:
                del self.asking[fields["request"]]
                self.take(then, fields, body)
        else:
            self.answers.receive(member, link, fields, body)

    def take(self, then, fields, body):
        try:
            then(fields, body, None)
        except (BadRepair, ValueError) as error:
            then(None, b"", f"answers what cannot be: {error}")

    def answer(self, link, part, fields, status, body):
        frame = self.frame(ANSWER, part, fields["request"], fields["level"], status, body)
        self.sent_bytes += len(frame)
        self.spend(len(frame), lambda: self.env.answer_to(link, frame))

    def frame(self, kind, part, token, step, status, body):
        line_hlc, verified_hlc, limit = (
            (part.line_hlc, part.verified_hlc, self.limit(part.partition))
            if part is not None else (0, 0, 0))
        return frame_of(
            kind, body=body, request=token, sent_hlc=self.clock.last, level=step, status=status,
            timeout_ms=part.partition if part is not None else 0, hlc=line_hlc,
            annotation=verified_hlc, deadline_ms=limit)


class Absorption:
    """A parcel on its way into the store; what is left of it waits for the disk."""

    def __init__(self, partition, parcel, before_hlc, trusted, then):
        self.partition, self.parcel, self.before_hlc = partition, parcel, before_hlc
        self.trusted, self.then = trusted, then
        self.late, self.changed, self.records = b"", 0, 0

    def take(self, replica):
        before = replica.stored
        self.parcel, late, changed = replica.absorb(self.parcel, self.before_hlc, self.trusted)
        self.late += late
        self.changed += changed
        self.records += replica.stored - before
