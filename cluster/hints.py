"""Hinted handoff: writes that a replica missed, kept by somebody else until it is back.

    hint   = a version under the key  0x50 | lane u8 | target u16 | stored key   in the keeper's own store

Beside the data, behind the last slot, so hints share its log: one group commit makes a write and its
hints durable, and they survive a restart without a format of their own. The lane is the third byte of the
stored key, a hash: a memtable that is read in order sorts all that agree in their first two bytes, and so
no more than one of 256 lanes for each batch. Of one key only the newest version is kept (or the merge of
causal ones), as the target would keep it: a counter raised a thousand times while its replica was away
costs one hint.

Who keeps hints: `stand_ins` gives each replica that is down the next healthy member clockwise; where
all members are replicas already, as with three nodes, a replica that lives. With a sloppy quorum the
stand-in's answer counts for the level, and reads ask it for what it holds; the coordinator keeps hints
as well for whoever did not answer in time, but those count for nothing.

Hints older than the window are dropped, and none are taken over the byte budget: anti-entropy finds
what they would have told. Replay goes in order of keys, so many at a time as the target acknowledges;
what it has acknowledged is deleted, which is the cursor. A batch is one request, and the next one waits for
the pace that clients leave (pace.py); where the target takes long, REST times as long as it took.

DESIGN asks for an append-only log for each target; docs/decisions/0009-hints-in-the-store.md says why
this is one without being a file.

Sources: DeCandia et al., "Dynamo", 2007, section 4.6; Cassandra's hints and their window.
"""

from cluster.errors import NeedsDisk, StoreError
from cluster.pace import records_in
from cluster.plan import Plan
from cluster.request import Sink
from cluster.versions import DamagedState

FIRST, LANES = 0x50, 256
HINT_PREFIX_BYTES = 4
STORED_KEY_BYTES_MAX = 65_535 - HINT_PREFIX_BYTES
BATCH = 64                        # hints under way to one target
LANES_AT_ONCE = 16                # looked into in one turn
HINT_RECORDS = 1.5                # what a hint costs for the pace: stored there, and taken away here
QUICK_MS = 10                     # a batch that takes longer shows that the target is busy
REST, REST_MS_MAX = 9, 1000
TIMEOUT_MS = 5000
COLD_MAX = 10_000                 # hints that wait for the disk


class Tally:
    """What is kept for one target; exact for what came since the start, else as counted then."""

    __slots__ = ("count", "bytes", "oldest_hlc", "replayed", "dropped")

    def __init__(self):
        self.count = self.bytes = self.oldest_hlc = self.replayed = self.dropped = 0


