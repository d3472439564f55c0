from engine.buffer cimport Buffer
from engine.disk cimport File
from engine.entry cimport Entry
from libc.stdint cimport int32_t, uint8_t, uint64_t


cdef class LogWriter:
    cdef readonly File file
    cdef readonly uint64_t number
    cdef readonly uint64_t start_position
    cdef readonly uint64_t written         # bytes of whole frames in the file, header included
    cdef uint64_t reserved                 # bytes of the file that surely have disk space
    cdef uint64_t reserve_bytes
    cdef Buffer pending                    # the frame that the next commit writes
    cdef int ensure(self, uint64_t count) except -1
    cdef int add(self, const Entry* e, int32_t offset, uint8_t byte) except -1
    cdef int commit(self, uint64_t sequence, uint64_t synced) except -1
    cdef bint dirty(self) noexcept
    cdef uint64_t end_position(self) noexcept
