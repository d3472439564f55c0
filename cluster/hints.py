"""Hinted handoff: writes that a replica missed, kept by somebody else until it is back.

    hint   = a version under the key  0x50 0x00 | target u16 | stored key   in the keeper's own store

Beside the data, behind the last slot, so hints share its log: one group commit makes a write and its
hints durable, and they survive a restart without a format of their own. All hints for one target are
one run of keys, in order. Of one key only the newest version is kept (or the merge of causal ones), as
the target would keep it: a counter raised a thousand times while its replica was away costs one hint.

Who keeps hints: `stand_ins` gives each replica that is down the next healthy member clockwise; where
all members are replicas already, as with three nodes, a replica that lives. With a sloppy quorum the
stand-in's answer counts for the level, and reads ask it for what it holds; the coordinator keeps hints
as well for whoever did not answer in time, but those count for nothing.

Hints older than the window are dropped, and none are taken over the byte budget: anti-entropy finds
what they would have told. Replay goes in order of keys, so many at a time as the target acknowledges;
what it has acknowledged is deleted, which is the cursor.

DESIGN asks for an append-only log for each target; docs/decisions/0009-hints-in-the-store.md says why
this is one without being a file.

Sources: DeCandia et al., "Dynamo", 2007, section 4.6; Cassandra's hints and their window.
"""

from cluster.errors import NeedsDisk, StoreError
from cluster.plan import Plan
from cluster.request import Sink
from cluster.versions import DamagedState

PREFIX = b"\x50\x00"
HINT_PREFIX_BYTES = 4
STORED_KEY_BYTES_MAX = 65_535 - HINT_PREFIX_BYTES
BATCH = 64                        # hints under way to one target
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
        self.counting, self.cold, self.cold_replays = PREFIX, [], []
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
            tally.dropped += len(versions)
            return False
        hinted = [(hint_key(target, version[0]), *version[1:]) for version in versions
                  if len(version[0]) <= STORED_KEY_BYTES_MAX]
        try:
            if len(hinted) < len(versions) or (then is not None and len(self.cold) >= COLD_MAX):
                tally.dropped += len(versions)
                return False
            if self.coordinator.replica.apply_all(hinted) == COLD:
                if then is not None:
                    self.cold.append((target, versions, then))
                self.env.load_soon()
                return None
        except (StoreError, DamagedState):
            tally.dropped += len(versions)
            return False
        tally.count += len(versions)
        tally.bytes += size
        oldest_hlc = min([version[1] for version in versions])
        tally.oldest_hlc = min(tally.oldest_hlc or oldest_hlc, oldest_hlc)
        if target in self.replays:
            self.replays[target].overtaken = True
        return True

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
                found, following = self.env.store.versions(self.counting, b"\x50\x01", 1000)
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
        dropped), ...] of those for whom something is or was kept."""
        now_ms = self.env.clock.now_ms
        return [(target, tally.count, tally.bytes,
                 max(0, now_ms - (tally.oldest_hlc >> 16)) if tally.count else 0,
                 target in self.replays, tally.replayed, tally.dropped)
                for target, tally in enumerate(self.tallies)
                if tally.count or tally.replayed or tally.dropped]


class Replay:
    """The hints of one target, on their way to it."""

    def __init__(self, hints, target):
        self.hints, self.target = hints, target
        self.cursor, self.end = hint_key(target, b""), hint_key(target + 1, b"")
        self.outstanding, self.failed = 0, False
        self.overtaken = False         # something was kept meanwhile, maybe behind the cursor
        coordinator = hints.coordinator
        self.plan = Plan(-2, (target,), (), (coordinator.members[target].dc,), coordinator.me,
                         coordinator.members[coordinator.me].dc)

    def next_batch(self):
        """Ask for what comes next; ends when there is nothing, or the target is gone."""
        if self.cursor is None or self.failed:
            self.finish()
            return
        try:
            found, self.cursor = self.hints.env.store.versions(self.cursor, self.end, BATCH)
        except NeedsDisk:
            self.hints.cold_replays.append(self)
            self.hints.env.load_soon()
            return
        found = [version for version in found if not is_gone(version)]
        self.outstanding = len(found)
        if not found:
            self.hints.env.call_later(1, self.next_batch)
            return
        for version in found:
            self.send(version)

    def send(self, version):
        hints = self.hints
        if (version[1] >> 16) + hints.window_ms < hints.env.clock.now_ms:
            hints.tallies[self.target].dropped += 1
            self.handed_over(version)
            return
        hints.coordinator.write_to(self.plan, (version[0][HINT_PREFIX_BYTES:], *version[1:]),
                                   TIMEOUT_MS, HandedOver(self, version))

    def answered(self, version, request):
        """The target has it, or has something newer; or it is gone again."""
        if request.succeeded or request.was_overtaken:
            self.hints.tallies[self.target].replayed += 1
            self.handed_over(version)
            return
        self.failed = True
        self.one_done()

    def handed_over(self, version):
        tally = self.hints.tallies[self.target]
        try:
            self.hints.coordinator.replica.forget(*version[:5], version[6])
        except StoreError:
            self.failed = True
        tally.count = max(0, tally.count - 1)
        tally.bytes = max(0, tally.bytes - len(version[0]) - len(version[6]) + HINT_PREFIX_BYTES)
        self.one_done()

    def one_done(self):
        self.outstanding -= 1
        if self.outstanding == 0:
            self.hints.env.call_later(1, self.next_batch)

    def finish(self):
        tally = self.hints.tallies[self.target]
        if not self.failed and not self.overtaken:
            tally.count = tally.bytes = tally.oldest_hlc = 0
        self.hints.ended(self.target)


class HandedOver(Sink):
    def __init__(self, replay, version):
        self.replay, self.version = replay, version

    def finished(self, request):
        self.replay.answered(self.version, request)


COLD = 2                          # as replica.pxd numbers it
GONE_MS = 1                       # the deadline of a hint that was handed over: see Replica.forget


def is_gone(version):
    """Whether this is the rest of a hint. (A hint may be a tombstone itself.)"""
    return version[5] and version[3] == GONE_MS


def hint_key(target, stored_key):
    return PREFIX + target.to_bytes(2, "big") + stored_key