class Hints:
    """Of one node. `window_ms` and `bytes_max` (for each target) are the limits."""

    def __init__(self, coordinator, *, window_ms, bytes_max):
        self.coordinator, self.env = coordinator, coordinator.env
        self.window_ms, self.bytes_max = window_ms, bytes_max
        self.tallies = [Tally() for _ in coordinator.members]
        self.replays = {}
        coordinator.hints = self
        self.counting, self.cold, self.cold_replays = bytes([FIRST]), [], []
        self.count_stored()

    # -- keeping ------------------------------------------------------------------------------

    def keep(self, target, versions, then=None):
        """Store versions [(stored key, hlc, actor, ...), ...] for a member that missed them.

        False: not kept (over the budget, or the store refuses). It counts once the log is written.
        None: an older hint has to be read from the disk first. `then(kept)` is called later if there is
        one; without, ask again after the next `Coordinator.retry_cold`."""
        tally = self.tallies[target]
        size = sum([len(version[0]) + len(version[6]) for version in versions])
        if tally.bytes + size > self.bytes_max:
            return self.drop(target, versions)
        hinted = [(hint_key(target, version[0]), *version[1:]) for version in versions
                  if len(version[0]) <= STORED_KEY_BYTES_MAX]
        try:
            if len(hinted) < len(versions) or (then is not None and len(self.cold) >= COLD_MAX):
                return self.drop(target, versions)
            if self.coordinator.replica.apply_all(hinted) == COLD:
                if then is not None:
                    self.cold.append((target, versions, then))
                self.env.load_soon()
                return None
        except (StoreError, DamagedState):
            return self.drop(target, versions)
        tally.count += len(versions)
        tally.bytes += size
        oldest_hlc = min([version[1] for version in versions])
        tally.oldest_hlc = min(tally.oldest_hlc or oldest_hlc, oldest_hlc)
        if target in self.replays:
            self.replays[target].overtaken = True
        return True

    def drop(self, target, versions):
        """Anti-entropy has to find these; until then their partitions show that they are not verified."""
        self.tallies[target].dropped += len(versions)
        repairer = self.coordinator.repairer
        if repairer is not None:
            for partition in sorted({self.coordinator.plan_for(version[0]).partition
                                     for version in versions}):
                repairer.not_told(partition, target)
        return False

    def retry_cold(self):
        """What was asked of the disk has come."""
        replays, self.cold_replays = self.cold_replays, []
        for replay in replays:
            replay.next_batch()
        if self.counting is not None:
            self.count_stored()
        waiting, self.cold = self.cold, []
        for target, versions, then in waiting:
            kept = self.keep(target, versions, then)
            if kept is not None:
                then(kept)

    def stand_ins(self, plan):
        """Position of each replica that is down -> the member that stands in for it; none while some
        replica can merely not be reached yet."""
        coordinator = self.coordinator
        down = [position for position, member in enumerate(plan.replicas)
                if not coordinator.is_alive(member)]
        if not down or not all(coordinator.is_gone(plan.replicas[position]) for position in down):
            return {}
        healthy = [member for member in (*plan.fallbacks, *plan.replicas)
                   if coordinator.is_alive(member)]
        if not healthy:
            return {}
        return {position: healthy[i % len(healthy)] for i, position in enumerate(down)}

    # -- handing over -------------------------------------------------------------------------

    def member_back(self, target):
        """A member can be reached again."""
        if self.tallies[target].count and target not in self.replays:
            self.replays[target] = Replay(self, target)
            self.replays[target].next_batch()

    def retry(self):
        """Now and then: whoever is there and still has hints, and what is too old."""
        self.count_stored()
        for target in range(len(self.tallies)):
            if self.coordinator.is_alive(target) and target != self.coordinator.me:
                self.member_back(target)

    def ended(self, target):
        self.replays.pop(target, None)

    def count_stored(self):
        """After a start: what was kept before it, a page at a time."""
        while self.counting is not None:
            try:
                found, following = self.env.store.versions(
                    self.counting, bytes([FIRST + 1]), 1000)
            except NeedsDisk:
                self.env.load_soon()
                return
            for version in found:
                target = int.from_bytes(version[0][2:4], "big")
                if target < len(self.tallies) and not is_gone(version):
                    tally = self.tallies[target]
                    tally.count += 1
                    tally.bytes += len(version[0]) + len(version[6]) - HINT_PREFIX_BYTES
                    tally.oldest_hlc = min(tally.oldest_hlc or version[1], version[1])
            self.counting = following

    def oldest_hlc(self):
        """Of all hints that are kept here, 0: none. Nothing from this on may be purged."""
        if self.counting is not None:
            return 1               # not known yet
        return min([tally.oldest_hlc for tally in self.tallies if tally.count], default=0)

    def table(self):
        """For KV.HINTS: [(member, count, bytes, age of the oldest in ms, replaying, replayed,
        dropped, hints a second now), ...] of those for whom something is or was kept."""
        now_ms = self.env.clock.now_ms
        return [(target, tally.count, tally.bytes,
                 max(0, now_ms - (tally.oldest_hlc >> 16)) if tally.count else 0,
                 target in self.replays, tally.replayed, tally.dropped, self.rate_of(target))
                for target, tally in enumerate(self.tallies)
                if tally.count or tally.replayed or tally.dropped]

    def rate_of(self, target):
        replay = self.replays.get(target)
        return replay.rate if replay is not None else 0.0


