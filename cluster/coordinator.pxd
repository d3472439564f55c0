from cluster.plan cimport Plan
from cluster.request cimport Request, Sink
from cluster.store cimport Row
from cluster.wire cimport Frame
from cluster.writes cimport Writes
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef class Coordinator(Writes):
    cdef int receive(self, int member, object link, const Frame* frame) except -1
    cdef int receive_write(self, int member, object link, const Frame* frame) except -1
    cdef int receive_bundle(self, int member, object link, const Frame* frame) except -1
    cdef int receive_read(self, int member, object link, const Frame* frame) except -1
    cdef int receive_forward(self, int member, object link, const Frame* frame) except -1
    cdef int receive_sweep(self, int member, object link, const Frame* frame) except -1
    cdef int receive_reply(self, int member, const Frame* frame) except -1
    cdef bint reaches_enough(self, Request request) except -1
    cdef int acknowledge(self, object link, const Frame* frame, int status, uint64_t newest_hlc,
                         bytes text) except -1
    cdef int chill(self, int member, object link, const Frame* frame) except -1
    cdef int receive_hint(self, int member, object link, const Frame* frame) except -1
    cdef int receive_stand_in(self, Request request, const Frame* frame) except -1
