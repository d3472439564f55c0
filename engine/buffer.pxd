"""A byte buffer that doubles: what the writers of blocks and tables append to without the GIL."""

from libc.stdlib cimport realloc
from libc.stdlib cimport free as c_free
from libc.string cimport memcpy

cdef struct Buffer:
    char* at
    size_t used
    size_t room


cdef inline int reserve(Buffer* buffer, size_t more) except -1 nogil:
    """Make sure that `more` bytes can be appended; raises MemoryError."""
    cdef size_t room
    cdef char* at
    if buffer.room - buffer.used >= more:
        return 0
    room = buffer.room * 2
    if room < buffer.used + more:
        room = buffer.used + more
    if room < 256:
        room = 256
    at = <char*>realloc(buffer.at, room)
    if at == NULL:
        with gil:
            raise MemoryError(f"a buffer of {room} bytes")
    buffer.at = at
    buffer.room = room
    return 0


cdef inline int append(Buffer* buffer, const void* at, size_t size) except -1 nogil:
    reserve(buffer, size)
    memcpy(buffer.at + buffer.used, at, size)
    buffer.used += size
    return 0


cdef inline void discard(Buffer* buffer) noexcept nogil:
    c_free(buffer.at)
    buffer.at = NULL
    buffer.used = buffer.room = 0
