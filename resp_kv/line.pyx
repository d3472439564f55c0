"""The line of replies of one connection whose commands are answered by replicas.

Many commands of a pipeline are under way at once; each has a Ticket, and replies leave in the order of
the tickets. Commands that could disturb each other wait: of one key, reads may overlap with reads and
plain writes with plain writes (they go the same way and keep their order), everything else only comes
when what is under way has ended. So a client sees its own commands as if they ran one by one.

The line knows no socket: when a ticket at its head is done it puts its owner into `traffic.woken`,
and the driver lets that connection go on.
"""

from collections import deque

cimport cython
from cluster.keyspace cimport Writer
from cluster.request cimport SUCCESS
from cluster.slots cimport KEY_BYTES_MAX, PREFIX_BYTES, encode_key
from cluster.store cimport Row
from cluster.versions cimport read_winner
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from cluster.errors import PairTooLarge


@cython.no_gc              # the line lets go of its tickets when they are answered or it is closed
cdef class Ticket(Sink):
    """One reply that is still to come. `resolve` ends it from Python."""

    cdef int done(self, Request request) except -1:
        if request.result != SUCCESS:
            self.error = request.text
        elif self.form == AS_VALUE:
            self.take_winner(request)
        elif self.form == AS_BYTES:
            self.value = request.value
        return self.settle()

    def take_winner(self, Request request):
        """What plain GET shows of the version that was read."""
        cdef Row row
        cdef uint64_t now_ms = self.line.coordinator.clock.now_ms
        if request.found and request.actor & 1:
            read_winner(PyBytes_AS_STRING(request.value), PyBytes_GET_SIZE(request.value), &row)
            if not row.tombstone and (row.deadline_ms == 0 or row.deadline_ms > now_ms):
                self.found, self.value = True, row.value[:row.value_bytes]
        elif request.found and not request.tombstone and (
                request.deadline_ms == 0 or request.deadline_ms > now_ms):
            self.found, self.value = True, request.value
        self.line.count_read(self.found)

    def resolve(self, bytes reply, str error=None):
        """The encoded reply, or an error line."""
        self.value, self.error = reply, error
        self.settle()

    cdef int settle(self) except -1:
        cdef Line line = self.line
        if self.done_with:
            return 0
        self.done_with = True
        line.give_back(self)
        if self.error is not None:
            line.note_error(self.error)
        return line.wake()


