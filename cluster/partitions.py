"""Partitions: runs of contiguous slots, the unit of ownership, moves and verification.

    slots        0 ......... 63 | 64 ....... 127 | ... | 16320 ... 16383
    partitions   0              | 1              | ... | 255                 (256 of them)

Their number is fixed when a cluster is founded (Dynamo's third strategy: partitions of equal size,
fixed for good; only who owns them changes). Membership data is then a short table instead of a set
of ranges, and a partition moves as a whole. It is a power of two, so that every partition has the
same number of slots; contiguous, so that CLUSTER SLOTS stays short. More partitions make finer
shares (a member holds whole partitions) and longer tables: 256 suit up to about 50 members.

Source: DeCandia et al., "Dynamo: Amazon's Highly Available Key-value Store", 2007, section 6.2.
"""

SLOTS = 16384
SLOT_BITS = 14
PARTITIONS_DEFAULT = 256


def check_partitions(partitions):
    """Raise ValueError unless so many partitions divide the slots evenly."""
    if not 1 <= partitions <= SLOTS or partitions & (partitions - 1):
        raise ValueError(
            f"the number of partitions is a power of two, 1 to {SLOTS}, not {partitions}")


def partition_of(slot, partitions=PARTITIONS_DEFAULT):
    """The partition, 0..partitions-1, that a slot, 0..16383, belongs to."""
    assert 0 <= slot < SLOTS
    return slot * partitions >> SLOT_BITS


def slots_of(partition, partitions=PARTITIONS_DEFAULT):
    """The first and the last slot of a partition, both inclusive."""
    assert 0 <= partition < partitions
    width = SLOTS // partitions
    return partition * width, (partition + 1) * width - 1
