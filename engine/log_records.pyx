"""The records of a log frame as Python values, for `resp-kv dump` and `resp-kv check`."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from engine.entry cimport RANGE_DELETE, Entry
from engine.log_format cimport read_record
from libc.stdint cimport int32_t, uint8_t


def read_records(bytes records):
    """[(key, kind, value, hlc, actor, deadline_ms, annotation, offset, byte), ...]; the last two
    are -1 and 0 but for a range delete. ValueError when the bytes are no records."""
    cdef const char* at = PyBytes_AS_STRING(records)
    cdef const char* end = at + PyBytes_GET_SIZE(records)
    cdef int32_t offset
    cdef uint8_t byte
    cdef Entry e
    cdef list found = []
    while at < end:
        offset = -1
        byte = 0
        at = read_record(at, end, &e, &offset, &byte)
        if at == NULL:
            raise ValueError("the frame's checksum is right, its records are not")
        if e.kind != RANGE_DELETE:
            offset = -1
            byte = 0
        found.append((e.key[:e.key_bytes], e.kind, e.value[:e.value_bytes], e.hlc, e.actor,
                      e.deadline_ms, e.annotation, offset, byte))
    return found
