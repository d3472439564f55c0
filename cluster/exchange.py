"""One comparison of one partition with one other replica, seen from the side that asks.

    refresh own tree -> ROOT -> LEAVES of the slots that differ -> for the leaves that differ:
        EXCHANGE    here are the digests of what I have there; send me what I lack
        PUSH        here is what you said that you lack
    -> end(self)

The other side keeps nothing between two questions, so either may vanish at any moment: what has been
stored is stored, and the next comparison finds the rest. Versions are merged by Replica.apply, which
takes any version any number of times; writes under way make differences that are none, and cost a few
bytes.

When a session has ended without an error, each of the two has, or has something newer than, everything
that the other had when it began. That is what the proof of a round rests on: not that both are equal at
some moment, which under load they never are. `changed` counts what this side has learnt of before
`before_hlc`.

Of a key that both have in different versions the other side holds its own back at first: this side sends its
version, which most often settles it, and asks again. Where leaves hold many keys a second list costs more
than the record, and both send theirs at once.

A leaf that one side lacks is not compared but sent. An exchange is cut at DIGESTS_MAX digests and
PARCEL_BYTES of records; ranges that were cut on the other side are gone over once more at the end if
this side had something there, since what the other lacks is known only of whole ranges.
"""

from cluster.merkle import Gather, leaf_start
from cluster.repair_format import (
    ALL,
    DIFFERENT,
    EXCHANGE,
    HELD,
    LEAVES,
    PUSH,
    REFUSED,
    ROOT,
    STOPPED,
    decode_records,
    decode_stopped,
    encode_exchange,
    encode_numbers,
    encode_root,
    split_ranges,
)

SLOTS_AT_ONCE = 64
LEAVES_OF_SLOT = 64
RANGES_AT_ONCE = 64
DIGESTS_MAX = 8192
PARCEL_BYTES = 64 << 10
FEW = 8                    # digests in a range, on average: listing them twice costs less than a record
RESTARTS_MAX = 3
PASSES_MAX = 4


