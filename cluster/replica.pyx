"""One replica's share of a write or a read: what to keep, given what is there.

The store keeps, of two versions of a key, the one with the greater dot; that is all that blind
writes need. So a blind write is stored without a look at what is on disk: only where something with
a *greater* dot may be (the memtable; a table written by a node whose clock is ahead) is it looked
for first. If there is something newer the writer is told (OLDER), so that its coordinator can stamp
again and its client's SET takes effect.

A causal state is merged with what is there before it is stored, so the version with the greatest
dot in the store is always this replica's whole knowledge of the key. The engine never merges by
itself: docs/decisions/0008-merge-on-write.md says why.

    incoming blind,  nothing newer there        -> stored as it is
    incoming blind,  newer blind there          -> OLDER
    incoming blind,  newer causal there         -> merged (a sibling unless covered), OLDER
    incoming causal                             -> merged with whatever is there

**What was purged stays away.** Once all replicas of a partition are proved to have everything below its
*line* (watermarks.py), tombstones below it may be thrown away. A version below the line whose key is not
known any more, is only known to be deleted, or has causal versions, which do not remember what was
purged before them, can be nothing but a late message: it is answered like one that was overwritten
(OLDER, by the line), since that is what may have happened to it. An annotation above the line makes a
version below it no younger: it may be of something that was read before it was deleted, and purged
since; so it is taken only where that version, or what replaced it, is known. A coordinator that is alive
and merely has a slow clock stamps its blind write again. Only anti-entropy, from a replica that took part
in the proof, may bring such a version: then it was lost here.

Every write sets the bit of its Merkle leaf, which is all that anti-entropy costs a write.
"""

from cluster.fields cimport Input
from cluster.merkle cimport Digested, digest_row
from cluster.parcels cimport unpack
from cluster.store cimport ABSENT, FOUND, PENDING
from cluster.versions cimport Sibling, State, annotated_later
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.string cimport memset

from cluster.errors import StoreError
from cluster.versions import from_record, merge, prune, to_record

CLOCK_ENTRIES_MAX = 10


