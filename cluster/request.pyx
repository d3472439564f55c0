"""A request under way at its coordinator, and the queues in which requests wait for their time-out.

A Sink is told once how a request ended (`result`, `text`, the version read). A request may outlive
that moment: a write that has its W answers still waits for the others, to know who missed it.
"""

cimport cython


cdef class Sink:
    """Whoever waits for a request: a client's place in the line of replies, another node, a command."""

    cdef int done(self, Request request) except -1:
        self.finished(request)
        return 0

    def finished(self, request):
        """The same for sinks written in Python."""
        raise NotImplementedError


@cython.no_gc              # no cycle outlives a request: its sink is let go when it is told
@cython.freelist(1024)
cdef class Request:
    @property
    def succeeded(self):
        return self.result == SUCCESS

    @property
    def was_overtaken(self):
        return self.result == OVERTAKEN

    def __repr__(self):
        return (f"<Request {self.id} kind {self.kind} acks {self.acks:b} open {self.open:b} "
                f"result {self.result}>")


cdef class Queue:
    """Requests with the same time-out, oldest first. A request is in one queue at most."""

    cdef int append(self, Request request) except -1:
        request.queue, request.earlier, request.later = self, self.last, None
        if self.last is None:
            self.first = request
        else:
            self.last.later = request
        self.last = request
        return 0

    cdef int remove(self, Request request) except -1:
        if request.queue is not self:
            return 0
        if request.earlier is None:
            self.first = request.later
        else:
            request.earlier.later = request.later
        if request.later is None:
            self.last = request.earlier
        else:
            request.later.earlier = request.earlier
        request.queue = request.earlier = request.later = None
        return 0
