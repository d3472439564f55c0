from libc.stdint cimport uint64_t

cdef enum:
    LATENCY_BUCKETS = 32

cdef enum Plain:
    NOT_PLAIN = 0
    PLAIN_GET = 1
    PLAIN_SET = 2

ctypedef int (*FastHandler)(object connection) except -1


cdef class Command:
    cdef public str name, group, since, complexity, summary, deprecated_since, replaced_by, parent
    cdef public object handler, arguments, flags, acl_categories, tips, history, subcommands, doc_flags
    cdef public object demand
    cdef public int arity, first_key, last_key, key_step
    cdef public bint is_write, is_generator, no_auth, no_multi, movable_keys, is_container
    cdef public bint at_coordinator
    cdef public uint64_t calls, nsec, rejected_calls, failed_calls
    cdef uint64_t[LATENCY_BUCKETS] buckets    # calls by the power of two of their microseconds
    cdef FastHandler fast          # compiled handler for the plain forms, NULL for none
    cdef int plain                 # has a compiled way to the replicas: see connection.pyx
    cdef bint deferrable           # a compiled read whose reply may come out of turn from disk
    cdef void note(self, uint64_t nsec) noexcept
    cpdef list keys_of(self, list args)
    cpdef bint arity_fits(self, Py_ssize_t count)