cdef class Replica:
    """`clock_entries_max` bounds the clock of a state (directive vector-clock-max-entries)."""

    def __init__(self, Store store, Clock clock, clock_entries_max=CLOCK_ENTRIES_MAX):
        self.store, self.clock = store, clock
        self.clock_entries_max = clock_entries_max
        self.use_partitions(1)
        self.make_dirty()

    def use_partitions(self, int count):
        """How many there are, a power of two; lines and refilling begin anew."""
        self.slot_shift = 14 - (count.bit_length() - 1)
        memset(self.lines, 0, sizeof(self.lines))
        memset(self.refilling, 0, sizeof(self.refilling))
        self.refilling_count = 0

    cdef int read(self, const char* key, uint32_t key_bytes, Row* out) except -1:
        """FOUND (a tombstone is found), ABSENT or PENDING; `out` borrows from the store. Raises
        Refilling, DamagedStore."""
        if self.refilling[slot_of(key) >> self.slot_shift]:
            raise Refilling
        return self.store.read(key, key_bytes, out)

    cdef int apply(self, const char* key, uint32_t key_bytes, const Row* row) except -1:
        """TAKEN, OLDER or COLD. Raises WriteRefused, DamagedStore, DamagedState."""
        cdef Row there
        cdef int answer
        cdef uint64_t line_hlc = self.lines[slot_of(key) >> self.slot_shift]
        if row.hlc < line_hlc and not self.trusting:
            answer = self.store.read(key, key_bytes, &there)
            if answer == PENDING:
                return COLD
            if self.is_late(key, key_bytes, &there if answer == FOUND else NULL, row, line_hlc):
                self.writes += 1
                self.late += 1
                self.newest_hlc = line_hlc
                return OLDER
        if not row.actor & 1:
            return self.apply_blind(key, key_bytes, row)
        answer = self.store.read(key, key_bytes, &there)
        if answer == PENDING:
            return COLD
        self.writes += 1
        return self.merge_in(key, key_bytes, &there if answer == FOUND else NULL, row)

    cdef bint is_late(self, const char* key, uint32_t key_bytes, const Row* there, const Row* row,
                      uint64_t line_hlc) except -1:
        """Whether a version below the line may be one that was overwritten by what has been purged."""
        cdef Digested known, incoming
        digest_row(key, key_bytes, row, &incoming)
        if incoming.newest_hlc >= line_hlc:
            return not knows(there, row)           # annotated since
        if there == NULL:
            return True
        if there.actor & 1 and not self.absorbing:
            # It may have been written after the purge, and would take the dead for a sibling.
            return True
        digest_row(key, key_bytes, there, &known)
        return known.ripe_hlc < line_hlc

    cdef int apply_blind(self, const char* key, uint32_t key_bytes, const Row* row) except -1:
        cdef Row there
        cdef int answer = self.store.read_from(key, key_bytes, row.hlc, &there)
        if answer == PENDING:
            return COLD
        self.writes += 1
        if answer == ABSENT or there.hlc < row.hlc or (
                there.hlc == row.hlc and there.actor <= row.actor):
            if answer == ABSENT or there.hlc != row.hlc or there.actor != row.actor or (
                    annotated_later(row.annotation, row.deadline_ms, there.annotation, there.deadline_ms)):
                self.store_row(key, key_bytes, row)
            return TAKEN
        self.newest_hlc = there.hlc
        self.superseded += 1
        if there.actor & 1:
            self.merge_in(key, key_bytes, &there, row)
        return OLDER

    cdef int look(self, const char* key, uint32_t key_bytes, uint64_t hlc, uint64_t actor,
                  Row* out) except -1:
        """Read what `apply` reads for a version; nothing, for most blind ones."""
        if actor & 1 or hlc < self.lines[slot_of(key) >> self.slot_shift]:
            return self.store.read(key, key_bytes, out)
        return self.store.read_from(key, key_bytes, hlc, out)

    def apply_all(self, changes):
        """Versions that belong together, [(key, hlc, actor, deadline_ms, annotation, tombstone,
        value), ...]: COLD and nothing done, else each as `apply` has it; OLDER if one was."""
        cdef Row row, there
        cdef bytes key, value
        cdef int answer = TAKEN
        cdef uint64_t newest_hlc = 0
        for key, hlc, actor, *_ in changes:
            if self.look(PyBytes_AS_STRING(key), <uint32_t>PyBytes_GET_SIZE(key), hlc, actor,
                         &there) == PENDING:
                answer = COLD
        if answer == COLD:
            return COLD
        for key, hlc, actor, deadline_ms, annotation, tombstone, value in changes:
            row.hlc, row.actor, row.deadline_ms = hlc, actor, deadline_ms
            row.annotation, row.tombstone = annotation, tombstone
            row.value, row.value_bytes = PyBytes_AS_STRING(value), <uint32_t>PyBytes_GET_SIZE(value)
            if self.apply(PyBytes_AS_STRING(key), <uint32_t>PyBytes_GET_SIZE(key), &row) == OLDER:
                answer = OLDER
                newest_hlc = max(newest_hlc, self.newest_hlc)
        self.newest_hlc = newest_hlc
        return answer

    def forget(self, bytes key, uint64_t hlc, uint64_t actor, deadline_ms, uint64_t annotation,
               bytes value):
        """Delete a hint, unless something newer has come meanwhile: a tombstone with a deadline in
        1970, so that it is not taken for the hint of a delete. A causal state stays inside, for the next
        hint of the key to be merged with."""
        cdef Row row
        row.value, row.value_bytes = NULL, 0
        if actor & 1:
            row.value, row.value_bytes = PyBytes_AS_STRING(value), <uint32_t>PyBytes_GET_SIZE(value)
        row.hlc, row.actor, row.deadline_ms = hlc, actor, 1
        row.annotation, row.tombstone = annotation + 1, True
        self.store.write(PyBytes_AS_STRING(key), <uint32_t>PyBytes_GET_SIZE(key), &row)

    cdef int merge_in(self, const char* key, uint32_t key_bytes, const Row* there,
                      const Row* row) except -1:
        """Store the merge of two versions, if it differs from what is there."""
        incoming = state_of(row)
        if there == NULL or (handed_over(there) and not there.actor & 1):
            return self.store_state(key, key_bytes, incoming)
        present = state_of(there)
        merged = prune(merge(present, incoming), self.clock_entries_max)
        self.merges += 1
        if merged == present:
            return TAKEN
        return self.store_state(key, key_bytes, merged)

    cdef int store_state(self, const char* key, uint32_t key_bytes, object state) except -1:
        """A merged state under its greatest dot. The annotation grows with each merge, so that the
        store takes this one for the newest of those that have the same greatest dot."""
        cdef Row row
        cdef bytes value
        hlc, actor, deadline_ms, tombstone, value = to_record(prune(state, self.clock_entries_max))
        row.hlc, row.actor, row.deadline_ms, row.tombstone = hlc, actor, deadline_ms, tombstone
        row.annotation = self.clock.tick() if actor & 1 else state.siblings[0].annotation
        row.value, row.value_bytes = PyBytes_AS_STRING(value), <uint32_t>PyBytes_GET_SIZE(value)
        self.store_row(key, key_bytes, &row)
        return TAKEN

    cdef int store_row(self, const char* key, uint32_t key_bytes, const Row* row) except -1:
        self.store.write(key, key_bytes, row)
        self.dirty[slot_of(key)] |= <uint64_t>1 << (<uint8_t>key[2] >> 2)
        self.stored += 1
        return 0

    # -- anti-entropy -------------------------------------------------------------------------

    def absorb(self, bytes parcel, uint64_t before_hlc, bint trusted):
        """Records of another replica (parcels.pyx): (those that are COLD as a parcel, those that are
        late as a parcel, how many changed something here and have a version older than `before_hlc`).

        `trusted`: whether the other replica took part in the proof of this partition's line.
        Raises what `apply` does, and Malformed; records before the one that raised are stored."""
        cdef Input source
        cdef Row row
        cdef const char* key
        cdef const uint8_t* began
        cdef uint32_t key_bytes
        cdef uint64_t stored, late
        cdef int changed = 0
        cdef list cold = [], refused = []
        source.at = <const uint8_t*>PyBytes_AS_STRING(parcel)
        source.end = source.at + PyBytes_GET_SIZE(parcel)
        self.trusting, self.absorbing = trusted, True
        try:
            while source.at < source.end:
                began = source.at
                unpack(&source, &key, &key_bytes, &row)
                stored, late = self.stored, self.late
                if self.apply(key, key_bytes, &row) == COLD:
                    cold.append((<const char*>began)[:source.at - began])
                elif self.late != late:
                    refused.append((<const char*>began)[:source.at - began])
                elif self.stored != stored and least_hlc(&row) < before_hlc:
                    changed += 1
        finally:
            self.trusting = self.absorbing = False
        return b"".join(cold), b"".join(refused), changed

    def sweep(self, database, hlc, actor):
        """Delete what is older than the dot in a physical database."""
        self.store.flush(database, hlc, actor)
        self.make_dirty()

    def make_dirty(self):
        memset(self.dirty, 0xFF, sizeof(self.dirty))

    @property
    def dirty_address(self):
        """Where the bits are, for merkle.Tree; they live as long as this object."""
        return <size_t>self.dirty

    def use_line(self, int partition, uint64_t line_hlc):
        self.lines[partition] = line_hlc

    def set_refilling(self, int partition, bint refilling):
        self.refilling_count += refilling - self.refilling[partition]
        self.refilling[partition] = refilling

    def is_refilling(self, int partition):
        return bool(self.refilling[partition])


