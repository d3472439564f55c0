"""One client: bytes in, commands run in order, bytes out. No socket and no clock of its own.

The driver (shell) hands over what it read with `receive` and sends what stands in `out`. A command
that cannot finish now leaves the connection *waiting*: its bytes stay unconsumed and `resume` runs
it again from the start. That is safe because handlers read before they write (commands/table.py).
On a cluster commands with keys go to replicas: each draws a ticket in the `line` (line.pyx), and the
next one may run meanwhile.

    receive(bytes) -> parse -> row -> compiled handler          -> out
                                   -> gate (AUTH, MULTI, PAUSE) -> handler -> encode -> out

Cold reads in a pipeline overlap: a plain read whose row is on disk gets a slot in the line of
replies and the next command may run; a command that is not such a read waits until the slots before
it are filled, so a client always sees its own writes in its own order.
"""

import logging
from collections import deque

from cluster.errors import NeedsDisk, Stalled, StoreError
from cluster.slots cimport KEY_BYTES_MAX
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport int64_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy, memmove
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec
from resp_kv.commands.row cimport PLAIN_GET
from resp_kv.resp.numbers cimport relative_deadline
from resp_kv.resp.parser cimport INCOMPLETE
from resp_kv.traffic cimport ALL_PAUSED, RUNNING, WRITES_PAUSED

from resp_kv.errors import CommandError, ProtocolError
from resp_kv.replicator import LOCAL, STARTED, WAIT
from resp_kv.resolving import call, resolve
from resp_kv.resp.values import QUEUED

log = logging.getLogger("resp_kv.connection")

cdef enum:
    SLOTS_MAX = 1024                  # cold reads of one connection under way
    RETRIES_MAX = 8                   # then a command reads synchronously: a cache too small
    STASH_KEPT = 64 * 1024

RUN_AT_ONCE = frozenset(("exec", "discard", "multi", "watch", "quit", "reset"))


cdef inline uint64_t monotonic_ns() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return <uint64_t>now.tv_sec * 1000000000 + <uint64_t>now.tv_nsec


cdef class Slot:
    """The place of one deferred reply in the line: its arguments, its reply, and what follows it."""


