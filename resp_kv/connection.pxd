from cluster.keyspace cimport Keyspace
from cpython.object cimport PyObject
from libc.stdint cimport uint64_t
from resp_kv.commands.index cimport CommandIndex
from resp_kv.commands.row cimport Command
from resp_kv.line cimport Line
from resp_kv.resp.parser cimport Arg, Parser
from resp_kv.resp.writer cimport ReplyBuffer
from resp_kv.traffic cimport Traffic

cdef enum Wait:
    NOT_WAITING = 0
    WAIT_DISK = 1          # blocks are being read
    WAIT_ROOM = 2          # the memtable is full, a flush is under way
    WAIT_PAUSE = 3         # CLIENT PAUSE
    WAIT_TURN = 4          # a long command lets others go first
    WAIT_REPLICAS = 5      # earlier commands of this connection are under way at replicas

cdef enum FastOutcome:
    DONE = 0
    MUST_WAIT = 1          # nothing written; run again when the row is in memory
    USE_HANDLER = 2        # nothing done; the general handler takes it


cdef class Slot:
    cdef list args
    cdef Command row
    cdef ReplyBuffer reply, after
    cdef bint done


cdef class Connection:
    cdef Parser parser
    cdef ReplyBuffer out           # goes to the socket
    cdef ReplyBuffer reply         # where the command under way writes
    cdef readonly Keyspace keyspace
    cdef readonly object node
    cdef Traffic traffic
    cdef CommandIndex index
    cdef Arg* argv                 # the command under way
    cdef Py_ssize_t argc
    cdef char* stash               # bytes not yet consumed
    cdef Py_ssize_t stashed, stash_capacity
    cdef public int waiting
    cdef public bint closing       # close when everything is sent
    cdef public bint closed
    cdef bint gated                # something beside the plain path has to be looked at
    cdef bint wrote                # a write command ran since the driver last looked
    cdef bint listed               # driver: already in the list of connections with output
    cdef Py_ssize_t mark           # driver: size of `out` when this turn began
    cdef uint64_t hold             # driver: log position that must be synced before sending
    cdef unsigned int armed        # driver: events that epoll watches for
    cdef int retries
    cdef object slots, generator
    cdef readonly Line line        # on a cluster: replies that replicas still owe; else None
    cdef Command generator_row, last_row
    cdef list generator_args
    cdef int pause_ms              # a long command wants to sleep so long, 0: only to give way
    cdef uint64_t generator_nsec
    # what CLIENT LIST and the handlers see
    cdef public int fd
    cdef readonly int db
    cdef readonly uint64_t id
    cdef public str addr, laddr
    cdef public bytes name, lib_name, lib_ver, user
    cdef public uint64_t created_ms, last_used_ms, bytes_in, bytes_out
    cdef public dict watched
    cdef public bint no_evict, no_touch, readonly, asking
    cdef object current_transaction
    cdef str current_reply_mode
    cdef public object soft_limit_since
    cdef public object consistency     # KV.CONSISTENCY's choice on a node without others
    cdef int receive(self, const char* text, Py_ssize_t count) except -1
    cdef Py_ssize_t run(self, const char* text, Py_ssize_t count) except -1
    cdef int save(self, const char* text, Py_ssize_t count) except -1
    cdef int run_stash(self) except -1
    cdef int execute(self) except -1
    cdef int execute_row(self, Command row) except -1
    cdef int execute_replicated(self, Command row) except -1
    cdef int start_plain(self, Command row) except -1
    cdef bint may_overlap(self, Command row) noexcept
    cdef bint line_is_empty(self) noexcept
    cdef int general(self, Command row) except -1
    cdef int gate(self, Command row, list args) except -1
    cdef int wait(self, int reason) except -1
    cdef int defer(self, Command row) except -1
    cdef int retry_slots(self) except -1
    cdef int drain_slots(self) except -1
    cdef int fail(self, Command row, str text) except -1
    cdef int refuse(self, Command row, str text) except -1
    cdef list arguments(self)
    cdef int step_generator(self) except -1
    cdef int finish_generator(self, object value) except -1
    cdef void regate(self) noexcept
    cdef int settle(self, Command row, Py_ssize_t before, str mode, list args) except -1
    cdef int took(self, Command row, list args=*) except -1