class Session:
    """`then(session)` is called once, at the end; `error` says what went wrong, None: nothing."""

    def __init__(self, repairer, part, member, before_hlc, then):
        self.repairer, self.part, self.member = repairer, part, member
        self.before_hlc, self.then = before_hlc, then
        self.error, self.ended = None, False
        self.restarts = self.passes = self.changed = 0
        self.records_in = self.records_out = 0
        self.their_verified = self.their_limit = 0
        self.todo, self.owed, self.sent = [], [], []

    def start(self):
        self.repairer.refresh(self.part, self.refreshed)

    def end(self, error=None):
        if not self.ended:
            self.ended, self.error = True, error
            if error is None:
                self.part.differing = 0
            self.then(self)

    def ask(self, step, body, then):
        self.repairer.ask(self.member, self.part, step, body, lambda *answer: self.hear(then, *answer))

    def hear(self, then, fields, body, error):
        if error is None and fields["status"] == REFUSED:
            error = body.decode(errors="replace")
        if error is not None:
            self.end(error)
        elif not self.ended:
            then(fields, body)

    @property
    def trusted(self):
        """Whether the other replica took part in the proof of this node's line."""
        return self.their_verified >= self.part.line_hlc

    # -- where is the difference --------------------------------------------------------------

    def refreshed(self, error):
        if error is not None:
            self.end(error)
            return
        self.part.tree.use_line(self.part.line_hlc)
        self.ask(ROOT, encode_root(self.part.tree.root), self.root_came)

    def root_came(self, fields, body):
        self.their_verified, self.their_limit = fields["annotation"], fields["deadline_ms"]
        if fields["hlc"] > self.part.line_hlc:
            self.repairer.meet_line(self.part, fields["hlc"])
            self.restart()
        elif fields["hlc"] < self.part.line_hlc:
            self.end("the other replica does not follow the line")
        elif fields["status"] != DIFFERENT:
            self.end()
        else:
            self.choose(self.part.tree.differing_slots(body))
            self.next_slots()

    def choose(self, differing):
        """Slots of which this side has nothing differ everywhere: no need to look where."""
        tree = self.part.tree
        self.slots = [slot for slot in differing if not tree.is_empty(slot)]
        self.leaves = [(tree.first_slot + slot) * LEAVES_OF_SLOT + leaf
                       for slot in differing if tree.is_empty(slot)
                       for leaf in range(LEAVES_OF_SLOT)]

    def restart(self):
        self.restarts += 1
        if self.restarts > RESTARTS_MAX:
            self.end("the line rises too fast")
        else:
            self.start()

    def next_slots(self):
        if not self.slots:
            self.part.differing = len(self.leaves)
            self.todo = runs(sorted(self.leaves))
            self.next_ranges()
            return
        self.asked, self.slots = self.slots[:SLOTS_AT_ONCE], self.slots[SLOTS_AT_ONCE:]
        self.ask(LEAVES, encode_numbers(self.asked), self.leaves_came)

    def leaves_came(self, fields, body):
        self.leaves += self.part.tree.differing_leaves(self.asked, body)
        self.next_slots()

    # -- making it go away --------------------------------------------------------------------

    def next_ranges(self):
        if not self.todo:
            self.todo, self.owed = self.owed, []
            self.passes += 1
            if not self.todo:
                self.end()
                return
            if self.passes > PASSES_MAX:
                self.end("the partition changes too fast")
                return
        batch, self.todo = self.todo[:RANGES_AT_ONCE], self.todo[RANGES_AT_ONCE:]
        gather = Gather(batch, self.part.line_hlc, digests_max=DIGESTS_MAX)
        self.repairer.walk(self.part, gather, self.gathered)

    def gathered(self, gather):
        if gather.error is not None:
            self.end(str(gather.error))
            return
        self.sent = gather.ranges
        if gather.stopped_at is not None:
            self.sent, rest = split_ranges(gather.ranges, gather.stopped_at)
            self.todo = rest + self.todo
        self.had_some = len(gather.digests) > 0
        full = self.passes > 0 or len(gather.digests) > 8 * FEW * len(self.sent)
        self.ask(EXCHANGE, encode_exchange(full, self.sent, gather.digests), self.records_came)

    def records_came(self, fields, body):
        self.everything = fields["status"] == ALL
        self.wanted = b""
        if fields["status"] == STOPPED:
            stop, parcel = decode_stopped(body)
            done, rest = split_ranges(self.sent, stop)
            self.todo = rest + self.todo
            if self.had_some:
                self.owed += done
        else:
            self.wanted, parcel = decode_records(body)
            if fields["status"] == HELD:
                self.owed += self.sent
        self.repairer.absorb(self.part, parcel, self.before_hlc, self.trusted, self.absorbed)

    def absorbed(self, error, records, late, changed):
        self.records_in += records
        self.changed += changed
        if error is not None:
            self.end(error)
        else:
            self.push(self.sent)

    def push(self, ranges):
        if not self.wanted and not self.everything:
            self.next_ranges()
            return
        gather = Gather(ranges, self.part.line_hlc, known=self.wanted, wants_known=True,
                        wants_all=self.everything, parcel_bytes_max=PARCEL_BYTES)
        self.repairer.walk(self.part, gather, self.packed)

    def packed(self, gather):
        if gather.error is not None:
            self.end(str(gather.error))
            return
        rest = []
        if gather.stopped_at is not None:
            _, rest = split_ranges(gather.ranges, gather.stopped_at)
        self.records_out += gather.packed
        parcel = gather.parcel
        if parcel:
            self.ask(PUSH, parcel, lambda fields, body: self.pushed(rest, body))
        else:
            self.pushed(rest)

    def pushed(self, rest, late=b""):
        """The other side has refused the records in `late`: they were deleted long ago."""
        if late and self.part.refilling:
            self.repairer.bury(self.part, late, lambda error, *_: self.buried(error, rest))
        else:
            self.go_on(rest)

    def buried(self, error, rest):
        if error is not None:
            self.end(error)
        else:
            self.go_on(rest)

    def go_on(self, rest):
        if rest:
            self.push(rest)
        else:
            self.next_ranges()


def runs(leaves):
    """Ranges of stored keys; leaves in a row are one. `leaves` ascend."""
    ranges, first, last = [], None, None
    for leaf in leaves:
        if first is None or leaf != last + 1:
            if first is not None:
                ranges.append((leaf_start(first), leaf_start(last + 1)))
            first = leaf
        last = leaf
    if first is not None:
        ranges.append((leaf_start(first), leaf_start(last + 1)))
    return ranges
