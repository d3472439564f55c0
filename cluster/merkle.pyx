"""Hash trees: do two replicas hold the same, and if not, where not?

    partition          sum of its slots
      slot             sum of its leaves
        leaf           sum of the digests of its records: four Merkle buckets, one contiguous range

All sums are modulo 2**64, so the order of records does not matter and one leaf can be replaced without
looking at the others. A digest covers the key and everything that replicas must agree on: dots, what has
been seen, tombstones, deadlines and who set them. Not the value, which its dot names; so a value that
rotted on a disk is found by the checksums of its table, not here. Not the annotation of a causal record,
which is each replica's own. And not the time: whether something is expired *now* changes nothing.

**Left out** are records that a compaction may have thrown away already, or may not: replicas do that when
they like, and would differ for ever. What it may throw away goes by the *line* of the partition
(watermarks.py): a tombstone, or a record whose deadline lies before the line's own time, that knows of
no write or annotation as young as the line. This depends on the record and the line alone, and replicas
that compare agree on the line first. A record is *ripe* from a line above its `ripe_hlc` on; a slot keeps
the least of its records, so that a new line makes only those slots dirty that have something ripe.

**Dirty leaves.** A blind write does not look at what it replaces, so it cannot take the old digest out of
the sum; it sets the bit of its leaf (Replica), and before a comparison the dirty leaves are summed up
anew, from a snapshot, in a thread. After a start everything is dirty.

**Memory**: 64 leaves a slot and 8 bytes each are 512 bytes a slot, 8 MiB for a node that holds every
slot, whatever the number of keys. With 256 leaves it would be 32 MiB, and 1 % of a million differing keys
cost the same to find, since leaves are then sent of which most hold one key; from 50 million keys a node
on, finer leaves would send less (docs/decisions/0011-anti-entropy.md has the numbers).

Sources: DeCandia et al., "Dynamo", 2007, section 4.7; Riak's hashtree (digests of clocks, not of values).
"""

from cluster.fields cimport fold
from cluster.parcels cimport pack, reserve
from cluster.versions cimport Sibling, State
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdlib cimport calloc, free, malloc, qsort
from libc.string cimport memcpy, memset

from cluster.versions import digest, from_record

cdef uint64_t NEVER = ~<uint64_t>0
cdef uint64_t ALL_LEAVES = ~<uint64_t>0

# The low bits of a digest are of the key alone: so two lists show who has another version of the same key,
# and who lacks it. The other 40 tell versions of one key apart.
cdef uint64_t KEY_BITS = 0xFFFFFF

GAP_LEAVES = 4                 # clean leaves that a walk rather reads than seeks over


cdef int digest_row(const char* key, uint32_t key_bytes, const Row* row, Digested* out) except -1 nogil:
    """Raises DamagedState."""
    cdef uint64_t folded = 0xCBF29CE484222325
    cdef uint32_t i
    for i in range(key_bytes):
        folded = (folded ^ <uint8_t>key[i]) * <uint64_t>0x100000001B3
    if row.actor & 1:
        with gil:
            digest_causal(row, out)
    else:
        out.digest = fold(fold(row.hlc, row.actor), row.deadline_ms)
        out.digest = fold(fold(out.digest, row.annotation), row.tombstone)
        out.newest_hlc = max(row.hlc, row.annotation)
    out.digest = (fold(out.digest, folded) & ~KEY_BITS) | (fold(folded, 0) & KEY_BITS)
    out.ripe_hlc = out.newest_hlc
    if not row.tombstone:
        # Ripe when the line's own time is at or past the deadline.
        out.ripe_hlc = NEVER
        if row.deadline_ms and row.deadline_ms >> 47 == 0:
            out.ripe_hlc = max(out.newest_hlc, (row.deadline_ms << 16) - 1)
    return 0


cdef int digest_causal(const Row* row, Digested* out) except -1:
    cdef State state = from_record(row.hlc, row.actor, row.deadline_ms, 0, row.tombstone,
                                   row.value[:row.value_bytes])
    cdef Sibling sibling
    out.digest = digest(state)
    out.newest_hlc = state.seen.greatest().hlc
    for sibling in state.siblings:
        out.newest_hlc = max(out.newest_hlc, sibling.hlc, sibling.annotation)
    return 0


