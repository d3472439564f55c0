from cluster.parcels cimport Buffer
from cluster.store cimport Row, Walk
from libc.stdint cimport uint8_t, uint32_t, uint64_t

cdef enum:
    LEAVES = 64                # of a slot

cdef struct Digested:
    uint64_t digest            # of key and state
    uint64_t newest_hlc        # of any write or annotation that the state knows of
    uint64_t ripe_hlc          # a line above this leaves the record out

cdef int digest_row(const char* key, uint32_t key_bytes, const Row* row, Digested* out) except -1 nogil


cdef class Summary(Walk):
    cdef int first_slot, slots
    cdef readonly uint64_t line_hlc, records
    cdef uint64_t* leaves
    cdef uint64_t* ripe
    cdef uint64_t* covered         # one bit a leaf: in the ranges
    cdef int take(self, const char* key, uint32_t key_bytes, const Row* row) except -1 nogil


cdef class Tree:
    cdef readonly int partition, first_slot, slots
    cdef readonly uint64_t line_hlc
    cdef uint64_t* leaves
    cdef uint64_t* sums            # of the leaves of each slot
    cdef uint64_t* ripe            # the least ripe_hlc of each slot's records
    cdef uint64_t* dirty           # one bit a leaf: the Replica's, for these slots
    cdef list ranges_of(self, Summary summary)


cdef class Gather(Walk):
    cdef uint64_t line_hlc
    cdef uint64_t* known           # ascending
    cdef uint64_t* known_keys      # their bits of the key, ascending
    cdef Py_ssize_t known_count
    cdef bint wants_known, wants_all, holds_back, packs
    cdef size_t parcel_bytes_max, digests_max
    cdef Buffer found, parcel_buffer
    cdef readonly uint64_t packed, held
    cdef int take(self, const char* key, uint32_t key_bytes, const Row* row) except -1 nogil
