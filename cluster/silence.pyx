"""Who owes this node an answer for longer than is usual: asked last from then on.

A frozen process, or one whose packets vanish, refuses nothing: its connections stand and only answers are
missing. The failure detector needs seconds to tell that from a pause, because being wrong there is dear:
stand-ins, hints, another coordinator for commands that read and write. Being wrong here is cheap. A
silent member is as alive as before; only where others can answer as well, they are asked instead (reads,
and the coordination of blind writes, which may run anywhere). So a fraction of a second is patience
enough, and the first answer ends it. This node judges for itself and tells nobody.

Answers come from what is sent to a member anyway: writes go to all replicas. A read is sent to a silent
one besides, now and then, so that a node which only reads finds out, too.

A member that refuses to be read, since its lost data is being refilled, is asked last, too, for a while.

What is left out: how slow a member is that does answer. Cassandra's dynamic snitch ranks all replicas.
"""

cdef enum:
    SILENT_MS = 200
    TRY_MS = 500


cdef class Silence:
    """Of all members, by number; times are monotonic milliseconds, and never 0."""

    cdef int asked(self, int member, uint64_t now_ms) except -1:
        """A question has gone to a member that answers such at once."""
        if self.since_ms[member] == 0:
            self.since_ms[member] = now_ms
        return 0

    cdef int answered(self, int member) except -1:
        """Whatever was asked."""
        self.since_ms[member] = 0
        return 0

    cdef bint is_silent(self, int member, uint64_t now_ms) noexcept:
        return self.since_ms[member] != 0 and now_ms >= self.since_ms[member] + SILENT_MS

    cdef int refused(self, int member, uint64_t now_ms) except -1:
        self.refused_ms[member] = now_ms
        return 0

    cdef bint is_refusing(self, int member, uint64_t now_ms) noexcept:
        return self.refused_ms[member] != 0 and now_ms < self.refused_ms[member] + TRY_MS

    cdef bint is_due(self, int member, uint64_t now_ms) noexcept:
        """Whether it is time to ask a silent one besides; counted as done."""
        if now_ms < self.tried_ms[member] + TRY_MS:
            return False
        self.tried_ms[member] = now_ms
        return True