def record_digest(bytes key, hlc, actor, deadline_ms, annotation, tombstone, bytes value):
    """(digest, newest hlc, ripe hlc) of a record, for tests."""
    cdef Row row
    cdef Digested out
    row.hlc, row.actor, row.deadline_ms, row.annotation = hlc, actor, deadline_ms, annotation
    row.tombstone, row.value, row.value_bytes = (
        tombstone, PyBytes_AS_STRING(value), <uint32_t>PyBytes_GET_SIZE(value))
    digest_row(PyBytes_AS_STRING(key), <uint32_t>PyBytes_GET_SIZE(key), &row, &out)
    return out.digest, out.newest_hlc, out.ripe_hlc


def leaf_start(leaf):
    """The least stored key of a leaf, numbered through all slots; of the one behind the last: the end."""
    return bytes((leaf >> 14, (leaf >> 6) & 255, (leaf & 63) << 2))


cdef class Tree:
    """Of one partition, as this node holds it. `line_hlc` as above; the leaves may be out of date where
    they are dirty."""

    def __cinit__(self, int partition, int first_slot, int slots, dirty_address):
        self.partition, self.first_slot, self.slots = partition, first_slot, slots
        self.leaves = <uint64_t*>calloc(slots * LEAVES, 8)
        self.sums = <uint64_t*>calloc(slots, 8)
        self.ripe = <uint64_t*>calloc(slots, 8)
        self.dirty = <uint64_t*><size_t>dirty_address + first_slot
        if self.leaves == NULL or self.sums == NULL or self.ripe == NULL:
            raise MemoryError
        memset(self.ripe, 0xFF, slots * 8)

    def __dealloc__(self):
        free(self.leaves)
        free(self.sums)
        free(self.ripe)

    # -- up to date -----------------------------------------------------------------------------

    def dirty_leaves(self):
        """How many."""
        cdef int slot, count = 0
        cdef uint64_t bits
        for slot in range(self.slots):
            bits = self.dirty[slot]
            while bits:
                bits &= bits - 1
                count += 1
        return count

    def begin(self):
        """A Summary of what is dirty, None if nothing is. From now on the leaves count as clean:
        `put` the walked summary, or make them dirty again with `cancel`."""
        cdef int slot
        cdef Summary summary = Summary(self.first_slot, self.slots, self.line_hlc)
        cdef bint found = False
        for slot in range(self.slots):
            summary.covered[slot] = self.dirty[slot]
            found = found or self.dirty[slot] != 0
            self.dirty[slot] = 0
        if not found:
            return None
        summary.ranges = self.ranges_of(summary)
        return summary

    cdef list ranges_of(self, Summary summary):
        """Runs of leaves to walk; small gaps are walked too, and then they count."""
        cdef int leaf, first = -1, last = -1, gap, count = self.slots * LEAVES
        cdef int base = self.first_slot * LEAVES
        cdef list ranges = []
        for leaf in range(count):
            if not summary.covered[leaf >> 6] >> (leaf & 63) & 1:
                continue
            if first >= 0 and leaf - last - 1 <= GAP_LEAVES:
                for gap in range(last + 1, leaf):
                    summary.covered[gap >> 6] |= <uint64_t>1 << (gap & 63)
            else:
                if first >= 0:
                    ranges.append((leaf_start(base + first), leaf_start(base + last + 1)))
                first = leaf
            last = leaf
        ranges.append((leaf_start(base + first), leaf_start(base + last + 1)))
        return ranges

    def put(self, Summary summary):
        """Take in what a walk has found. Leaves written meanwhile are dirty again already."""
        cdef int slot, leaf, at
        for slot in range(self.slots):
            if summary.covered[slot] == 0:
                continue
            for leaf in range(LEAVES):
                if summary.covered[slot] >> leaf & 1:
                    at = slot * LEAVES + leaf
                    self.sums[slot] += summary.leaves[at] - self.leaves[at]
                    self.leaves[at] = summary.leaves[at]
            if summary.covered[slot] == ALL_LEAVES or summary.ripe[slot] < self.ripe[slot]:
                self.ripe[slot] = summary.ripe[slot]
        if summary.line_hlc != self.line_hlc:
            for slot in range(self.slots):     # left out by another line
                if summary.covered[slot]:
                    self.dirty[slot] |= summary.covered[slot]

    def cancel(self, Summary summary):
        cdef int slot
        for slot in range(self.slots):
            self.dirty[slot] |= summary.covered[slot]

    def make_dirty(self):
        memset(self.dirty, 0xFF, self.slots * 8)

    def use_line(self, uint64_t line_hlc):
        """Leave out what is ripe at this line; lines only rise."""
        cdef int slot
        if line_hlc <= self.line_hlc:
            return
        self.line_hlc = line_hlc
        for slot in range(self.slots):
            if self.ripe[slot] < line_hlc:
                self.ripe[slot] = NEVER
                self.dirty[slot] = ALL_LEAVES

    # -- comparing ------------------------------------------------------------------------------

    @property
    def root(self):
        cdef uint64_t root = 0
        cdef int slot
        for slot in range(self.slots):
            root += fold(self.sums[slot], slot)
        return root

    def slot_texts(self):
        """4 bytes for each slot."""
        cdef bytes text = bytes(self.slots * 4)
        cdef uint32_t* at = <uint32_t*>PyBytes_AS_STRING(text)
        cdef int slot
        for slot in range(self.slots):
            at[slot] = <uint32_t>(self.sums[slot] >> 32)
        return text

    def differing_slots(self, bytes theirs):
        """Slots, numbered within the partition, that are others in `theirs`; roots differ."""
        cdef const uint32_t* at = <const uint32_t*>PyBytes_AS_STRING(theirs)
        cdef int slot
        if PyBytes_GET_SIZE(theirs) != self.slots * 4:
            raise ValueError("as many sums as the partition has slots were expected")
        differing = [slot for slot in range(self.slots)
                     if at[slot] != <uint32_t>(self.sums[slot] >> 32)]
        # None: the difference is in the halves that were not sent.
        return differing or list(range(self.slots))

    def is_empty(self, int slot):
        """Whether the slot, numbered within the partition, has no records."""
        cdef int leaf
        for leaf in range(LEAVES):
            if self.leaves[slot * LEAVES + leaf] != 0:
                return False
        return True

    def leaf_texts(self, slots):
        """For each slot a bit for each leaf that is not empty, and 4 bytes of that leaf's sum."""
        cdef int slot, leaf
        cdef uint64_t bits
        cdef uint32_t short
        cdef char[8 + LEAVES * 4] text
        cdef int used
        texts = []
        for slot in slots:
            if not 0 <= slot < self.slots:
                raise ValueError("a slot of another partition")
            bits, used = 0, 8
            for leaf in range(LEAVES):
                short = <uint32_t>(self.leaves[slot * LEAVES + leaf] >> 32)
                if self.leaves[slot * LEAVES + leaf] != 0:
                    bits |= <uint64_t>1 << leaf
                    memcpy(text + used, &short, 4)
                    used += 4
            memcpy(text, &bits, 8)
            texts.append(text[:used])
        return b"".join(texts)

    def differing_leaves(self, slots, bytes theirs):
        """Leaves, numbered through all slots, that are others in `theirs` = their leaf_texts(slots)."""
        cdef const char* at = PyBytes_AS_STRING(theirs)
        cdef const char* end = at + PyBytes_GET_SIZE(theirs)
        cdef uint64_t bits
        cdef uint32_t short, own
        cdef int slot, leaf, before
        cdef list differing = []
        for slot in slots:
            if end - at < 8:
                raise ValueError("sums of leaves are missing")
            memcpy(&bits, at, 8)
            at += 8
            before = len(differing)
            for leaf in range(LEAVES):
                short = 0
                own = <uint32_t>(self.leaves[slot * LEAVES + leaf] >> 32)
                if bits >> leaf & 1:
                    if end - at < 4:
                        raise ValueError("sums of leaves are missing")
                    memcpy(&short, at, 4)
                    at += 4
                if short != own or (bits >> leaf & 1) != (self.leaves[slot * LEAVES + leaf] != 0):
                    differing.append((self.first_slot + slot) * LEAVES + leaf)
            if len(differing) == before:
                # The slots differ, so it is in the half of a sum that was not sent.
                differing.extend([(self.first_slot + slot) * LEAVES + leaf for leaf in range(LEAVES)])
        return differing


