from cluster.store cimport Row, Store
from engine.engine cimport Engine
from libc.stdint cimport uint32_t


cdef class EngineStore(Store):
    cdef readonly Engine engine
    cdef dict counts
    cdef list counting
    cdef public bint braked        # see brake.pyx
