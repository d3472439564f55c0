from engine.entry cimport Entry
from libc.stdint cimport uint64_t


cdef class Record:
    cdef readonly bytes key, value
    cdef readonly uint64_t hlc, actor, deadline_ms, annotation
    cdef readonly int kind


cdef Record make_record(const Entry* e)
