"""The socket side of the node: one epoll set for all clients, served in batches.

The event loop (uvloop) watches a single descriptor, our epoll set, and calls `turn` when any client
is ready. A turn serves batches:

    epoll_wait -> recv + run each ready client -> one log write for the whole batch -> send replies

So a reply never leaves before the record it acknowledges is in the log, one write covers every
command of the batch, and no object of the loop is made for a read or a send. With `sync_always`
the replies wait for the fsync, which runs on a thread while the next batch is collected.

After a batch the turn waits up to `linger_ms` for the next one in its own set, so a busy node goes
through the event loop once per `budget_ns` and not once per batch. It does so only while nobody
waits for the loop itself, and gives way to the loop's other work when the budget is used up.
docs/decisions/0001-driver.md has the measurements, also against one transport per client.

Connections that wait (connection.pxd, Wait) stand in one list per reason until whatever they wait
for has happened; while one waits, its socket is not read, so TCP holds the sender back.
"""

import errno
import logging

from libc.errno cimport EAGAIN, EINTR, errno as c_errno
from libc.stdlib cimport free, malloc
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, timespec
from resp_kv.connection cimport (
    WAIT_DISK, WAIT_PAUSE, WAIT_REPLICAS, WAIT_ROOM,
)
from resp_kv.shell.epoll cimport (
    EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, EPOLL_CTL_MOD, EPOLLERR, EPOLLHUP, EPOLLIN, EPOLLOUT,
    MSG_DONTWAIT, MSG_NOSIGNAL, epoll_create1, epoll_ctl, epoll_event, epoll_wait, recv, send,
)
from resp_kv.shell.link cimport Link
from resp_kv.shell.links cimport READ_BYTES
from resp_kv.shell.store cimport EngineStore


log = logging.getLogger("resp_kv.driver")

ACCEPTS_A_TURN = 100
# Longer than a tick of the kernel's clock (4 ms at HZ=250): a wait of 1 ms was measured 1 to 2 us an
# operation dearer, probably since it programs the timer hardware. See docs/decisions/0001-driver.md.
LINGER_MS = 5
ACCEPT_RETRY_S = 0.5
COMMITS_A_TURN = 4


cdef inline uint64_t monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <uint64_t>now.tv_sec * 1000000000 + <uint64_t>now.tv_nsec


