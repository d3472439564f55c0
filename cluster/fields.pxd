from libc.stdint cimport uint8_t, uint64_t

cdef struct Dot:
    uint64_t hlc
    uint64_t actor

cdef struct Input:             # bytes still to be read
    const uint8_t* at
    const uint8_t* end


cdef inline bint below(Dot one, Dot other) noexcept nogil:
    return one.hlc < other.hlc or (one.hlc == other.hlc and one.actor < other.actor)


cdef inline bint same(Dot one, Dot other) noexcept nogil:
    return one.hlc == other.hlc and one.actor == other.actor


cdef uint8_t take_byte(Input* source) except? 0
cdef uint64_t take_u64(Input* source) except? 0
cdef int take_dot(Input* source, Dot* out) except -1
cdef uint64_t take_number(Input* source) except? 0
cdef Py_ssize_t take_count(Input* source, Py_ssize_t bytes_each) except -1

cdef char* put_u64(char* at, uint64_t number) noexcept nogil
cdef char* put_dot(char* at, Dot dot) noexcept nogil
cdef char* put_number(char* at, uint64_t number) noexcept nogil
cdef int number_bytes(uint64_t number) noexcept nogil
