from libc.stdint cimport int64_t, uint64_t


cdef class File:
    cdef readonly str path
    cdef int fd
    cdef int64_t read_into(self, char* out, size_t count, uint64_t offset) except -1 nogil
    cdef int64_t read_nowait(self, char* out, size_t count, uint64_t offset) except -2 nogil
    cdef int64_t write_some(self, const char* source, size_t count) except -1 nogil
    cdef int write(self, const char* source, size_t count) except -1 nogil
    cdef int reserve(self, uint64_t offset, uint64_t count) except -1 nogil
    cdef int sync_now(self) except -1 nogil
    cdef int cut(self, uint64_t length) except -1 nogil
    cdef int fail(self, int code) except -1 with gil


cdef class Disk:
    cdef File make_file(self, str path, int fd)
