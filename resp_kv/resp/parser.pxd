cdef struct Arg:
    const char* text
    Py_ssize_t size

cdef enum:
    INCOMPLETE = 0
    COMPLETE = 1


cdef class Parser:
    cdef Arg* argv
    cdef Py_ssize_t argc
    cdef Py_ssize_t used            # bytes of the command just completed
    cdef public long long bulk_bytes_max
    cdef public bint trusted        # authenticated: the wide limits apply
    cdef Py_ssize_t capacity, remaining, at, counted
    cdef long long bulk
    cdef list inline_words
    cdef int parse(self, const char* text, Py_ssize_t count) except -1
    cdef Py_ssize_t wanted(self) noexcept
    cdef int parse_header(self, const char* text, Py_ssize_t count) except -1
    cdef int parse_inline(self, const char* text, Py_ssize_t count) except -1
    cdef int split_plain(self, const char* text, Py_ssize_t count) except -1
    cdef int split_quoted(self, bytes line) except -1
    cdef int add(self, const char* text, Py_ssize_t size) except -1
    cdef void restart(self) noexcept
