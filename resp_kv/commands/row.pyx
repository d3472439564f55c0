"""A command is a row: its name, shape, documentation, handler and counters.

COMMAND, COMMAND DOCS, COMMAND GETKEYS, the dispatcher, CROSSSLOT checks and the tests all read the
same row, so what is documented is what runs.
"""

from inspect import isgeneratorfunction


cdef class Command:
    """See `resp_kv.commands.table.command` for the meaning of each field.

    arity   as in Redis: the exact number of words with the name, or -n for at least n
    keys    (first, last, step) positions of keys, last negative from the end; (0, 0, 0): none
    nsec    wall nanoseconds spent in the handler, summed over `calls`
    demand  args -> Demand (commands/version_words.py): levels and a time-out in the words of one
            command; None: it has those of its connection
    at_coordinator  runs at the preferred coordinator of its key although it only reads
    """

    def __init__(self, str name, *, handler=None, int arity=0, flags=(), keys=(0, 0, 0),
                 str group="generic", str since="1.0.0", str complexity="O(1)", str summary="",
                 arguments=(), acl_categories=(), tips=(), history=(), str parent="",
                 str deprecated_since="", str replaced_by="", doc_flags=(), demand=None,
                 bint at_coordinator=False):
        self.name, self.group, self.since = name, group, since
        self.complexity, self.summary, self.parent = complexity, summary, parent
        self.deprecated_since, self.replaced_by = deprecated_since, replaced_by
        self.handler, self.arity = handler, arity
        self.demand, self.at_coordinator = demand, at_coordinator
        self.arguments, self.tips, self.history = tuple(arguments), tuple(tips), tuple(history)
        self.flags, self.acl_categories = tuple(flags), tuple(acl_categories)
        self.doc_flags = tuple(doc_flags)
        self.first_key, self.last_key, self.key_step = keys
        self.is_write = "write" in self.flags
        self.no_auth = "no_auth" in self.flags
        self.no_multi = "no_multi" in self.flags
        self.movable_keys = "movablekeys" in self.flags
        self.is_generator = handler is not None and isgeneratorfunction(handler)
        self.subcommands = {}
        self.is_container = False
        self.fast = NULL
        self.deferrable = False

    cpdef bint arity_fits(self, Py_ssize_t count):
        return count == self.arity if self.arity >= 0 else count >= -self.arity

    cpdef list keys_of(self, list args):
        """The keys among `args` (the whole command, name first). Assumes that the arity fits."""
        if self.first_key == 0:
            return []
        cdef Py_ssize_t last = self.last_key if self.last_key >= 0 else len(args) + self.last_key
        return [args[i] for i in range(self.first_key, min(last, len(args) - 1) + 1, self.key_step)]

    cdef void note(self, uint64_t nsec) noexcept:
        """Count one call that took `nsec` nanoseconds."""
        cdef int bucket = 0
        cdef uint64_t usec = nsec // 1000
        self.calls += 1
        self.nsec += nsec
        while usec and bucket < LATENCY_BUCKETS - 1:
            usec >>= 1
            bucket += 1
        self.buckets[bucket] += 1

    def count(self, uint64_t nsec):
        """`note`, for Python."""
        self.note(nsec)

    @property
    def usec(self):
        """Whole microseconds spent in the handler."""
        return self.nsec // 1000

    @property
    def usec_buckets(self):
        """Calls by duration: item i counts those below 2**i microseconds (and not below 2**(i-1))."""
        return [self.buckets[i] for i in range(LATENCY_BUCKETS)]

    def reset_stats(self):
        self.calls = self.nsec = self.rejected_calls = self.failed_calls = 0
        for i in range(LATENCY_BUCKETS):
            self.buckets[i] = 0