cdef class Driver(Links):
    """`background` runs disk work off the loop (background.py); `admit` decides on new clients."""

    def __cinit__(self):
        self.epoll_fd = epoll_create1(EPOLL_CLOEXEC)
        if self.epoll_fd < 0:
            raise OSError(c_errno, "epoll_create1")
        self.buffer = <char*>malloc(READ_BYTES)
        if self.buffer == NULL:
            raise MemoryError

    def __dealloc__(self):
        free(self.buffer)

    def __init__(self, node, EngineStore store, Clock clock, Traffic traffic, CommandIndex index,
                 loop, background):
        self.node, self.store, self.clock, self.traffic = node, store, clock, traffic
        self.engine, self.index, self.loop, self.background = store.engine, index, loop, background
        self.connections, self.sockets, self.listeners = {}, {}, {}
        self.brake = Brake(store, loop, self.resume_writers)
        self.touched = []
        self.disk_waiters, self.room_waiters, self.pause_waiters = [], [], []
        self.turn_waiters, self.sync_waiters = [], []
        self.links, self.touched_links, self.sync_links, self.room_links = {}, [], [], []
        self.budget_ns = 2_000_000
        self.linger_ms = LINGER_MS
        self.accepting = True

    # -- listening ----------------------------------------------------------------------------

    def listen(self, sock):
        """Accept clients from a listening socket (non-blocking)."""
        self.listeners[sock.fileno()] = sock
        self.watch(sock.fileno())

    def stop_listening(self):
        for sock in self.listeners.values():
            sock.close()
        self.listeners.clear()

    def pause_listening(self, error):
        """No descriptor is left for another client: those that wait in the kernel stay there."""
        cdef epoll_event event
        if not self.accepting:
            return
        self.accepting = False
        log.warning("cannot accept a client: %s (raise the limit of open files); trying again "
                    "every %g s", error, ACCEPT_RETRY_S)
        for fd in self.listeners:
            epoll_ctl(self.epoll_fd, EPOLL_CTL_DEL, fd, &event)
        self.loop.call_later(ACCEPT_RETRY_S, self.resume_listening)

    def resume_listening(self):
        self.accepting = True
        for fd in self.listeners:
            self.watch(fd)

    def watch(self, int fd):
        cdef epoll_event event
        event.events, event.data.fd = EPOLLIN, fd
        if epoll_ctl(self.epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0:
            raise OSError(c_errno, "epoll_ctl")

    def accept(self, listener):
        for _ in range(ACCEPTS_A_TURN):
            try:
                sock, address = listener.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE):
                    self.pause_listening(error)
                return
            refusal = self.node.host.refuse_client(sock, address)
            if refusal is not None:
                self.turn_away(sock, refusal)
            else:
                self.admit(sock, address)

    def turn_away(self, sock, refusal):
        self.node.stats.rejected_connections += 1
        sock.setblocking(False)
        try:
            sock.send(b"-" + refusal.encode() + b"\r\n")
        except OSError:
            pass
        sock.close()

    def admit(self, sock, address):
        """A new client on an open socket."""
        self.next_id += 1
        sock.setblocking(False)
        connection = Connection(self.node, self.index, self.traffic, self.next_id)
        connection.fd = sock.fileno()
        self.node.host.describe_client(connection, sock, address)
        self.connections[connection.fd] = connection
        self.sockets[connection.fd] = sock
        self.node.clients[connection.id] = connection
        self.node.stats.total_connections_received += 1
        self.watch(connection.fd)

    # -- a turn -------------------------------------------------------------------------------

    def turn(self):
        """Serve whatever is ready, batch after batch, until nothing is or the budget is used up.

        epoll reports who is still ready in the same order again, so the next turn begins behind
        the client at which this one ended: a few that always have more cannot starve the others.
        """
        cdef int count, i, at
        cdef uint64_t now = monotonic_ns()
        self.turn_began, self.waited_ns = now, 0
        count = epoll_wait(self.epoll_fd, self.events, EVENTS_MAX, 0)
        while count > 0:
            self.begin()
            for i in range(count):
                at = (self.first + i) % count
                try:
                    self.serve(self.events[at].data.fd, self.events[at].events)
                except Exception:
                    self.give_up(self.connections.get(self.events[at].data.fd))
                if monotonic_ns() - self.turn_began > self.budget_ns:
                    self.first = at + 1
                    break
            else:
                self.first = 0
            self.finish()
            now = monotonic_ns()
            if now - self.turn_began > self.budget_ns:
                break
            count = self.linger(now)
        self.note_turn(monotonic_ns())

    cdef int linger(self, uint64_t now) noexcept:
        """Wait a moment for the next batch; only look while the loop has something to tell us."""
        cdef int count
        if (self.linger_ms == 0 or self.under_way or self.sync_waiters or self.room_waiters
                or self.sync_links or self.room_links):
            return epoll_wait(self.epoll_fd, self.events, EVENTS_MAX, 0)
        with nogil:
            count = epoll_wait(self.epoll_fd, self.events, EVENTS_MAX, self.linger_ms)
            self.waited_ns += monotonic_ns() - now
        return count

    cdef int note_turn(self, uint64_t now) except -1:
        """Count a turn that ends now, by the time it was busy."""
        return self.count_turn((now - self.turn_began - self.waited_ns) // 1000)

    cdef int begin(self) except -1:
        """Read the clock for a batch."""
        cdef timespec now
        clock_gettime(CLOCK_REALTIME, &now)
        self.clock.now_ms = <uint64_t>now.tv_sec * 1000 + <uint64_t>now.tv_nsec // 1000000
        self.traffic.turn_ns = monotonic_ns()
        if self.timekeeper is not None:
            self.clock.now_ms = self.timekeeper.time(self.clock.now_ms, self.traffic.turn_ns // 1000000)
        self.node.now_ms = self.clock.now_ms
        if self.environment is not None:
            self.environment.monotonic_ms = self.traffic.turn_ns // 1000000
        return 0

    cdef int serve(self, int fd, uint32_t events) except -1:
        cdef Connection connection
        cdef ssize_t count
        connection = self.connections.get(fd)
        if connection is None:
            link = self.links.get(fd)
            if link is not None:
                return self.serve_link(link, events)
            if fd in self.listeners:
                self.accept(self.listeners[fd])
            return 0
        if events & EPOLLOUT:
            self.touch(connection)
        if not events & (EPOLLIN | EPOLLHUP | EPOLLERR):
            return 0
        if connection.waiting or connection.closing:
            if events & (EPOLLHUP | EPOLLERR):
                return self.close(connection)
            return self.arm(connection, EPOLLOUT if connection.out.size else 0)
        count = recv(fd, self.buffer, READ_BYTES, MSG_DONTWAIT)
        if count <= 0:
            if count < 0 and (c_errno == EAGAIN or c_errno == EINTR):
                return 0
            return self.read_ended(connection, count)
        self.touch(connection)
        connection.last_used_ms = self.clock.now_ms
        self.node.current_client = connection
        connection.receive(self.buffer, count)
        self.node.current_client = None
        if connection.waiting:
            if connection.waiting == WAIT_ROOM:
                self.brake.note_waiter()
            self.park(connection)
        return 0

    cdef int read_ended(self, Connection connection, ssize_t count) except -1:
        """The client closed, or only its sending side (count 0): then it gets what it is owed."""
        if count < 0 or (connection.out.size == connection.out.sent
                         and connection.line_is_empty()):
            return self.close(connection)
        connection.closing = True
        synced = connection.hold <= self.engine.synced_position
        return self.arm(connection, EPOLLOUT if synced else 0)

    cdef int touch(self, Connection connection) except -1:
        """Note that a connection may have output, and where its output of this batch begins."""
        if not connection.listed:
            connection.listed = True
            connection.wrote = False
            connection.mark = connection.out.size
            self.touched.append(connection)
        return 0

    cdef int finish(self) except -1:
        """End of a batch: log first, then replies, then whatever has to happen off the loop.

        What the log has written counts as this replica's acknowledgement; that may finish requests,
        and their clients may have sent more, which is written in turn."""
        cdef Connection connection
        cdef bint held = False
        cdef int round = 0
        cdef list touched
        if self.traffic.woken:
            self.resume_woken()
        self.commit()
        while self.traffic.woken and round < COMMITS_A_TURN:
            round += 1
            self.resume_woken()
            self.commit()
        if self.traffic.woken:
            self.loop.call_soon(self.go_on_woken)
        self.brake.note_batch()
        if (self.sync_always and self.engine.written_position > self.engine.synced_position
                and self.engine.refused is None):
            held = True        # (a poisoned log is never synced, and takes no writes: reads go on)
        touched, self.touched = self.touched, []
        for connection in touched:
            connection.listed = False
            if connection.closed:
                continue
            if held and not self.traffic.replicated:
                connection.hold = self.engine.written_position
                self.sync_waiters.append(connection)
            else:
                self.flush(connection)
        self.flush_links()
        if held:
            self.background.sync_soon()
        if self.disk_waiters or self.turn_waiters or self.cold_requests:
            self.send_to_disk()
        if self.engine.layout != self.layout_seen:
            self.layout_seen = self.engine.layout
            self.background.step_soon()
        return 0

    cdef int commit(self) except -1:
        """Write the log of this turn, and tell the coordinator what became of its own writes."""
        try:
            self.engine.commit()
        except Exception as error:
            self.commit_failed(str(error))
            if self.coordinator is not None:
                self.coordinator.commit_failed(str(error))
            return 0
        if self.coordinator is not None:
            self.coordinator.committed(self.engine.written_position)
        return 0

    cdef int commit_failed(self, str reason) except -1:
        """The log could not be written: whoever wrote in this batch learns that the outcome is open.

        Another node that waits for an acknowledgement learns it by the end of its connection."""
        cdef Connection connection
        cdef Link link
        log.error("the log could not be written: %s", reason)
        for link in list(self.touched_links):
            if link.wrote and not link.outgoing:
                self.close_link(link, "the log could not be written")
        for connection in self.touched:
            if connection.wrote and not self.traffic.replicated:
                connection.out.truncate(connection.mark)
                connection.out.error(
                    f"MISCONF the log could not be written ({reason}); writes of this connection "
                    "since its last reply may or may not be kept. Free disk space or check the disk")
                connection.closing = True
        return 0

    cdef int resume_woken(self) except -1:
        """Connections whose replies have come from replicas: write them, run what waited."""
        cdef Connection connection
        cdef list woken = self.traffic.woken[:]
        self.traffic.woken.clear()
        for connection in woken:
            if connection.closed:
                continue
            self.touch(connection)
            self.node.current_client = connection
            try:
                connection.resume_line()
            except Exception:
                self.give_up(connection)
                continue
            self.node.current_client = None
            if connection.waiting and connection.waiting != WAIT_REPLICAS:
                self.park(connection)
            elif not connection.waiting and connection.armed != EPOLLIN and not connection.closing:
                self.arm(connection, EPOLLIN)
        return 0

    def go_on_woken(self):
        """The loop had its turn between two rounds of replies."""
        self.begin_outside()
        self.finish_outside()

    def begin_outside(self):
        """A timer is about to do something that belongs into a turn; `finish_outside` ends it."""
        self.turn_began, self.waited_ns = monotonic_ns(), 0
        self.begin()

    def finish_outside(self):
        self.finish()
        self.note_turn(monotonic_ns())

    cdef int flush(self, Connection connection) except -1:
        """Send what the socket takes."""
        cdef ssize_t count
        cdef Py_ssize_t unsent
        while True:
            unsent = connection.out.size - connection.out.sent
            if unsent == 0:
                break
            count = send(connection.fd, connection.out.start + connection.out.sent, unsent,
                         MSG_NOSIGNAL | MSG_DONTWAIT)
            if count < 0:
                if c_errno == EINTR:
                    continue
                if c_errno != EAGAIN:
                    return self.close(connection)
                return self.wait_for_socket(connection)
            connection.out.sent += count
            connection.bytes_out += count
            self.traffic.bytes_out += count
        connection.out.release()
        if connection.closing:
            return self.close(connection) if connection.line_is_empty() else 0
        if connection.armed != EPOLLIN and not connection.waiting:
            return self.arm(connection, EPOLLIN)
        return 0

    def wait_for_socket(self, Connection connection):
        """The socket is full: come back when it drains, unless too much has piled up."""
        cdef uint32_t reading
        if self.node.host.output_too_large(connection):
            return self.close(connection)
        connection.out.compact()
        reading = 0 if connection.waiting or connection.closing else EPOLLIN
        self.arm(connection, EPOLLOUT | reading)
        return 0

    cdef int arm(self, Connection connection, uint32_t events) except -1:
        cdef epoll_event event
        if connection.armed == events:
            return 0
        event.events, event.data.fd = events, connection.fd
        if epoll_ctl(self.epoll_fd, EPOLL_CTL_MOD, connection.fd, &event) < 0:
            return self.close(connection)
        connection.armed = events
        return 0

    def close(self, Connection connection):
        """End a connection now; unsent replies are dropped."""
        if connection.closed:
            return 0
        connection.closed = connection.closing = True
        self.connections.pop(connection.fd, None)
        self.node.clients.pop(connection.id, None)
        if connection.line is not None:
            connection.line.close()
        sock = self.sockets.pop(connection.fd, None)
        if sock is not None:
            sock.close()
        return 0

    def give_up(self, connection):
        """A bug or lack of memory while serving one client must not touch the others."""
        log.exception("serving %s failed, its connection is closed", connection)
        self.node.current_client = None
        if connection is not None:
            self.close(connection)

    # -- waiting ------------------------------------------------------------------------------

    cdef int park(self, Connection connection) except -1:
        if connection.waiting == WAIT_DISK:
            self.disk_waiters.append(connection)
        elif connection.waiting == WAIT_ROOM:
            self.room_waiters.append(connection)
            self.background.step_soon()
        elif connection.waiting == WAIT_REPLICAS:
            pass                  # its line wakes it
        elif connection.waiting == WAIT_PAUSE:
            self.pause_waiters.append(connection)
        elif connection.pause_ms:
            self.loop.call_later(connection.pause_ms / 1000, self.resume, [connection])
        else:
            self.turn_waiters.append(connection)
        return 0

    def send_to_disk(self):
        """Give everything asked for in this batch to a reader thread."""
        waiters, self.disk_waiters, self.turn_waiters = (
            self.disk_waiters + self.turn_waiters, [], [])
        work = self.store.take_work()
        self.cold_requests = False
        self.under_way += 1
        if work is None:
            self.loop.call_soon(self.go_on, waiters)
        else:
            self.background.read(work, waiters)

    def disk_done(self, work, list waiters):
        """A reader thread has finished: the blocks go to the cache, the waiters go on."""
        self.under_way -= 1
        self.begin()
        self.store.install(work)
        self.retry_cold()
        self.resume(waiters)
        self.store.forget_counts()

    def retry_cold(self):
        if self.coordinator is not None:
            self.coordinator.retry_cold()

    def go_on(self, list waiters):
        """The loop has had its turn: long commands take their next step."""
        self.under_way -= 1
        self.retry_cold()
        self.resume(waiters)

    def resume(self, list waiters):
        """Let waiting connections go on, as a batch of their own."""
        self.turn_began, self.waited_ns = monotonic_ns(), 0
        self.begin()
        self.resume_all(waiters)
        self.finish()
        self.note_turn(monotonic_ns())

    cdef int resume_all(self, list waiters) except -1:
        cdef Connection connection
        for connection in waiters:
            if connection.closed:
                continue
            self.touch(connection)
            self.node.current_client = connection
            try:
                connection.resume()
            except Exception:
                self.give_up(connection)
                continue
            self.node.current_client = None
            if connection.waiting:
                self.park(connection)
            elif connection.armed != EPOLLIN and not connection.closing:
                self.arm(connection, EPOLLIN)
        return 0

    def resume_room_waiters(self):
        """A flush or compaction was installed: stalled writers try again."""
        self.layout_seen = self.engine.layout
        self.resume_writers()

    def resume_writers(self):
        cdef Link link
        waiters, self.room_waiters = self.room_waiters, []
        links, self.room_links = self.room_links, []
        for link in links:
            self.arm_link(link, EPOLLIN | (EPOLLOUT if link.out.size > link.out.sent else 0))
        if waiters:
            self.resume(waiters)

    def resume_paused(self):
        """CLIENT PAUSE is over."""
        waiters, self.pause_waiters = self.pause_waiters, []
        if waiters:
            self.resume(waiters)

    def synced(self):
        """The log is synced further: send the replies that waited for it."""
        cdef Connection connection
        cdef Link link
        waiters, self.sync_waiters = self.sync_waiters, []
        links, self.sync_links = self.sync_links, []
        for link in links:
            if link.hold <= self.engine.synced_position:
                link.held = False
                if not link.closed:
                    self.flush_link(link)
            else:
                self.sync_links.append(link)
        if self.coordinator is not None:
            self.coordinator.synced(self.engine.synced_position)
            if self.traffic.woken:
                self.go_on_woken()
        for connection in waiters:
            if connection.closed:
                continue
            if connection.hold <= self.engine.synced_position:
                self.flush(connection)
            else:
                self.sync_waiters.append(connection)
        if self.sync_waiters or self.sync_links or (
                self.coordinator is not None and self.coordinator.waits_for_sync):
            self.background.sync_soon()

    def sync_failed(self, str reason):
        """An fsync failed: nothing that waits for it may be acknowledged."""
        cdef Connection connection
        waiters, self.sync_waiters = self.sync_waiters, []
        links, self.sync_links = self.sync_links, []
        for link in links:
            self.close_link(link, f"the log could not be synced: {reason}")
        if self.coordinator is not None:
            self.coordinator.sync_failed(reason)
        for connection in waiters:
            if not connection.closed:
                connection.out.release()
                connection.out.error(
                    f"MISCONF the log could not be synced to disk ({reason}); the outcome of the "
                    "writes under way is open. Writes are refused until the node is restarted")
                connection.closing = True
                self.flush(connection)

    @property
    def waiting_counts(self):
        """Connections that wait, by reason."""
        return {"disk": len(self.disk_waiters), "room": len(self.room_waiters),
                "pause": len(self.pause_waiters), "sync": len(self.sync_waiters)}