class Refilling(StoreError):
    """This replica has lost the partition and does not have all of it again yet."""

    def __init__(self):
        super().__init__("REFILLING this replica has lost its data and is being refilled")


cdef inline int slot_of(const char* key) noexcept nogil:
    """Of a stored key; SLOTS for the node's own records, which lie behind the last slot."""
    cdef int slot = (<uint8_t>key[0] << 8) | <uint8_t>key[1]
    return slot if slot < SLOTS else SLOTS


cdef uint64_t least_hlc(const Row* row) except? 0:
    """Of the versions that a record holds."""
    if not row.actor & 1:
        return row.hlc
    return (<State>state_of(row)).siblings[-1].hlc


cdef bint knows(const Row* there, const Row* row):
    """Whether each version of `row` is in what is there, or was replaced by it."""
    cdef Sibling sibling
    if there == NULL:
        return False
    if not (there.actor | row.actor) & 1:
        return there.hlc > row.hlc or (there.hlc == row.hlc and there.actor >= row.actor)
    present = state_of(there)
    for sibling in state_of(row).siblings:
        if not present.covers(sibling.hlc, sibling.actor):
            return False
    return True


cdef bint handed_over(const Row* row) noexcept:
    """Whether this is the rest of a hint that is no more (Replica.forget)."""
    return row.tombstone and row.deadline_ms == 1


cdef object state_of(const Row* row):
    return from_record(row.hlc, row.actor, row.deadline_ms, row.annotation, row.tombstone,
                       row.value[:row.value_bytes])
