from cluster.environment cimport Environment
from cluster.hlc cimport Clock
from cluster.plan cimport Plan
from cluster.quorum cimport Need
from cluster.replica cimport Replica
from cluster.request cimport Queue, Request, Sink
from cluster.store cimport Row
from cluster.wire cimport Frame
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t

cdef enum:
    MEMBERS_MAX = 1024


cdef class Coordinator:
    cdef readonly Environment env
    cdef readonly Replica replica
    cdef readonly Clock clock
    cdef readonly int me
    cdef readonly uint64_t actor             # of blind writes; with bit 0 set: of causal ones
    cdef readonly list plans, members
    cdef int slot_shift                      # slot >> slot_shift is the partition
    cdef uint8_t[MEMBERS_MAX] alive
    cdef readonly dict pending               # requests under way, by their number
    cdef dict queues
    cdef uint64_t next_id
    cdef list uncommitted, unsynced, cold
    cdef object young                        # (monotonic ms, Request) not yet hedged
    cdef public object executor, journal
    cdef public int read_level, write_level
    cdef public uint32_t read_timeout_ms, write_timeout_ms
    cdef public bint wait_for_sync
    cdef readonly double usual_ms            # running estimate of the 99th percentile of reads
    cdef readonly uint64_t reads, writes, forwards, restamps, repairs, hedges, timeouts, no_quorums
    cdef Plan plan_of(self, const char* key)
    cpdef int preferred(self, Plan plan, int level)
    cpdef int write(self, bytes key, bytes value, uint64_t deadline_ms, bint tombstone, int level,
                    uint32_t timeout_ms, uint8_t flags, Sink sink) except -1
    cpdef int read(self, bytes key, int level, uint32_t timeout_ms, Sink sink) except -1
    cdef Request make(self, int kind, Plan plan, Sink sink, int level, uint32_t timeout_ms)
    cdef int coordinate(self, Request request) except -1
    cdef int send_round(self, Request request) except -1
    cdef int apply_mine(self, Request request) except -1
    cdef int apply_changes(self, Request request) except -1
    cdef bytes write_frame(self, Request request)
    cdef int judge_write(self, Request request) except -1
    cdef int stamp(self, Request request) except -1
    cdef int forward(self, Request request, int member) except -1
    cdef int overtaken(self, Request request, uint64_t newest_hlc) except -1
    cdef int ask(self, Request request, uint32_t positions) except -1
    cdef int ask_enough(self, Request request) except -1
    cdef int read_mine(self, Request request) except -1
    cdef int take_version(self, Request request, int position, bint found, const Row* row) except -1
    cdef int judge_read(self, Request request) except -1
    cdef int repair(self, Request request) except -1
    cdef int finish(self, Request request, int result, str text) except -1
    cdef int forget(self, Request request) except -1
    cdef uint32_t living(self, Plan plan) noexcept
    cdef int receive(self, int member, object link, const Frame* frame) except -1
    cdef int receive_write(self, int member, object link, const Frame* frame) except -1
    cdef int receive_bundle(self, int member, object link, const Frame* frame) except -1
    cdef int receive_read(self, int member, object link, const Frame* frame) except -1
    cdef int receive_forward(self, int member, object link, const Frame* frame) except -1
    cdef int receive_sweep(self, int member, object link, const Frame* frame) except -1
    cdef int receive_reply(self, int member, const Frame* frame) except -1
    cdef int acknowledge(self, object link, const Frame* frame, int status, uint64_t newest_hlc,
                         bytes text) except -1
    cdef int chill(self, int member, object link, const Frame* frame) except -1
    cdef bint drifted(self, uint64_t hlc) noexcept
