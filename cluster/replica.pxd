from cluster.hlc cimport Clock
from cluster.slots cimport SLOTS
from cluster.store cimport Row, Store
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum Applied:
    TAKEN = 0              # stored, or there already
    OLDER = 1              # something newer is there: `newest_hlc` says how new
    COLD = 2               # nothing done: a block has to be loaded first


cdef class Replica:
    cdef readonly Store store
    cdef readonly Clock clock
    cdef public int clock_entries_max
    cdef public uint64_t newest_hlc
    cdef public uint64_t writes, merges, superseded, stored, late
    cdef uint64_t[SLOTS + 1] dirty             # a bit for each leaf of a slot: written to (merkle.pyx)
    cdef uint64_t[SLOTS + 1] lines             # by partition: what was purged may be below
    cdef uint8_t[SLOTS + 1] refilling          # by partition: its data was lost, reads are refused
    cdef readonly int refilling_count
    cdef int slot_shift                    # slot >> slot_shift is the partition
    cdef bint trusting, absorbing
    cdef int apply(self, const char* key, uint32_t key_bytes, const Row* row) except -1
    cdef int read(self, const char* key, uint32_t key_bytes, Row* out) except -1
    cdef int look(self, const char* key, uint32_t key_bytes, uint64_t hlc, uint64_t actor,
                  Row* out) except -1
    cdef int apply_blind(self, const char* key, uint32_t key_bytes, const Row* row) except -1
    cdef int merge_in(self, const char* key, uint32_t key_bytes, const Row* there,
                      const Row* row) except -1
    cdef bint is_late(self, const char* key, uint32_t key_bytes, const Row* there, const Row* row,
                      uint64_t line_hlc) except -1
    cdef int store_row(self, const char* key, uint32_t key_bytes, const Row* row) except -1
    cdef int store_state(self, const char* key, uint32_t key_bytes, object state) except -1

cdef bint handed_over(const Row* row) noexcept