cdef class Line:
    """`owner` is the connection; `writer` counts hits and misses; `note_error(text)` counts errors."""

    def __init__(self, Coordinator coordinator, Traffic traffic, owner, writer, note_error):
        self.coordinator, self.traffic, self.owner = coordinator, traffic, owner
        self.writer, self.note_error = writer, note_error
        self.tickets, self.busy = deque(), {}
        self.follow_defaults()

    def follow_defaults(self):
        """The levels and time-outs of the configuration, until the client chooses others."""
        self.chosen = False
        coordinator = self.coordinator
        self.read_level, self.write_level = coordinator.read_level, coordinator.write_level
        self.read_timeout_ms = coordinator.read_timeout_ms
        self.write_timeout_ms = coordinator.write_timeout_ms

    cdef bint empty(self) noexcept:
        return not self.tickets

    @property
    def is_empty(self):
        return not self.tickets

    def close(self):
        """The connection is gone: nobody waits for these replies."""
        self.closed = True
        self.tickets.clear()
        self.owner = None

    # -- the plain commands -------------------------------------------------------------------

    cdef int get(self, int database, const char* key, Py_ssize_t key_bytes, int level) except -1:
        """1: a ticket was drawn; 0: wait until what is under way has ended."""
        cdef bytes stored = stored_bytes(database, key, key_bytes)
        cdef Ticket ticket = Ticket.__new__(Ticket)
        ticket.line, ticket.form, ticket.use = self, AS_VALUE, READ_USE
        if not self.take(ticket, stored):
            return 0
        self.coordinator.read(stored, level or self.read_level, self.read_timeout_ms, ticket)
        return 1

    cdef int set(self, int database, const char* key, Py_ssize_t key_bytes, const char* value,
                 Py_ssize_t value_bytes, uint64_t deadline_ms) except -1:
        """The same for a blind write. Raises PairTooLarge."""
        cdef Writer writer = self.writer
        cdef bytes stored
        cdef Ticket ticket
        if key_bytes + value_bytes > writer.pair_bytes_max or key_bytes > KEY_BYTES_MAX:
            raise PairTooLarge(key_bytes + value_bytes, writer.pair_bytes_max)
        stored = stored_bytes(database, key, key_bytes)
        ticket = Ticket.__new__(Ticket)
        ticket.line, ticket.form, ticket.use = self, AS_OK, WRITE_USE
        if not self.take(ticket, stored):
            return 0
        self.coordinator.write(stored, PyBytes_FromStringAndSize(value, value_bytes), deadline_ms,
                               False, self.write_level, self.write_timeout_ms, self.flags, ticket)
        return 1

    def draw_alone(self, silent=False):
        """A ticket for a command that concerns every key: only while nothing is under way, and nothing
        starts before it has ended."""
        cdef Ticket ticket = Ticket.__new__(Ticket)
        if self.tickets:
            return None
        ticket.line, ticket.form, ticket.use, ticket.keys = self, AS_BYTES, ALONE_USE, ()
        ticket.silent = silent
        self.alone = True
        self.tickets.append(ticket)
        return ticket

    def draw(self, keys, silent=False):
        """A ticket for a command that reads and writes these stored keys; None: wait."""
        cdef Ticket ticket = Ticket.__new__(Ticket)
        ticket.line, ticket.form, ticket.use = self, AS_BYTES, SOLE_USE
        ticket.silent = silent
        return ticket if self.take(ticket, tuple(dict.fromkeys(keys))) else None

    # -- keys under way -----------------------------------------------------------------------

    cdef int take(self, Ticket ticket, object key) except -1:
        """Stand in the line, if nothing under way is in the way."""
        if self.alone or len(self.tickets) >= TICKETS_MAX:
            return 0
        if ticket.use == SOLE_USE:
            for one in key:
                if one in self.busy:
                    return 0
            for one in key:
                self.busy[one] = SOLE_USE
        else:
            uses = self.busy.get(key)
            if uses is None:
                self.busy[key] = ticket.use
            elif ticket.use == READ_USE and uses < WRITE_USE:
                self.busy[key] = uses + READ_USE
            elif ticket.use == WRITE_USE and WRITE_USE <= uses < SOLE_USE:
                self.busy[key] = uses + WRITE_USE
            else:
                return 0
        ticket.keys = key
        self.tickets.append(ticket)
        return 1

    cdef int give_back(self, Ticket ticket) except -1:
        if ticket.use == ALONE_USE:
            self.alone = False
            return 0
        if ticket.use == SOLE_USE:
            for key in ticket.keys:
                self.busy.pop(key, None)
            return 0
        uses = self.busy.get(ticket.keys, 0) - ticket.use
        if uses > 0:
            self.busy[ticket.keys] = uses
        else:
            self.busy.pop(ticket.keys, None)
        return 0

    # -- replies ------------------------------------------------------------------------------

    cdef int wake(self) except -1:
        if self.woken or self.closed:
            return 0
        if self.tickets and (<Ticket>self.tickets[0]).done_with:
            self.woken = True
            self.traffic.woken.append(self.owner)
        return 0

    cdef int drain(self, ReplyBuffer out) except -1:
        """Write the replies at the head of the line that are done."""
        cdef Ticket ticket
        self.woken = False
        while self.tickets and (<Ticket>self.tickets[0]).done_with:
            ticket = self.tickets.popleft()
            if ticket.silent:
                continue
            if ticket.error is not None:
                out.error(ticket.error)
            elif ticket.form == AS_OK:
                out.ok()
            elif ticket.form == AS_BYTES:
                out.raw(PyBytes_AS_STRING(ticket.value), PyBytes_GET_SIZE(ticket.value))
            elif ticket.found:
                out.bulk(PyBytes_AS_STRING(ticket.value), PyBytes_GET_SIZE(ticket.value))
            else:
                out.null()
        return 0

    def count_read(self, bint found):
        cdef Writer writer = self.writer
        if found:
            writer.hits += 1
        else:
            writer.misses += 1


cdef inline bytes stored_bytes(int database, const char* key, Py_ssize_t key_bytes):
    """The stored key of a key of at most KEY_BYTES_MAX bytes."""
    cdef bytes stored = PyBytes_FromStringAndSize(NULL, PREFIX_BYTES + key_bytes)
    encode_key(<unsigned char*>PyBytes_AS_STRING(stored), database, <const unsigned char*>key,
               <uint32_t>key_bytes)
    return stored
