cdef class ReplyBuffer:
    cdef char* start
    cdef Py_ssize_t size        # bytes written so far
    cdef Py_ssize_t sent        # of which already given to the socket
    cdef Py_ssize_t capacity
    cdef public bint resp3
    cdef int reserve(self, Py_ssize_t extra) except -1
    cdef int raw(self, const char* text, Py_ssize_t count) except -1
    cdef int header(self, char mark, long long number) except -1
    cdef int bulk(self, const char* text, Py_ssize_t count) except -1
    cdef int integer(self, long long number) except -1
    cdef int null(self) except -1
    cdef int ok(self) except -1
    cdef int encode(self, object value) except -1
    cdef int encode_many(self, char mark, object values) except -1
    cdef int encode_map(self, dict values) except -1
    cdef int line(self, char mark, bytes text) except -1
    cpdef int error(self, text) except -1
    cdef void truncate(self, Py_ssize_t size) noexcept
    cdef void release(self) noexcept
    cdef void compact(self) noexcept
