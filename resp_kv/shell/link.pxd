from cluster.coordinator cimport Coordinator
from cluster.wire cimport Frame
from libc.stdint cimport uint32_t, uint64_t
from resp_kv.resp.writer cimport ReplyBuffer

cdef enum:
    STRANGER_BYTES_MAX = 64 * 1024     # before the handshake is done
    LINK_BYTES_MAX = 64 << 20          # unsent; a peer that reads no more is as good as gone


cdef class Link:
    cdef public int fd
    cdef public int member             # its place in the document, -1: not known, or no member
    cdef public str node_id
    cdef public object address, state  # (host, bus port) it was opened to; the handshake's own
    cdef readonly bint outgoing
    cdef public bint connecting, ready, closed
    cdef ReplyBuffer out
    cdef char* stash
    cdef Py_ssize_t stashed, stash_capacity
    cdef object peers
    cdef bint listed, held             # driver: in the list of links with output; waits for a sync
    cdef bint wrote                    # a version was stored since the driver last looked
    cdef uint64_t hold
    cdef uint32_t armed
    cdef readonly uint64_t frames_in, frames_out, bytes_in, bytes_out
    cdef int receive(self, const char* text, Py_ssize_t count, Coordinator coordinator) except -1
    cdef int handle(self, const Frame* frame, Coordinator coordinator) except -1
    cdef Py_ssize_t take(self, const char* text, Py_ssize_t count, Coordinator coordinator) except -1
    cdef int keep(self, const char* text, Py_ssize_t count) except -1
    cdef bint add(self, bytes frame) except -1
