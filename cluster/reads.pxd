from cluster.plan cimport Plan
from cluster.request cimport Request, Sink
from cluster.requests cimport Requests
from cluster.store cimport Row
from libc.stdint cimport uint32_t


cdef class Reads(Requests):
    cpdef int read(self, bytes key, int level, uint32_t timeout_ms, Sink sink) except -1
    cdef int read_mine(self, Request request) except -1
    cdef int take_version(self, Request request, int position, bint found, const Row* row) except -1
    cdef int repair(self, Request request) except -1
    cdef uint32_t worth_a_try(self, Plan plan, uint32_t silent) except? 0
    cdef int learn_usual(self, Request request) noexcept
    cdef int ask_stand_ins_to_read(self, Request request) except -1
    cdef int read_hint(self, Request request, int position, int target) except -1
