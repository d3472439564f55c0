"""The brake on writers: they slow down while flushes and compactions fall behind.

Without it they would run at full speed into the engine's stop (write_room() 0), and all wait there
for the whole of a flush. The engine says how many microseconds it would like to pass for each KiB of
log; they are added up batch by batch, and once a millisecond is owed (a timer knows no less), writes
wait that long, as they would wait for room, and their sockets are not read. Reads go on.
"""

from resp_kv.shell.store cimport EngineStore

cdef double LEAST_USEC = 1000
# Nobody waits longer at a time: what a huge batch owes beyond that is forgiven.
cdef double MOST_USEC = 100_000


cdef class Brake:
    """`release()` is called when the writers may go on.

    delay_usec       for how long writes had to wait, in total
    delayed_writes   how many did, for the brake        stalled_writes   for room in memory
    """

    def __init__(self, EngineStore store, loop, release):
        self.store, self.engine, self.loop, self.release = store, store.engine, loop, release
        self.seen_position = store.engine.written_position

    cpdef int note_batch(self) except -1:
        """After each batch's commit."""
        if self.engine.written_position != self.seen_position:
            return self.apply()
        return 0

    cdef int apply(self) except -1:
        cdef double usec_per_kib = self.engine.write_delay_usec_per_kib()
        self.owed_usec += (self.engine.written_position - self.seen_position) / 1024.0 * usec_per_kib
        self.seen_position = self.engine.written_position
        if usec_per_kib == 0:
            self.owed_usec = 0
        elif self.owed_usec >= LEAST_USEC and not self.store.braked:
            self.owed_usec = min(self.owed_usec, MOST_USEC)
            self.store.braked = True
            self.loop.call_later(self.owed_usec / 1e6, self.let_go)
            self.delay_usec += <uint64_t>self.owed_usec
            self.owed_usec = 0
        return 0

    def let_go(self):
        self.store.braked = False
        self.release()

    cpdef int note_waiter(self) except -1:
        """A write has to wait."""
        if self.store.braked:
            self.delayed_writes += 1
        else:
            self.stalled_writes += 1
        return 0
