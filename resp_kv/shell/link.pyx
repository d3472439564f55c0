"""One connection between two nodes: bytes in, frames to the coordinator, frames out.

Each node opens one connection to each other node, for its own requests; replies come back on it. So
there are two between any two nodes, and nothing that waits for a sync of the log (acknowledgements)
stands in the way of a request.

Until the handshake (peers.py) is done only its frames are taken, and few bytes of them.
"""

from cluster.wire cimport FRAME_BYTES_MAX, GOSSIP, READ, VERSION, take_frame
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove

from cluster.wire import BadFrame


cdef class Link:
    """`peers` hears of greetings, gossip and the end."""

    def __init__(self, peers, bint outgoing, address=None):
        self.peers, self.outgoing, self.address = peers, outgoing, address
        self.fd = self.member = -1
        self.out = ReplyBuffer()

    def __dealloc__(self):
        free(self.stash)

    cdef int receive(self, const char* text, Py_ssize_t count, Coordinator coordinator) except -1:
        """Bytes just read. Raises BadFrame."""
        cdef Py_ssize_t used
        self.bytes_in += count
        if self.stashed == 0:
            used = self.take(text, count, coordinator)
            return self.keep(text + used, count - used)
        self.keep(text, count)
        used = self.take(self.stash, self.stashed, coordinator)
        self.stashed -= used
        if self.stashed:
            memmove(self.stash, self.stash + used, self.stashed)
        elif self.stash_capacity > 1 << 20:
            free(self.stash)
            self.stash, self.stash_capacity = NULL, 0
        return 0

    cdef Py_ssize_t take(self, const char* text, Py_ssize_t count, Coordinator coordinator) except -1:
        """Handle every whole frame; returns how many bytes are done with."""
        cdef Frame frame
        cdef Py_ssize_t at = 0, length
        while not self.closed:
            length = take_frame(text + at, count - at, &frame)
            if length == 0:
                break
            at += length
            self.frames_in += 1
            self.handle(&frame, coordinator)
        return at

    cdef int handle(self, const Frame* frame, Coordinator coordinator) except -1:
        if is_greeting(frame.kind):
            self.peers.greeted(self, chr(frame.kind), frame.body[:frame.body_bytes])
        elif not self.ready:
            raise BadFrame("a frame before the handshake")
        elif frame.kind == GOSSIP:
            self.peers.gossiped(self, frame.header.sent_hlc >> 16, frame.body[:frame.body_bytes])
        elif coordinator is not None and self.member >= 0:
            if frame.kind != READ and frame.kind != VERSION:
                self.wrote = True
            coordinator.receive(self.member, self, frame)
        return 0

    cdef int keep(self, const char* text, Py_ssize_t count) except -1:
        """Bytes of a frame that is not complete yet."""
        cdef Py_ssize_t wanted = self.stashed + count, capacity = max(self.stash_capacity, 4096)
        cdef char* grown
        if count == 0:
            return 0
        if wanted > (2 * FRAME_BYTES_MAX if self.ready else STRANGER_BYTES_MAX):
            raise BadFrame("a frame is too long")
        if wanted > self.stash_capacity:
            while capacity < wanted:
                capacity *= 2
            grown = <char*>realloc(self.stash, capacity)
            if grown == NULL:
                raise MemoryError
            self.stash, self.stash_capacity = grown, capacity
        memcpy(self.stash + self.stashed, text, count)
        self.stashed += count
        return 0

    def feed(self, bytes text, Coordinator coordinator=None):
        """Take in bytes as if they had come from a socket (tests)."""
        self.receive(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text), coordinator)

    cdef bint add(self, bytes frame) except -1:
        """False: it cannot take more."""
        if self.closed or self.is_full:
            return False
        self.out.raw(PyBytes_AS_STRING(frame), PyBytes_GET_SIZE(frame))
        self.frames_out += 1
        return True

    @property
    def is_full(self):
        """Whether it takes no more: the other side does not read."""
        return self.out.size - self.out.sent > LINK_BYTES_MAX

    @property
    def unsent_bytes(self):
        return self.out.size - self.out.sent


cdef inline bint is_greeting(char kind) noexcept:
    """Whether a frame belongs to the handshake (peers.py). Asked for every frame: no object is made."""
    return kind == b'H' or kind == b'I' or kind == b'C' or kind == b'J' or kind == b'E'
