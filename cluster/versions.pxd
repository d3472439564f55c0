from cluster.context cimport Context
from cluster.store cimport Row
from libc.stdint cimport uint64_t


cdef class Sibling:
    cdef readonly uint64_t hlc, actor, deadline_ms, annotation
    cdef readonly bytes value
    cdef readonly bint tombstone
    cpdef bint live(self, uint64_t now_ms) noexcept


cdef class State:
    cdef readonly Context seen
    cdef readonly tuple siblings       # greatest dot first
    cpdef bint covers(self, uint64_t hlc, uint64_t actor) noexcept

cpdef State merge(State one, State other)
cpdef State blind(uint64_t hlc, uint64_t actor, bytes value, bint tombstone=*,
                  uint64_t deadline_ms=*, uint64_t annotation=*)
cpdef State put(State local, Context context, uint64_t hlc, uint64_t actor, bytes value,
                bint tombstone=*, uint64_t deadline_ms=*, Py_ssize_t siblings_max=*)
cpdef State annotate(State state, uint64_t hlc, uint64_t actor, uint64_t deadline_ms,
                     uint64_t annotation)
cpdef State prune(State state, Py_ssize_t entries_max)
cpdef Sibling winner(State state)
cpdef Sibling live(State state, uint64_t now_ms)
cpdef uint64_t digest(State state) noexcept

cpdef bytes encode(State state)
cpdef State decode(bytes text)
cdef State decode_text(const char* text, Py_ssize_t size)
cdef int read_winner(const char* text, Py_ssize_t size, Row* out) except -1
cpdef tuple to_record(State state)
cpdef State from_record(uint64_t hlc, uint64_t actor, uint64_t deadline_ms, uint64_t annotation,
                        bint tombstone, bytes value)


cdef inline bint annotated_later(uint64_t annotation, uint64_t deadline_ms, uint64_t other_annotation,
                                 uint64_t other_deadline_ms) noexcept:
    """Of two annotations of one dot the later one stays; of two of one moment the one with the later
    deadline, so that replicas that have both do not differ."""
    if annotation != other_annotation:
        return annotation > other_annotation
    return deadline_ms > other_deadline_ms