cdef class Summary(Walk):
    """What a walk over dirty leaves finds."""

    def __cinit__(self, int first_slot, int slots, uint64_t line_hlc):
        self.first_slot, self.slots, self.line_hlc = first_slot, slots, line_hlc
        self.leaves = <uint64_t*>calloc(slots * LEAVES, 8)
        self.ripe = <uint64_t*>calloc(slots, 8)
        self.covered = <uint64_t*>calloc(slots, 8)
        if self.leaves == NULL or self.ripe == NULL or self.covered == NULL:
            raise MemoryError
        memset(self.ripe, 0xFF, slots * 8)

    def __dealloc__(self):
        free(self.leaves)
        free(self.ripe)
        free(self.covered)

    cdef int take(self, const char* key, uint32_t key_bytes, const Row* row) except -1 nogil:
        cdef int slot = ((<uint8_t>key[0] << 8) | <uint8_t>key[1]) - self.first_slot
        cdef Digested found
        digest_row(key, key_bytes, row, &found)
        self.records += 1
        if found.ripe_hlc >= self.line_hlc:
            self.leaves[slot * LEAVES + (<uint8_t>key[2] >> 2)] += found.digest
            if found.ripe_hlc < self.ripe[slot]:
                self.ripe[slot] = found.ripe_hlc
        return 1


