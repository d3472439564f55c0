"""The connections to other nodes in the driver's epoll set: reading, sending, ending them.

Requests to other nodes leave at the end of the turn. Acknowledgements of versions leave when the log
has them, with `sync_always` when it is synced: a link that owes one is held until then. A node whose
memory is full reads no more versions until a flush is done, so TCP holds the others back.
"""

import logging

from libc.errno cimport EAGAIN, EINTR, errno as c_errno
from resp_kv.shell.epoll cimport (
    EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT, MSG_DONTWAIT, MSG_NOSIGNAL,
    epoll_ctl, epoll_event, recv, send,
)

from cluster.errors import StoreError
from cluster.wire import BadFrame

log = logging.getLogger("resp_kv.links")


cdef class Links(Turns):
    """The part of the Driver that serves other nodes; `peers` makes and greets them (peers.py)."""

    def add_link(self, Link link, sock):
        """Watch a connection to another node: one that is being opened, or was accepted."""
        cdef epoll_event event
        link.fd = sock.fileno()
        self.links[link.fd], self.sockets[link.fd] = link, sock
        link.armed = EPOLLOUT if link.connecting else EPOLLIN
        event.events, event.data.fd = link.armed, link.fd
        if epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, link.fd, &event) < 0:
            raise OSError(c_errno, "epoll_ctl")

    def close_link(self, Link link, reason=""):
        """End a connection to another node now."""
        if link.closed:
            return
        link.closed, link.ready = True, False
        self.links.pop(link.fd, None)
        sock = self.sockets.pop(link.fd, None)
        if sock is not None:
            sock.close()
        self.peers.lost(link, reason)

    def socket_of(self, Link link):
        """None: it is closed."""
        return self.sockets.get(link.fd)

    def send_link(self, Link link, bytes frame):
        """A frame of the handshake or of gossip."""
        if link.add(frame):
            self.touch_link(link)
            return True
        return False

    def flush_now(self):
        """Frames were sent outside a turn (a timer): let them leave."""
        self.flush_links()

    cdef int touch_link(self, Link link) except -1:
        if not link.listed:
            link.listed = True
            self.touched_links.append(link)
        return 0

    cdef int serve_link(self, Link link, uint32_t events) except -1:
        cdef ssize_t count
        if link.connecting:
            self.peers.connected(link, self.sockets[link.fd])
            if not link.closed:
                self.arm_link(link, EPOLLIN)
            return 0
        if events & EPOLLOUT:
            self.touch_link(link)
        if not events & (EPOLLIN | EPOLLHUP | EPOLLERR):
            return 0
        if not self.has_room():
            self.room_links.append(link)
            self.background.step_soon()
            return self.arm_link(link, 0)
        count = recv(link.fd, self.buffer, READ_BYTES, MSG_DONTWAIT)
        if count <= 0:
            if count < 0 and (c_errno == EAGAIN or c_errno == EINTR):
                return 0
            self.close_link(link, "the connection ended")
            return 0
        try:
            link.receive(self.buffer, count, self.coordinator)
        except (BadFrame, ValueError) as error:
            log.warning("node %s at %s: %s; the connection is closed", link.node_id, link.address,
                        error)
            self.close_link(link, str(error))
        except Exception:
            log.exception("serving node %s failed, the connection is closed", link.node_id)
            self.close_link(link, "internal error")
        if link.out.size > link.out.sent:
            self.touch_link(link)
        return 0

    def has_room(self):
        """Whether versions of other nodes may come in; a store that refuses says so in its answers."""
        try:
            return self.store.room() != 0
        except StoreError:
            return True

    cdef int flush_links(self) except -1:
        """Send what stands in the links; acknowledgements after the sync, where one is needed."""
        cdef Link link
        cdef list touched
        cdef bint held = (self.sync_always and self.engine.refused is None
                          and self.engine.written_position > self.engine.synced_position)
        touched, self.touched_links = self.touched_links, []
        for link in touched:
            link.listed = False
            if link.closed:
                continue
            if held and link.wrote and not link.outgoing:
                link.hold = self.engine.written_position
                if not link.held:
                    link.held = True
                    self.sync_links.append(link)
            else:
                self.flush_link(link)
            link.wrote = False
        return 0

    cdef int flush_link(self, Link link) except -1:
        cdef ssize_t count
        cdef Py_ssize_t unsent
        if link.held or link.connecting:
            return 0
        while True:
            unsent = link.out.size - link.out.sent
            if unsent == 0:
                break
            count = send(link.fd, link.out.start + link.out.sent, unsent,
                         MSG_NOSIGNAL | MSG_DONTWAIT)
            if count < 0:
                if c_errno == EINTR:
                    continue
                if c_errno != EAGAIN:
                    self.close_link(link, "the connection broke")
                    return 0
                link.out.compact()
                return self.arm_link(link, EPOLLIN | EPOLLOUT)
            link.out.sent += count
            link.bytes_out += count
        link.out.release()
        return self.arm_link(link, EPOLLIN)

    cdef int arm_link(self, Link link, uint32_t events) except -1:
        cdef epoll_event event
        if link.armed == events or link.closed:
            return 0
        event.events, event.data.fd = events, link.fd
        if epoll_ctl(self.epoll_fd, EPOLL_CTL_MOD, link.fd, &event) < 0:
            self.close_link(link, "the connection broke")
            return 0
        link.armed = events
        return 0
