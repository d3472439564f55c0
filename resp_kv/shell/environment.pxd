from cluster.environment cimport Environment
from resp_kv.shell.driver cimport Driver


cdef class ShellEnvironment(Environment):
    cdef public Driver driver
    cdef public list links             # by member: the ready Link that this node opened, or None
    cdef public object peers, loop, walker
