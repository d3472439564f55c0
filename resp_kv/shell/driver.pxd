from cluster.environment cimport Environment
from cluster.hlc cimport Clock
from cluster.timekeeper cimport Timekeeper
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from resp_kv.commands.index cimport CommandIndex
from resp_kv.connection cimport Connection
from resp_kv.shell.brake cimport Brake
from resp_kv.shell.epoll cimport epoll_event
from resp_kv.shell.links cimport Links
from resp_kv.traffic cimport Traffic

cdef enum:
    EVENTS_MAX = 512


cdef class Driver(Links):
    cdef readonly dict connections, listeners
    cdef object node, loop
    cdef Clock clock
    cdef readonly Brake brake
    cdef Traffic traffic
    cdef CommandIndex index
    cdef epoll_event[EVENTS_MAX] events
    cdef list touched
    cdef list disk_waiters, room_waiters, pause_waiters, turn_waiters, sync_waiters
    cdef uint64_t next_id, turn_began, layout_seen, budget_ns
    cdef uint64_t waited_ns                        # of the turn under way, without work
    cdef public int linger_ms                      # 0: every batch returns to the loop
    cdef int under_way                             # pieces of work whose end the loop will tell
    cdef bint accepting
    cdef public Environment environment            # None: likewise
    cdef public Timekeeper timekeeper              # None: the system clock is right
    cdef public bint cold_requests                 # of the coordinator: loads are to be sent to disk
    cdef int commit(self) except -1
    cdef int resume_woken(self) except -1
    cdef int first                 # place in the next batch at which a turn goes on
    cdef int serve(self, int fd, uint32_t events) except -1
    cdef int read_ended(self, Connection connection, ssize_t count) except -1
    cdef int touch(self, Connection connection) except -1
    cdef int flush(self, Connection connection) except -1
    cdef int arm(self, Connection connection, uint32_t events) except -1
    cdef int linger(self, uint64_t now) noexcept
    cdef int note_turn(self, uint64_t now) except -1
    cdef int begin(self) except -1
    cdef int finish(self) except -1
    cdef int park(self, Connection connection) except -1
    cdef int resume_all(self, list waiters) except -1
    cdef int commit_failed(self, str reason) except -1
