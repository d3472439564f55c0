from engine.engine cimport Engine
from libc.stdint cimport uint64_t
from resp_kv.shell.store cimport EngineStore


cdef class Brake:
    cdef EngineStore store
    cdef Engine engine
    cdef object loop, release
    cdef uint64_t seen_position        # of the log, after the last batch
    cdef double owed_usec
    cdef readonly uint64_t delay_usec, delayed_writes, stalled_writes
    cpdef int note_batch(self) except -1
    cdef int apply(self) except -1
    cpdef int note_waiter(self) except -1
