from engine.block_writer cimport BlockWriter
from engine.buffer cimport Buffer
from engine.entry cimport Entry
from libc.stdint cimport uint32_t, uint64_t


cdef class TableWriter:
    cdef readonly uint64_t number
    cdef readonly uint64_t bytes_written      # stored bytes that have reached the file
    cdef readonly uint64_t raw_bytes          # keys and values added so far
    cdef int add(self, const Entry* e) except -1 nogil
    # def finish(self) -> TableProperties     # the file is fsynced and closed
    # def abandon(self)                       # closes and unlinks it
