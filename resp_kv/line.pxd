from cluster.coordinator cimport Coordinator
from cluster.request cimport Request, Sink
from libc.stdint cimport uint8_t, uint32_t, uint64_t
from resp_kv.resp.writer cimport ReplyBuffer
from resp_kv.traffic cimport Traffic

cdef enum:
    TICKETS_MAX = 1024             # requests of one connection under way

cdef enum Form:
    AS_VALUE = 0                   # of GET
    AS_OK = 1                      # of SET
    AS_BYTES = 2                   # a reply that is encoded already

cdef enum Use:
    READ_USE = 2                   # added per read under way; reads may overlap
    WRITE_USE = 1 << 20            # added per blind write; blind writes may overlap
    SOLE_USE = 1 << 30             # a command that reads and writes: nothing else of this client
    ALONE_USE = 1                  # a command on whole databases: nothing else of this client at all


cdef class Ticket(Sink):
    cdef Line line
    cdef int form
    cdef readonly bint done_with, silent
    cdef object keys                       # stored key, or a tuple of them
    cdef uint64_t use
    cdef bytes value
    cdef readonly str error
    cdef bint found
    cdef int settle(self) except -1


cdef class Line:
    cdef object tickets                    # deque
    cdef dict busy                         # stored key -> uses
    cdef readonly Coordinator coordinator
    cdef Traffic traffic
    cdef object owner, writer, note_error
    cdef public int read_level, write_level
    cdef public uint32_t read_timeout_ms, write_timeout_ms
    cdef public uint8_t flags
    cdef public bint closed, chosen        # chosen: by KV.CONSISTENCY
    cdef readonly bint woken, alone        # alone: a command on whole databases is under way
    cdef bint empty(self) noexcept
    cdef int get(self, int database, const char* key, Py_ssize_t key_bytes, int level) except -1
    cdef int set(self, int database, const char* key, Py_ssize_t key_bytes, const char* value,
                 Py_ssize_t value_bytes, uint64_t deadline_ms) except -1
    cdef int drain(self, ReplyBuffer out) except -1
    cdef int take(self, Ticket ticket, object key) except -1
    cdef int give_back(self, Ticket ticket) except -1
    cdef int wake(self) except -1
