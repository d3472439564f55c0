from engine.entry cimport Entry
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t


cdef struct RangeDelete:
    const char* start          # first key that is deleted
    uint32_t start_bytes
    const char* end            # first key that is not; empty: no bound
    uint32_t end_bytes
    uint64_t hlc
    uint64_t actor
    int32_t offset             # >= 0: only keys with key[offset] == byte
    uint8_t byte


cdef class RangeDeletes:
    cdef readonly tuple items          # the RangeDeleteRecords, in order of arrival
    cdef RangeDelete* raw
    cdef int count
    cdef uint64_t greatest_hlc
    cdef bint covers(self, const Entry* e) noexcept nogil
