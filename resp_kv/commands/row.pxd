from libc.stdint cimport uint64_t


cdef class Command:
    cdef public str name, group, since, complexity, summary, deprecated_since, replaced_by, parent
    cdef public object handler, arguments, flags, acl_categories, tips, history, subcommands, doc_flags
    cdef public int arity, first_key, last_key, key_step
    cdef public bint is_write, is_generator, no_auth, no_multi, movable_keys, is_container
    cdef public uint64_t calls, usec, rejected_calls, failed_calls
    cdef public object usec_buckets
    cdef int fast           # number of the compiled handler in hot.pyx, 0 for none
    cpdef list keys_of(self, list args)
    cpdef bint arity_fits(self, Py_ssize_t count)
