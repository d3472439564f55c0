from cluster.plan cimport Plan
from cluster.reads cimport Reads
from cluster.request cimport Request, Sink
from cluster.store cimport Row
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef class Writes(Reads):
    cpdef int write(self, bytes key, bytes value, uint64_t deadline_ms, bint tombstone, int level,
                    uint32_t timeout_ms, uint8_t flags, Sink sink) except -1
    cdef int send_round(self, Request request) except -1
    cdef int apply_mine(self, Request request) except -1
    cdef int note_refusal(self, Request request) except -1
    cdef int apply_changes(self, Request request) except -1
    cdef bytes write_frame(self, Request request)
    cdef int sweep_all(self, Request request) except -1
    cdef int sweep_again(self, Request request) except -1
    cdef int count_older(self, Request request, uint32_t bit, uint64_t newest_hlc) except -1
    cdef int stamp(self, Request request) except -1
    cdef int forward(self, Request request, int member) except -1
    cdef int overtaken(self, Request request, uint64_t newest_hlc) except -1
    cdef int ask_stand_ins(self, Request request) except -1

cdef bint may_restamp(Request request) noexcept
