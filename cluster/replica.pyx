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
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cluster.store cimport ABSENT, FOUND, PENDING

from cluster.versions import from_record, merge, prune, to_record

CLOCK_ENTRIES_MAX = 10


cdef class Replica:
    """`clock_entries_max` bounds the clock of a state (directive vector-clock-max-entries)."""

    def __init__(self, Store store, Clock clock, clock_entries_max=CLOCK_ENTRIES_MAX):
        self.store, self.clock = store, clock
        self.clock_entries_max = clock_entries_max

    cdef int read(self, const char* key, uint32_t key_bytes, Row* out) except -1:
        """FOUND (a tombstone is found), ABSENT or PENDING; `out` borrows from the store."""
        return self.store.read(key, key_bytes, out)

    cdef int apply(self, const char* key, uint32_t key_bytes, const Row* row) except -1:
        """TAKEN, OLDER or COLD. Raises WriteRefused, DamagedStore, DamagedState."""
        cdef Row there
        cdef int answer
        if not row.actor & 1:
            return self.apply_blind(key, key_bytes, row)
        answer = self.store.read(key, key_bytes, &there)
        if answer == PENDING:
            return COLD
        self.writes += 1
        return self.merge_in(key, key_bytes, &there if answer == FOUND else NULL, row)

    cdef int apply_blind(self, const char* key, uint32_t key_bytes, const Row* row) except -1:
        cdef Row there
        cdef int answer = self.store.read_from(key, key_bytes, row.hlc, &there)
        if answer == PENDING:
            return COLD
        self.writes += 1
        if answer == ABSENT or there.hlc < row.hlc or (
                there.hlc == row.hlc and there.actor <= row.actor):
            self.store.write(key, key_bytes, row)
            return TAKEN
        self.newest_hlc = there.hlc
        self.superseded += 1
        if there.actor & 1:
            self.merge_in(key, key_bytes, &there, row)
        return OLDER

    def apply_all(self, changes):
        """Versions that belong together, [(key, hlc, actor, deadline_ms, annotation, tombstone,
        value), ...]: COLD and nothing done, else each as `apply` has it; OLDER if one was."""
        cdef Row row, there
        cdef bytes key, value
        cdef int answer = TAKEN
        cdef uint64_t newest_hlc = 0
        for change in changes:
            key = change[0]
            if self.store.read(PyBytes_AS_STRING(key), <uint32_t>PyBytes_GET_SIZE(key),
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

    def keep_all(self, versions):
        """Versions that this node keeps for another one, under keys of its own: as `apply_all`."""
        return self.apply_all(versions)

    def forget(self, bytes key, uint64_t hlc, uint64_t actor, deadline_ms, uint64_t annotation):
        """Delete a hint, unless something newer has come meanwhile: a tombstone with a deadline in
        1970, so that it is not taken for the hint of a delete."""
        cdef Row row
        row.value, row.value_bytes = NULL, 0
        row.hlc, row.actor, row.deadline_ms = hlc, actor, 1
        row.annotation, row.tombstone = annotation + 1, True
        self.store.write(PyBytes_AS_STRING(key), <uint32_t>PyBytes_GET_SIZE(key), &row)

    cdef int merge_in(self, const char* key, uint32_t key_bytes, const Row* there,
                      const Row* row) except -1:
        """Store the merge of two versions, if it differs from what is there."""
        incoming = state_of(row)
        if there == NULL:
            return self.store_state(key, key_bytes, incoming)
        present = state_of(there)
        merged = merge(present, incoming)
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
        self.store.write(key, key_bytes, &row)
        return TAKEN


cdef object state_of(const Row* row):
    return from_record(row.hlc, row.actor, row.deadline_ms, row.annotation, row.tombstone,
                       row.value[:row.value_bytes])
