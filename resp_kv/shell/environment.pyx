"""The environment of the cluster code on a real node: sockets of the driver, timers of the loop."""

from resp_kv.shell.link cimport Link


cdef class ShellEnvironment(Environment):
    """`driver` and `peers` are set once they exist."""

    def __init__(self, clock, store, random, loop):
        self.clock, self.store, self.random, self.loop = clock, store, random, loop
        self.links = []

    cdef bint send(self, int member, bytes frame) except -1:
        cdef Link link
        if member >= len(self.links):
            return False
        link = self.links[member]
        if link is None or not link.add(frame):
            return False
        self.driver.touch_link(link)
        return True

    cdef int answer(self, object link, bytes frame) except -1:
        cdef Link to = link
        if to.closed:
            return 0
        if not to.add(frame):
            self.driver.close_link(to, "it takes no more answers")
            return 0
        self.driver.touch_link(to)
        return 0

    cpdef int load_soon(self) except -1:
        self.driver.cold_requests = True
        return 0

    def send_gossip(self, address, payload):
        return self.peers.send_gossip(address, payload)

    def call_later(self, delay_ms, callback):
        """As a turn of its own: the clocks are read before, and what is sent goes out behind it."""
        return self.loop.call_later(delay_ms / 1000, self.as_turn, callback)

    def as_turn(self, callback):
        if self.driver is None:
            callback()
            return
        self.driver.begin_outside()
        callback()
        self.driver.finish_outside()

    def walk(self, walk, done):
        self.walker.start(self.store.walk(walk), walk, done)
