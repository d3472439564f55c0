from cluster.fields cimport Dot, Input, below, same
from libc.stdint cimport uint8_t, uint64_t


cdef class Context:
    cdef Dot horizon
    cdef Dot* pairs            # the clock, ascending by actor
    cdef Dot* strays           # the cloud, ascending; in the same allocation
    cdef Py_ssize_t pair_count, stray_count
    cdef int reserve(self, Py_ssize_t pairs, Py_ssize_t strays) except -1
    cdef void add_pair(self, Dot dot) noexcept
    cdef void add_stray(self, Dot dot) noexcept
    cdef bint has(self, Dot dot) noexcept
    cdef bint covers_nothing(self) noexcept
    cdef Dot greatest(self) noexcept
    cpdef bint covers(self, uint64_t hlc, uint64_t actor) noexcept

cpdef Context join(Context one, Context other)
cdef Context with_pair(Context context, Dot dot)
cdef Context with_stray(Context context, Dot dot)

cdef Context take_context(Input* source)
cdef char* put_context(char* at, Context context) noexcept
cdef Py_ssize_t context_bytes(Context context) noexcept
