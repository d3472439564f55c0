from cluster.environment cimport Environment
from cluster.hlc cimport Clock
from cluster.plan cimport Plan
from cluster.replica cimport Replica
from cluster.request cimport Queue, Request, Sink
from cluster.silence cimport MEMBERS_MAX, Silence
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef class Requests:
    cdef readonly Environment env
    cdef readonly Replica replica
    cdef readonly Clock clock
    cdef readonly int me
    cdef readonly uint64_t actor             # of blind writes; with bit 0 set: of causal ones
    cdef readonly list plans, members
    cdef int slot_shift                      # slot >> slot_shift is the partition
    cdef uint8_t[MEMBERS_MAX] alive          # requests can be sent there
    cdef uint8_t[MEMBERS_MAX] gone           # known to be down, not merely not met yet
    cdef Silence silence
    cdef readonly dict pending               # requests under way, by their number
    cdef dict queues
    cdef readonly uint64_t next_id
    cdef list uncommitted, unsynced, cold
    cdef object late                         # answered requests of which a lost member leaves no more
    cdef object young                        # (monotonic ms, Request) not yet hedged
    cdef public object executor, journal, repairer, hints
    cdef readonly object pace                # of what nobody waits for
    cdef public bint sloppy                  # sloppy-quorum yes
    cdef public int read_level, write_level
    cdef public uint32_t read_timeout_ms, write_timeout_ms
    cdef public bint wait_for_sync
    cdef readonly double usual_ms            # running estimate of the 99th percentile of reads
    cdef readonly uint64_t reads, writes, forwards, restamps, repairs, hedges, timeouts, no_quorums
    cdef Plan plan_of(self, const char* key)
    cpdef int preferred(self, Plan plan, int level)
    cdef int quickest(self, Plan plan, int level)
    cpdef int next_answering(self, Plan plan, int level)
    cdef Request make(self, int kind, Plan plan, Sink sink, int level, uint32_t timeout_ms)
    cdef int finish(self, Request request, int result, str text) except -1
    cdef int forget(self, Request request) except -1
    cdef uint32_t living(self, Plan plan) noexcept
    cdef uint32_t asked_last(self, Plan plan, uint32_t* silent) noexcept
    cdef bint drifted(self, uint64_t hlc) noexcept
    cdef int coordinate(self, Request request) except -1
    cdef int judge_write(self, Request request) except -1
    cdef int judge_read(self, Request request) except -1
    cdef int ask(self, Request request, uint32_t positions) except -1
    cdef int ask_enough(self, Request request) except -1
    cdef int leave_hints(self, Request request) except -1
