"""The outside world as the protocols of a node see it: a clock, a store, random numbers, two verbs.

    send     a request to a member, over the connection that this node opened to it
    answer   a reply, over the connection on which the request came

In production the shell fills this in (sockets, uvloop); in the simulator tests do (a virtual clock, a
network that loses and delays). Protocols never learn which.
"""


cdef class Environment:
    """`clock.now_ms` is the wall clock, `monotonic_ms` never jumps; both hold for one turn."""

    cdef bint send(self, int member, bytes frame) except -1:
        """False: there is no connection, the frame certainly did not leave."""
        return self.send_frame(member, frame)

    cdef int answer(self, object link, bytes frame) except -1:
        """Nothing happens if the connection is gone."""
        self.answer_frame(link, frame)
        return 0

    cpdef int load_soon(self) except -1:
        """Reads were COLD: bring what the store was asked for into memory, then call
        `Coordinator.retry_cold()`."""
        raise NotImplementedError

    # The same doors for Python: to be called ...

    def send_to(self, member, frame):
        return self.send(member, frame)

    def answer_to(self, link, frame):
        self.answer(link, frame)

    # ... and to be filled in.

    def send_frame(self, member, frame):
        raise NotImplementedError

    def answer_frame(self, link, frame):
        raise NotImplementedError

    def call_later(self, delay_ms, callback):
        """A token with `cancel()`."""
        raise NotImplementedError

    def walk(self, walk, done):
        """Show a Walk (store.pyx) its records and then call `done(walk)`, in a later turn. An
        environment that has threads does it in one."""
        work = self.store.walk(walk)
        work.run()
        work.close()
        self.call_later(0, lambda: done(walk))