class Replay:
    """The hints of one target, on their way to it."""

    def __init__(self, hints, target):
        self.hints, self.target, self.env = hints, target, hints.env
        self.lane, self.cursor = 0, lane_start(0, target)
        self.failed, self.overtaken = False, False     # overtaken: some were kept meanwhile, maybe behind
        self.first_ms = self.began_ms = self.env.monotonic_ms
        self.wait_ms, self.done = 0.0, 0
        coordinator = hints.coordinator
        self.plan = Plan(-2, (target,), (), (coordinator.members[target].dc,), coordinator.me,
                         coordinator.members[coordinator.me].dc)

    @property
    def rate(self):
        """Hints a second, since the replay began."""
        passed_ms = self.env.monotonic_ms - self.first_ms
        return self.done * 1000 / passed_ms if passed_ms > 0 else 0.0

    def next_batch(self):
        """Send what comes next; ends when there is nothing, or the target is gone."""
        found = []
        try:
            for _ in range(LANES_AT_ONCE):
                if self.failed or found or self.lane == LANES:
                    break
                found = self.next_page()
        except NeedsDisk:
            self.hints.cold_replays.append(self)
            self.env.load_soon()
            return
        if found:
            self.send(found)
        elif self.failed or self.lane == LANES:
            self.finish()
        else:
            self.env.call_later(1, self.next_batch)

    def next_page(self):
        """Hints of the lane; after its last ones the next lane. Raises NeedsDisk."""
        found, self.cursor = self.env.store.versions(
            self.cursor, lane_start(self.lane, self.target + 1), BATCH)
        if self.cursor is None:
            self.lane += 1
            self.cursor = lane_start(self.lane, self.target) if self.lane < LANES else None
        return [version for version in found if not is_gone(version)]

    def send(self, found):
        oldest_ms = self.env.clock.now_ms - self.hints.window_ms
        late = [version for version in found if version[1] >> 16 < oldest_ms]
        if late:
            self.hints.drop(self.target, [(version[0][HINT_PREFIX_BYTES:], *version[1:])
                                          for version in late])
            self.handed_over(late)
        found = [version for version in found if version[1] >> 16 >= oldest_ms]
        if not found:
            self.env.call_later(1, self.next_batch)
            return
        coordinator = self.hints.coordinator
        self.began_ms = self.env.monotonic_ms
        self.wait_ms = coordinator.pace.spend(HINT_RECORDS * len(found) + records_in(
            sum([len(version[6]) for version in found])))
        coordinator.write_to(self.plan, [(version[0][HINT_PREFIX_BYTES:], *version[1:])
                                         for version in found], TIMEOUT_MS, HandedOver(self, found))

    def answered(self, found, request):
        """The target has them, or has something newer; or it is gone again."""
        if request.succeeded or request.was_overtaken:
            self.hints.tallies[self.target].replayed += len(found)
            self.handed_over(found)
        else:
            self.failed = True
        self.env.call_later(self.rest_ms(), self.next_batch)

    def rest_ms(self):
        """Until the next batch: what the pace beside clients asks for, and a target that takes long."""
        took_ms = self.env.monotonic_ms - self.began_ms
        rest_ms = REST * took_ms if took_ms > QUICK_MS else 1
        return min(REST_MS_MAX, max(rest_ms, self.wait_ms))

    def handed_over(self, versions):
        tally = self.hints.tallies[self.target]
        try:
            for version in versions:
                self.hints.coordinator.replica.forget(*version[:5], version[6])
        except StoreError:
            self.failed = True
        size = sum([len(version[0]) + len(version[6]) - HINT_PREFIX_BYTES for version in versions])
        self.done += len(versions)
        tally.count, tally.bytes = max(0, tally.count - len(versions)), max(0, tally.bytes - size)

    def finish(self):
        tally = self.hints.tallies[self.target]
        if self.overtaken:
            tally.count = max(1, tally.count)                # the next replay finds them
        elif not self.failed:
            tally.count = tally.bytes = tally.oldest_hlc = 0
        self.hints.ended(self.target)


class HandedOver(Sink):
    def __init__(self, replay, versions):
        self.replay, self.versions = replay, versions

    def finished(self, request):
        self.replay.answered(self.versions, request)


COLD = 2                          # as replica.pxd numbers it
GONE_MS = 1                       # the deadline of a hint that was handed over: see Replica.forget


def is_gone(version):
    """Whether this is the rest of a hint. (A hint may be a tombstone itself.)"""
    return version[5] and version[3] == GONE_MS


def lane_start(lane, target):
    """Where the hints for a target begin in a lane, and those for the one before it end."""
    return bytes((FIRST, lane)) + target.to_bytes(2, "big")


def hint_key(target, stored_key):
    return lane_start(stored_key[2], target) + stored_key
