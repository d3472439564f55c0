"""Parcels: records one after another, as anti-entropy sends them.

    parcel := record*
    record := flags:u8 key_bytes:number value_bytes:number hlc:u64 actor:u64
              [deadline_ms:u64] [annotation:u64] key value
    flags  := 1 TOMBSTONE | 2 HAS_DEADLINE | 4 HAS_ANNOTATION

A bundle of frames would cost 90 bytes a record where this costs 20. The key is the stored one. The
annotation of a causal record is the local clock tick of its merge, nobody else's business: left out.
"""

from cluster.fields import Malformed
from cluster.fields cimport put_number, put_u64, take_byte, take_number, take_u64
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from libc.stdint cimport uint8_t
from libc.stdlib cimport free, realloc
from libc.string cimport memcpy

cdef enum:
    TOMBSTONE = 1
    HAS_DEADLINE = 2
    HAS_ANNOTATION = 4
    FIXED_BYTES = 33           # flags, dot, deadline, annotation


cdef int reserve(Buffer* to, size_t more) except -1 nogil:
    """Room for so many more bytes."""
    cdef size_t wanted = to.used + more, room = to.room if to.room > 4096 else 4096
    cdef char* grown
    if wanted <= to.room:
        return 0
    while room < wanted:
        room *= 2
    grown = <char*>realloc(to.at, room)
    if grown == NULL:
        with gil:
            raise MemoryError
    to.at, to.room = grown, room
    return 0


cdef int pack(Buffer* to, const char* key, uint32_t key_bytes, const Row* row) except -1 nogil:
    """Append a record."""
    cdef bint annotated = row.annotation != 0 and not row.actor & 1
    cdef char* at
    reserve(to, FIXED_BYTES + 20 + key_bytes + row.value_bytes)
    at = to.at + to.used
    at[0] = <char>((TOMBSTONE if row.tombstone else 0) | (HAS_DEADLINE if row.deadline_ms else 0)
                   | (HAS_ANNOTATION if annotated else 0))
    at = put_number(put_number(at + 1, key_bytes), row.value_bytes)
    at = put_u64(put_u64(at, row.hlc), row.actor)
    if row.deadline_ms:
        at = put_u64(at, row.deadline_ms)
    if annotated:
        at = put_u64(at, row.annotation)
    memcpy(at, key, key_bytes)
    memcpy(at + key_bytes, row.value, row.value_bytes)
    to.used = at + key_bytes + row.value_bytes - to.at
    return 0


cdef int unpack(Input* source, const char** key, uint32_t* key_bytes, Row* out) except -1:
    """The next record; `key` and `out` borrow from the source. Raises Malformed."""
    cdef uint8_t flags = take_byte(source)
    cdef Py_ssize_t key_size = take_size(source)
    cdef Py_ssize_t value_size = take_size(source)
    out.hlc, out.actor = take_u64(source), take_u64(source)
    out.deadline_ms = take_u64(source) if flags & HAS_DEADLINE else 0
    out.annotation = take_u64(source) if flags & HAS_ANNOTATION else 0
    out.tombstone = flags & TOMBSTONE
    if out.hlc == 0 or key_size < 3 or source.end - source.at < key_size + value_size:
        raise Malformed("a record of a parcel is damaged")
    key[0], key_bytes[0] = <const char*>source.at, <uint32_t>key_size
    out.value, out.value_bytes = <const char*>source.at + key_size, <uint32_t>value_size
    source.at += key_size + value_size
    return 0


cdef Py_ssize_t take_size(Input* source) except -1:
    cdef size_t size = take_number(source)
    if size > <size_t>(source.end - source.at):
        raise Malformed("a record is longer than its parcel")
    return <Py_ssize_t>size


def unpacked(bytes parcel):
    """[(key, hlc, actor, deadline_ms, annotation, tombstone, value), ...]. Raises Malformed."""
    cdef Input source
    cdef Row row
    cdef const char* key
    cdef uint32_t key_bytes
    records = []
    source.at = <const uint8_t*>PyBytes_AS_STRING(parcel)
    source.end = source.at + PyBytes_GET_SIZE(parcel)
    while source.at < source.end:
        unpack(&source, &key, &key_bytes, &row)
        records.append((key[:key_bytes], row.hlc, row.actor, row.deadline_ms, row.annotation,
                        bool(row.tombstone), row.value[:row.value_bytes]))
    return records


def packed(records):
    """The parcel of what `unpacked` gives."""
    cdef Buffer buffer = Buffer(NULL, 0, 0)
    cdef Row row
    cdef bytes key, value
    try:
        for key, hlc, actor, deadline_ms, annotation, tombstone, value in records:
            row.hlc, row.actor, row.deadline_ms = hlc, actor, deadline_ms
            row.annotation, row.tombstone = annotation, tombstone
            row.value, row.value_bytes = PyBytes_AS_STRING(value), <uint32_t>PyBytes_GET_SIZE(value)
            pack(&buffer, PyBytes_AS_STRING(key), <uint32_t>PyBytes_GET_SIZE(key), &row)
        return buffer.at[:buffer.used] if buffer.used else b""
    finally:
        free(buffer.at)