cdef class Connection:
    """`node`: the Node; `index`: the command names; `id`: counts up over the life of the process."""

    def __init__(self, node, CommandIndex index, Traffic traffic, id):
        self.node, self.index, self.traffic, self.id = node, index, traffic, id
        self.parser = Parser(node.config.get("proto-max-bulk-len"))
        self.out = self.reply = ReplyBuffer()
        self.slots = deque()
        self.keyspace = node.keyspaces[0]
        self.fd = -1
        self.armed = 1                 # EPOLLIN
        self.addr = self.laddr = ""
        self.name = self.lib_name = self.lib_ver = b""
        self.user = b"default"
        self.watched = {}
        self.created_ms = self.last_used_ms = node.now_ms
        self.current_reply_mode = "on"
        self.authenticated = not node.config.get("requirepass")
        self.line = node.new_line(self)

    def __dealloc__(self):
        free(self.stash)

    # -- bytes in -----------------------------------------------------------------------------

    cdef int receive(self, const char* text, Py_ssize_t count) except -1:
        """Take in bytes just read and run every complete command among them."""
        cdef Py_ssize_t used = 0
        self.bytes_in += count
        self.traffic.bytes_in += count
        if self.stashed == 0 and not self.waiting:
            used = self.run(text, count)
        if used < count and not self.closing:
            self.save(text + used, count - used)
            if used == 0 and not self.waiting:
                self.run_stash()
        if self.slots and not self.waiting:
            self.waiting = WAIT_DISK
        return 0

    cdef int save(self, const char* text, Py_ssize_t count) except -1:
        """Append to the bytes kept for later; over the limit the connection closes."""
        cdef Py_ssize_t capacity = self.stash_capacity
        cdef char* grown
        if self.stashed + count > self.traffic.query_bytes_max:
            self.fail(None, "ERR client query buffer limit reached "
                            "(directive client-query-buffer-limit), closing the connection")
            self.closing = True
            return 0
        if self.stashed + count > capacity:
            if capacity == 0:
                capacity = 1024
            while capacity < self.stashed + count:
                capacity *= 2
            grown = <char*>realloc(self.stash, capacity)
            if grown == NULL:
                raise MemoryError
            self.stash, self.stash_capacity = grown, capacity
        memcpy(self.stash + self.stashed, text, count)
        self.stashed += count
        return 0

    cdef int run_stash(self) except -1:
        cdef Py_ssize_t used = self.run(self.stash, self.stashed)
        self.stashed -= used
        if self.stashed:
            memmove(self.stash, self.stash + used, self.stashed)
        elif self.stash_capacity > STASH_KEPT:
            free(self.stash)
            self.stash, self.stash_capacity = NULL, 0
        return 0

    cdef Py_ssize_t run(self, const char* text, Py_ssize_t count) except -1:
        """Run commands from `text`; returns how many bytes are done with."""
        cdef Py_ssize_t at = 0
        try:
            while at < count and not self.waiting and not self.closing:
                if self.parser.parse(text + at, count - at) == INCOMPLETE:
                    break
                self.argv, self.argc = self.parser.argv, self.parser.argc
                if self.argc and self.execute() == 0:
                    break
                at += self.parser.used
        except ProtocolError as error:
            self.parser.restart()
            if self.slots or not self.line_is_empty():
                self.wait(WAIT_DISK if self.slots else WAIT_REPLICAS)
                return at
            self.fail(None, "ERR " + str(error))
            self.closing = True
        return count if self.closing else at

    # -- one command --------------------------------------------------------------------------

    cdef int execute(self) except -1:
        """Run the command in argv. 1: done with it. 0: waiting, it has to be run again."""
        cdef Command row = self.index.find(self.argv[0].text, self.argv[0].size)
        cdef int outcome
        if (row is None or row.fast == NULL or self.gated or self.traffic.paused != RUNNING
                or self.traffic.replicated
                or not (self.argc == row.arity or (row.arity < 0 and self.argc >= -row.arity))):
            return self.execute_row(row)
        if self.slots and not row.deferrable:
            return self.wait(WAIT_DISK)
        try:
            if row.is_write:
                if self.keyspace.writer.store.room() == 0:
                    return self.wait(WAIT_ROOM)
                self.wrote = True
            outcome = row.fast(self)
        except (CommandError, StoreError) as error:
            self.fail(row, error.text)
            outcome = DONE
        if outcome == USE_HANDLER:
            return self.general(row)
        if outcome == MUST_WAIT:
            if row.deferrable and len(self.slots) < SLOTS_MAX and self.retries == 0:
                return self.defer(row)
            return self.wait(WAIT_DISK)
        return self.took(row)

    cdef int took(self, Command row, list args=None) except -1:
        """Count a command that has just finished."""
        cdef uint64_t now = monotonic_ns()
        cdef uint64_t nsec = now - self.traffic.turn_ns
        self.traffic.turn_ns = now
        self.traffic.commands += 1
        self.last_row = row
        row.note(nsec)
        if self.retries:
            self.retries = 0
            self.keyspace.writer.synchronous = False
        if self.traffic.slow_usec >= 0 and nsec >= <uint64_t>self.traffic.slow_usec * 1000:
            self.node.note_slow(
                row, nsec // 1000, self.arguments() if args is None else args, self)
        return 1

    cdef int execute_row(self, Command row) except -1:
        """Everything that is not the plain path: unknown names, subcommands, gates."""
        if self.slots:
            return self.wait(WAIT_DISK)
        if self.traffic.replicated:
            return self.execute_replicated(row)
        return self.general(row)

    cdef int execute_replicated(self, Command row) except -1:
        """On a cluster: plain GET and SET draw their tickets here, all else in the replicator."""
        cdef int outcome = USE_HANDLER
        if (row is not None and row.plain and self.line is not None and not self.gated
                and self.traffic.paused == RUNNING
                and (self.argc == row.arity or (row.arity < 0 and self.argc >= -row.arity))):
            try:
                outcome = self.start_plain(row)
            except (CommandError, StoreError, ValueError) as error:
                if not self.line.empty():
                    return self.wait(WAIT_REPLICAS)
                self.fail(row, getattr(error, "text", f"ERR {error}"))
                outcome = DONE
        if outcome == DONE:
            return self.took(row)
        return 0 if outcome == MUST_WAIT else self.general(row)

    cdef int start_plain(self, Command row) except -1:
        """DONE: a ticket is drawn. MUST_WAIT: what it waits for is noted."""
        cdef Arg* v = self.argv
        cdef int64_t deadline_ms = 0
        cdef int drawn
        if row.plain == PLAIN_GET:
            if self.argc != 2 or v[1].size > KEY_BYTES_MAX:
                return USE_HANDLER
            drawn = self.line.get(self.keyspace.database, v[1].text, v[1].size,
                                  1 if self.readonly else 0)
        else:
            if self.argc != 3:
                if self.argc != 5:
                    return USE_HANDLER
                deadline_ms = relative_deadline(v[3].text, v[3].size, v[4].text, v[4].size,
                                                <int64_t>self.node.now_ms)
                if deadline_ms <= 0:
                    return USE_HANDLER
            if not self.traffic.has_room(self.keyspace.writer.store):
                self.wait(WAIT_ROOM)
                return MUST_WAIT
            drawn = self.line.set(self.keyspace.database, v[1].text, v[1].size,
                                  v[2].text, v[2].size, <uint64_t>deadline_ms)
        if not drawn:
            self.wait(WAIT_REPLICAS)
            return MUST_WAIT
        return DONE

    cdef bint may_overlap(self, Command row) noexcept:
        """Whether its reply comes through a ticket, so that earlier ones may be outstanding."""
        return (row is not None and row.first_key != 0 and not self.gated
                and self.traffic.paused == RUNNING)

    cdef bint line_is_empty(self) noexcept:
        return self.line is None or self.line.empty()

    def use_line(self, Line line):
        """This node has become part of a cluster."""
        self.line = line

    cdef int general(self, Command row) except -1:
        cdef list args = self.arguments()
        cdef Py_ssize_t before = self.reply.size
        cdef str mode = self.current_reply_mode
        cdef bint ran = False
        if self.slots:
            return self.wait(WAIT_DISK)
        if not self.line_is_empty() and not self.may_overlap(row):
            return self.wait(WAIT_REPLICAS)
        try:
            if row is None or row.is_container:
                row = resolve(self, row, args)
            if not row.arity_fits(len(args)):
                row.rejected_calls += 1
                raise CommandError(f"ERR wrong number of arguments for '{row.name}' command")
            if (self.gated or self.traffic.paused != RUNNING) and self.gate(row, args):
                if self.waiting:
                    return 0
                value = QUEUED
            else:
                if row.is_write or (self.current_transaction is not None and row.name == "exec"):
                    if not self.may_write(row):
                        return self.wait(WAIT_ROOM)
                self.last_row = row        # CLIENT LIST shows itself
                ran = True
                value = self.node.replicator.start(self, row, args) \
                    if self.traffic.replicated else LOCAL
                if value is STARTED:
                    if mode == "skip":
                        self.reply_mode = "on"
                    return self.took(row, args)
                if value is WAIT or not self.line_is_empty():
                    return self.wait(WAIT_REPLICAS)
                if value is LOCAL:
                    value = row.handler(self, args)
            if row.is_generator and value is not QUEUED:
                self.generator, self.generator_row, self.generator_args = value, row, args
                self.generator_nsec = 0
                return self.step_generator()
            self.reply.encode(value)
        except NeedsDisk:
            return self.wait(WAIT_DISK)
        except Stalled:
            return self.wait(WAIT_ROOM)
        except (CommandError, StoreError) as error:
            self.reply.truncate(before)
            if not self.line_is_empty():
                return self.wait(WAIT_REPLICAS)
            if ran:
                self.fail(row, error.text)
            else:
                self.refuse(row, error.text)
        except Exception:
            log.exception("command %s failed", row.name if row is not None else "?")
            self.reply.truncate(before)
            self.fail(row, f"ERR internal error while running '{row.name if row else '?'}', "
                           "see the server's log")
        if not ran:             # refused, or queued: EXEC counts it when it runs
            self.last_row = row
            return self.settle(None, before, mode, args)
        return self.settle(row, before, mode, args)

    cdef int settle(self, Command row, Py_ssize_t before, str mode, list args) except -1:
        """After a general command: CLIENT REPLY's rule; counters of `row`, None if nothing ran."""
        if mode != "on" and self.current_reply_mode == mode:
            self.reply.truncate(before)
        if mode == "skip":
            self.reply_mode = "on"
        if row is not None:
            self.took(row, args)
        return 1

    def may_write(self, Command row):
        """False while the store has no room; raises WriteRefused where it refuses writes."""
        if not self.would_write(row):
            return True
        if not self.traffic.has_room(self.keyspace.writer.store):
            return False
        self.wrote = True
        return True

    cdef int gate(self, Command row, list args) except -1:
        """1: not to be run now (queued, or waiting); 0: go on. Raises what refuses the command."""
        if not self.parser.trusted and not row.no_auth:
            row.rejected_calls += 1
            raise CommandError("NOAUTH Authentication required.")
        if self.current_transaction is not None and row.name not in RUN_AT_ONCE:
            self.current_transaction.queue(self, row, args)
            return 1
        if self.traffic.paused == ALL_PAUSED or (
                self.traffic.paused == WRITES_PAUSED and self.would_write(row)):
            self.wait(WAIT_PAUSE)
            return 1
        return 0

    def would_write(self, Command row):
        return row.is_write or (
            row.name == "exec" and self.current_transaction is not None
            and self.current_transaction.writes)

    cdef int fail(self, Command row, str text) except -1:
        """Reply with an error and count it; a transaction under way is broken by it."""
        self.reply.error(text)
        self.traffic.errors += 1
        self.node.stats.note_error(text.partition(" ")[0])
        if row is not None:
            row.failed_calls += 1
        if self.current_transaction is not None and (row is None or row.name not in RUN_AT_ONCE):
            self.current_transaction.broken = True
        return 0

    cdef int refuse(self, Command row, str text) except -1:
        """Reply to a command that did not run; a refused EXEC ends its transaction, as in Redis."""
        if row is not None and row.name == "exec" and self.current_transaction is not None:
            text = "EXECABORT Transaction discarded because of: " + text.removeprefix("ERR ")
            self.transaction, self.watched = None, {}
        return self.fail(None, text)

    cdef list arguments(self):
        cdef Py_ssize_t i
        return [PyBytes_FromStringAndSize(self.argv[i].text, self.argv[i].size)
                for i in range(self.argc)]

    # -- waiting ------------------------------------------------------------------------------

    cdef int wait(self, int reason) except -1:
        self.waiting = reason
        if reason == WAIT_DISK:
            self.retries += 1
        return 0

    cdef int defer(self, Command row) except -1:
        """Give the read under way a slot in the line of replies and go on with the next command."""
        cdef Slot slot = Slot.__new__(Slot)
        slot.args, slot.row = self.arguments(), row
        slot.reply, slot.after = ReplyBuffer(), ReplyBuffer()
        slot.reply.resp3 = slot.after.resp3 = self.out.resp3
        self.slots.append(slot)
        self.reply = slot.after
        return 1

    cdef int retry_slots(self) except -1:
        """Ask again for every unanswered slot, in order."""
        cdef Slot slot
        cdef Parser words = Parser()
        cdef bytes arg
        cdef ReplyBuffer tail = self.reply
        for slot in self.slots:
            if slot.done:
                continue
            words.restart()
            for arg in slot.args:
                words.add(PyBytes_AS_STRING(arg), PyBytes_GET_SIZE(arg))
            self.argv, self.argc, self.reply = words.argv, words.argc, slot.reply
            try:
                if slot.row.fast(self) == DONE:
                    slot.done = True
            except StoreError as error:
                self.fail(slot.row, error.text)
                slot.done = True
            if slot.done:
                self.took(slot.row)
        self.reply = tail
        return self.drain_slots()

    cdef int drain_slots(self) except -1:
        """Move the finished replies at the head of the line to `out`."""
        cdef Slot slot
        while self.slots and (<Slot>self.slots[0]).done:
            slot = self.slots.popleft()
            self.out.raw(slot.reply.start, slot.reply.size)
            if self.slots:
                self.out.raw(slot.after.start, slot.after.size)
        if not self.slots and self.reply is not self.out:
            self.out.raw(self.reply.start, self.reply.size)
            self.reply = self.out
        return 0

    cdef int step_generator(self) except -1:
        """Run a long command up to its next pause, or to its end."""
        cdef uint64_t began = monotonic_ns()
        self.traffic.turn_ns = began - self.generator_nsec
        try:
            self.pause_ms = next(self.generator) or 0
        except StopIteration as stop:
            return self.finish_generator(stop.value)
        except NeedsDisk:      # its bytes are consumed already: begin again with what was kept
            self.generator = self.generator_row.handler(self, self.generator_args)
            self.wait(WAIT_DISK)
            return 1
        except (CommandError, StoreError) as error:
            return self.finish_generator(CommandError(error.text))
        except Exception:
            log.exception("command %s failed", self.generator_row.name)
            return self.finish_generator(CommandError(
                f"ERR internal error while running '{self.generator_row.name}', "
                "see the server's log"))
        self.generator_nsec += monotonic_ns() - began
        self.waiting = WAIT_TURN
        return 1

    cdef int finish_generator(self, object value) except -1:
        cdef Py_ssize_t before = self.reply.size
        self.generator = None
        self.waiting = NOT_WAITING
        if isinstance(value, CommandError):
            self.fail(self.generator_row, value.text)
        else:
            self.reply.encode(value)
        return self.settle(
            self.generator_row, before, self.current_reply_mode, self.generator_args)

    def resume_line(self):
        """Replies have come from replicas: write them, and go on if that was waited for."""
        self.line.drain(self.out)
        if self.waiting == WAIT_REPLICAS:
            self.resume()

    def resume(self):
        """What it waited for may have happened: go on where it stopped."""
        if self.closing or self.closed:
            return
        self.waiting = NOT_WAITING
        self.traffic.turn_ns = monotonic_ns()
        if self.retries > RETRIES_MAX:
            self.keyspace.writer.synchronous = True
        try:
            if self.slots:
                self.retry_slots()
            if self.generator is not None:
                self.step_generator()
            if not self.waiting and self.stashed:
                self.run_stash()
            if self.slots and not self.waiting:
                self.waiting = WAIT_DISK
                self.retries += 1
        finally:
            self.keyspace.writer.synchronous = False
        if not self.slots and not self.waiting:
            self.retries = 0

    # -- what handlers use --------------------------------------------------------------------

    def select(self, index):
        """Switch to logical database `index` (it must exist)."""
        self.keyspace = self.node.keyspaces[index]
        self.db = index

    def call(self, Command row, list args):
        """Run a row now, to its end: its reply value, or the CommandError it ended in."""
        return call(self, row, args)

    def close_after_reply(self):
        self.closing = True

    def kill(self):
        """Close now; the connection that is just running a command: after its reply."""
        self.closing = True
        if self.node.current_client is not self:
            self.node.host.close_client(self)

    @property
    def resp(self):
        return 3 if self.out.resp3 else 2

    @resp.setter
    def resp(self, version):
        self.out.resp3 = self.reply.resp3 = version == 3

    @property
    def authenticated(self):
        return self.parser.trusted

    @authenticated.setter
    def authenticated(self, bint trusted):
        self.parser.trusted = trusted
        self.regate()

    @property
    def transaction(self):
        return self.current_transaction

    @transaction.setter
    def transaction(self, transaction):
        self.current_transaction = transaction
        self.regate()

    @property
    def reply_mode(self):
        return self.current_reply_mode

    @reply_mode.setter
    def reply_mode(self, str mode):
        self.current_reply_mode = mode
        self.regate()

    cdef void regate(self) noexcept:
        self.gated = (not self.parser.trusted or self.current_transaction is not None
                      or self.current_reply_mode != "on")

    @property
    def last_command(self):
        return self.last_row.name if self.last_row is not None else ""

    @property
    def blocked(self):
        return self.waiting != NOT_WAITING

    @property
    def query_buffer_bytes(self):
        return self.stashed

    @property
    def query_buffer_capacity(self):
        return self.stash_capacity

    @property
    def output_bytes(self):
        return self.out.size - self.out.sent

    @property
    def output_capacity(self):
        return self.out.capacity

    @property
    def multi_bytes(self):
        return 0 if self.current_transaction is None else self.current_transaction.bytes

    # -- without a socket (tests) -------------------------------------------------------------

    def feed(self, bytes text):
        """Take in bytes as if they had come from a socket."""
        self.traffic.turn_ns = monotonic_ns()
        self.receive(PyBytes_AS_STRING(text), PyBytes_GET_SIZE(text))

    def take_output(self):
        """All finished replies as bytes."""
        return self.out.take()
