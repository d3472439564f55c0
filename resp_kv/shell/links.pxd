from cluster.coordinator cimport Coordinator
from engine.engine cimport Engine
from libc.stdint cimport uint32_t
from resp_kv.shell.link cimport Link
from resp_kv.shell.store cimport EngineStore
from resp_kv.shell.turns cimport Turns

cdef enum:
    READ_BYTES = 64 * 1024


cdef class Links(Turns):
    cdef readonly int epoll_fd
    cdef readonly dict sockets                     # fd -> socket, of clients and of nodes
    cdef readonly dict links                       # fd -> Link
    cdef list touched_links, sync_links, room_links
    cdef char* buffer                              # READ_BYTES for what was just read
    cdef Engine engine
    cdef EngineStore store
    cdef object background
    cdef public bint sync_always
    cdef public Coordinator coordinator            # None: this node is on its own
    cdef public object peers
    cdef int touch_link(self, Link link) except -1
    cdef int serve_link(self, Link link, uint32_t events) except -1
    cdef int flush_link(self, Link link) except -1
    cdef int arm_link(self, Link link, uint32_t events) except -1
    cdef int flush_links(self) except -1
