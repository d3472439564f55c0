from cluster.coordinator cimport Coordinator
from cluster.environment cimport Environment
from cluster.hlc cimport Clock
from engine.engine cimport Engine
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from resp_kv.commands.index cimport CommandIndex
from resp_kv.connection cimport Connection
from resp_kv.shell.brake cimport Brake
from resp_kv.shell.link cimport Link
from resp_kv.shell.store cimport EngineStore
from resp_kv.traffic cimport Traffic

cdef extern from "sys/epoll.h" nogil:
    ctypedef union epoll_data_t:
        int fd
    cdef struct epoll_event:
        uint32_t events
        epoll_data_t data
    int epoll_create1(int flags)
    int epoll_ctl(int epfd, int op, int fd, epoll_event* event)
    int epoll_wait(int epfd, epoll_event* events, int maxevents, int timeout)
    int EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD
    uint32_t EPOLLIN, EPOLLOUT, EPOLLERR, EPOLLHUP

cdef enum:
    EVENTS_MAX = 512
    READ_BYTES = 64 * 1024
    TURN_BUCKETS = 24


cdef class Driver:
    cdef readonly int epoll_fd
    cdef readonly dict connections, sockets, listeners
    cdef object node, loop, background
    cdef Clock clock
    cdef Engine engine
    cdef EngineStore store
    cdef readonly Brake brake
    cdef Traffic traffic
    cdef CommandIndex index
    cdef epoll_event[EVENTS_MAX] events
    cdef char* buffer
    cdef list touched
    cdef public bint sync_always
    cdef list disk_waiters, room_waiters, pause_waiters, turn_waiters, sync_waiters
    cdef uint64_t next_id, turn_began, layout_seen, budget_ns
    cdef uint64_t waited_ns                        # of the turn under way, without work
    cdef public int linger_ms                      # 0: every batch returns to the loop
    cdef int under_way                             # pieces of work whose end the loop will tell
    cdef uint64_t[TURN_BUCKETS] turn_buckets       # turns by the power of two of their microseconds
    cdef readonly uint64_t longest_turn_usec, turns
    cdef bint accepting
    # other nodes: links.pyx
    cdef readonly dict links                       # fd -> Link
    cdef list touched_links, sync_links, room_links
    cdef public Coordinator coordinator            # None: this node is on its own
    cdef public Environment environment            # None: likewise
    cdef public object peers
    cdef public bint cold_requests                 # of the coordinator: loads are to be sent to disk
    cdef int touch_link(self, Link link) except -1
    cdef int serve_link(self, Link link, uint32_t events) except -1
    cdef int flush_link(self, Link link) except -1
    cdef int arm_link(self, Link link, uint32_t events) except -1
    cdef int commit(self) except -1
    cdef int resume_woken(self) except -1
    cdef int flush_links(self) except -1
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
