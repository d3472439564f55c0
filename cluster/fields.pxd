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


cdef inline uint64_t fold(uint64_t folded, uint64_t number) noexcept nogil:
    """One number more into a digest: the finalizer of splitmix64, so that every bit of either input
    changes half of the result."""
    folded = (folded ^ number) + <uint64_t>0x9E3779B97F4A7C15
    folded = (folded ^ (folded >> 30)) * <uint64_t>0xBF58476D1CE4E5B9
    folded = (folded ^ (folded >> 27)) * <uint64_t>0x94D049BB133111EB
    return folded ^ (folded >> 31)


cdef uint8_t take_byte(Input* source) except? 0
cdef uint64_t take_u64(Input* source) except? 0
cdef int take_dot(Input* source, Dot* out) except -1
cdef uint64_t take_number(Input* source) except? 0
cdef Py_ssize_t take_count(Input* source, Py_ssize_t bytes_each) except -1

cdef char* put_u64(char* at, uint64_t number) noexcept nogil
cdef char* put_dot(char* at, Dot dot) noexcept nogil
cdef char* put_number(char* at, uint64_t number) noexcept nogil
cdef int number_bytes(uint64_t number) noexcept nogil
