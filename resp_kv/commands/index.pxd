from resp_kv.commands.row cimport Command

cdef enum:
    NAME_BYTES_MAX = 24
    PLACES = 2048

cdef struct Place:
    char[NAME_BYTES_MAX] name
    Py_ssize_t size
    void* row


cdef class CommandIndex:
    cdef Place[PLACES] places
    cdef dict rows
    cdef Command find(self, const char* name, Py_ssize_t size)