cdef class Gather(Walk):
    """Digests of the records in some ranges, and a parcel of those that the other side needs.

    known              digests of the other side
    wants_known        pack the records whose digests are known (those it asked for); otherwise those
                       whose digests are not
    wants_all          pack every record
    holds_back         do not pack a record of whose key a version seems to be known: that one is asked for,
                       and shows which is the newer; `held` counts them
    parcel_bytes_max   the walk ends behind the record that reaches it; 0: nothing is packed
    digests_max        the walk ends after so many; `stopped_at` is where it would go on, else None
    """

    def __cinit__(self, ranges, uint64_t line_hlc, *, known=b"", bint wants_known=False,
                  bint wants_all=False, bint holds_back=False, parcel_bytes_max=0,
                  digests_max=1 << 20):
        cdef bytes text = known
        cdef Py_ssize_t i
        self.ranges, self.line_hlc = ranges, line_hlc
        self.wants_known, self.wants_all = wants_known, wants_all
        self.packs = parcel_bytes_max > 0
        self.parcel_bytes_max, self.digests_max = parcel_bytes_max, digests_max
        self.known_count = PyBytes_GET_SIZE(text) // 8
        self.holds_back = holds_back
        self.known = <uint64_t*>malloc(self.known_count * 8 + 8)
        self.known_keys = <uint64_t*>malloc(self.known_count * 8 + 8)
        if self.known == NULL or self.known_keys == NULL:
            raise MemoryError
        memcpy(self.known, PyBytes_AS_STRING(text), self.known_count * 8)
        qsort(self.known, self.known_count, 8, order)
        if holds_back:
            for i in range(self.known_count):
                self.known_keys[i] = self.known[i] & KEY_BITS
            qsort(self.known_keys, self.known_count, 8, order)

    def __dealloc__(self):
        free(self.known)
        free(self.known_keys)
        free(self.found.at)
        free(self.parcel_buffer.at)

    cdef int take(self, const char* key, uint32_t key_bytes, const Row* row) except -1 nogil:
        cdef Digested it
        digest_row(key, key_bytes, row, &it)
        if it.ripe_hlc < self.line_hlc:
            return 1
        append(&self.found, it.digest)
        if self.packs and (
                self.wants_all or is_among(self.known, self.known_count, it.digest)
                == self.wants_known):
            if self.holds_back and is_among(self.known_keys, self.known_count, it.digest & KEY_BITS):
                self.held += 1
            else:
                pack(&self.parcel_buffer, key, key_bytes, row)
                self.packed += 1
        if (self.parcel_buffer.used >= self.parcel_bytes_max and self.packs) or (
                self.found.used >= self.digests_max * 8):
            return 0
        return 1

    @property
    def digests(self):
        """8 bytes each, in the order of the keys."""
        return self.found.at[:self.found.used] if self.found.used else b""

    @property
    def parcel(self):
        return self.parcel_buffer.at[:self.parcel_buffer.used] if self.parcel_buffer.used else b""

    def missing(self):
        """The known digests that were not found: the other side has them, this one has not."""
        cdef uint64_t* mine = <uint64_t*>self.found.at
        cdef Py_ssize_t mine_count = self.found.used // 8, i
        cdef Buffer missing = Buffer(NULL, 0, 0)
        qsort(mine, mine_count, 8, order)
        try:
            for i in range(self.known_count):
                if not is_among(mine, mine_count, self.known[i]):
                    append(&missing, self.known[i])
            return missing.at[:missing.used] if missing.used else b""
        finally:
            free(missing.at)


cdef int append(Buffer* to, uint64_t number) except -1 nogil:
    reserve(to, 8)
    memcpy(to.at + to.used, &number, 8)
    to.used += 8
    return 0


cdef int order(const void* one, const void* other) noexcept nogil:
    cdef uint64_t a = (<const uint64_t*>one)[0], b = (<const uint64_t*>other)[0]
    return (a > b) - (a < b)


cdef bint is_among(const uint64_t* sorted_numbers, Py_ssize_t count, uint64_t number) noexcept nogil:
    cdef Py_ssize_t low = 0, high = count, middle
    while low < high:
        middle = (low + high) // 2
        if sorted_numbers[middle] < number:
            low = middle + 1
        else:
            high = middle
    return low < count and sorted_numbers[low] == number
