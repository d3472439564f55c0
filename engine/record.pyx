"""One version of a key, as Python code gets it. The C code never makes one on its hot path."""

from engine.entry cimport DELETE as ENTRY_DELETE
from engine.entry cimport PUT as ENTRY_PUT
from engine.entry cimport RANGE_DELETE as ENTRY_RANGE_DELETE

PUT = ENTRY_PUT
DELETE = ENTRY_DELETE
RANGE_DELETE = ENTRY_RANGE_DELETE


def as_bytes(part):
    """A key or a value as bytes. TypeError, where bytes() would take a number for a length."""
    return part if type(part) is bytes else bytes(memoryview(part))


cdef class Record:
    """`kind` is PUT or DELETE; a deadline of 0 means none, an annotation of 0 the dot itself."""

    def __init__(self, bytes key, bytes value, uint64_t hlc=0, uint64_t actor=0,
                 uint64_t deadline_ms=0, uint64_t annotation=0, int kind=ENTRY_PUT):
        self.key = key
        self.value = value
        self.hlc = hlc
        self.actor = actor
        self.deadline_ms = deadline_ms
        self.annotation = annotation
        self.kind = kind

    @property
    def dot(self):
        return self.hlc, self.actor

    @property
    def deleted(self):
        return self.kind == ENTRY_DELETE

    def expired(self, now_ms):
        return 0 < self.deadline_ms <= now_ms

    def fields(self):
        return (self.key, self.value, self.hlc, self.actor, self.deadline_ms, self.annotation, self.kind)

    def __eq__(self, other):
        return isinstance(other, Record) and self.fields() == other.fields()

    def __hash__(self):
        return hash(self.fields())

    def __repr__(self):
        return f"Record({self.key!r}, {self.value!r}, dot={self.dot}, kind={self.kind})"


cdef Record make_record(const Entry* e):
    cdef Record record = Record.__new__(Record)
    record.key = e.key[:e.key_bytes]
    record.value = e.value[:e.value_bytes]
    record.hlc = e.hlc
    record.actor = e.actor
    record.deadline_ms = e.deadline_ms
    record.annotation = e.annotation
    record.kind = e.kind
    return record
