"""Up to where a partition is proved to be the same on all replicas, and what follows from that.

For each partition that this node holds it keeps, in its own range of the store,

    verified_hlc   all replicas have everything that any of them has of before this timestamp
    line_hlc       what is below may be purged: tombstones, and what expired before the line's time
    refilling      this node's data of the partition was lost and is not complete yet

**verified** rises at the end of a round (anti_entropy.py) in which every replica took part. The **line**
follows one round later: it is the least `verified` that all replicas reported at the start of a round.
So at any time

    the line of each replica  <=  the verified of every replica

and whoever sees a line above its own verified has lost a proof that it had given: its disk, or all since
its backup. It is *refilling* from then on: it refuses reads, takes writes, and copies the partition from
all other replicas. A node that comes back with an empty disk is told by the membership, too, since
there may have been no line yet.

Why what is below the line may go, and stays away:
  - a version below the line that any replica had when it was proved, all have, or have something newer;
  - one that nobody had then can only arrive late: its coordinator's time-out had passed. Replica.apply
    takes it for overwritten when its key is not known (any more);
  - hints that are older hold the proof back (`Repairer.hold_back`).
A replica that sees a late version before it has heard of the new line still has the tombstone: what may
be purged is below *its own* line.

    record := verified_hlc:u64 line_hlc:u64 refilling:u8     under the key 0x4001 partition:u16
    an empty one under 0x4001 0xFFFF: partitions without a record are refilling, too
"""

from struct import Struct

RECORD = Struct("<QQB")
PREFIX = b"\x40\x01"
LOST = PREFIX + b"\xff\xff"


class Watermarks:
    def __init__(self, store, clock, replica, partitions):
        self.store, self.clock, self.replica = store, clock, replica
        replica.use_partitions(partitions)
        self.rows = {}
        self.lost = store.fetch(LOST) is not None

    def load(self, partition):
        """Read one partition's record; before anything else is asked of it."""
        text = self.store.fetch(key_of(partition))
        row = (0, 0, self.lost) if text is None else RECORD.unpack(text)
        self.set(partition, row[0], row[1], bool(row[2]))

    def verified(self, partition):
        return self.rows[partition][0]

    def line(self, partition):
        return self.rows[partition][1]

    def is_refilling(self, partition):
        return self.rows[partition][2]

    def verify(self, partition, verified_hlc, line_hlc):
        """All replicas were equal before `verified_hlc`; all have reported `line_hlc` as verified."""
        verified, line, refilling = self.rows[partition]
        if refilling:
            return
        verified = max(verified, verified_hlc)
        self.write(partition, verified, max(line, min(line_hlc, verified)), False)

    def meet(self, partition, line_hlc):
        """Another replica has this line. True: it lies above what this node has proved, so its data
        of the partition was lost."""
        verified, line, refilling = self.rows[partition]
        if line_hlc <= line:
            return False
        lost = not refilling and verified < line_hlc
        self.write(partition, verified, line_hlc, refilling or lost)
        return lost

    def lose(self, partition):
        """The data of this partition is gone."""
        self.write(partition, 0, self.line(partition), True)

    def refilled(self, partition):
        """It has been copied from all other replicas, each of which had proved the line."""
        line = self.line(partition)
        self.write(partition, line, line, False)

    def least_line(self):
        """The least of all partitions here, None without any."""
        return min([line for _, line, _ in self.rows.values()], default=None)

    def write(self, partition, verified_hlc, line_hlc, refilling):
        if self.rows.get(partition) == (verified_hlc, line_hlc, refilling):
            return
        self.store.keep(key_of(partition), self.clock.stamp(),
                        RECORD.pack(verified_hlc, line_hlc, refilling))
        self.set(partition, verified_hlc, line_hlc, refilling)

    def set(self, partition, verified_hlc, line_hlc, refilling):
        self.rows[partition] = (verified_hlc, line_hlc, refilling)
        self.replica.use_line(partition, line_hlc)
        self.replica.set_refilling(partition, refilling)


def note_lost_disk(store, clock):
    """Every partition of this node is to be refilled. Sync the log before anybody is answered."""
    store.keep(LOST, clock.stamp(), b"")


def key_of(partition):
    return PREFIX + partition.to_bytes(2, "big")
