from engine.entry cimport Entry
from engine.merge cimport MergeCursor
from engine.table_writer cimport TableWriter
from libc.stdint cimport uint32_t, uint64_t

cdef struct Bystander:
    const char* least_key
    const char* greatest_key
    uint32_t least_bytes, greatest_bytes
    uint64_t least_hlc, least_actor

cdef struct Underneath:
    const char* greatest_key
    uint32_t greatest_bytes
    uint64_t file_bytes


cdef class Compaction:
    cdef readonly object choice
    cdef readonly list outputs             # of TableProperties, ascending by key
    cdef readonly list unread              # inputs that hold nothing worth reading
    cdef readonly uint64_t entries_read, entries_written, bytes_written
    cdef public bint aborted               # set it from any thread
    cdef object _disk, _directory, _options, _take_number
    cdef bint _lowest          # nothing lies below the target
    cdef object _dictionary_bytes
    cdef uint64_t _now_ms, _drop_below_hlc, _cleared_sequence, _table_bytes_max
    cdef MergeCursor _merge
    cdef TableWriter _writer
    cdef list _writers
    cdef Bystander* _bystanders
    cdef uint32_t _bystander_count
    cdef list _keys                        # what the bystanders point into
    cdef Underneath* _underneath           # tables of the level after the target, ascending
    cdef uint32_t _underneath_count, _passed
    cdef list _underneath_keys
    cdef uint64_t _overlap_bytes, _overlap_bytes_max
    cdef object _range_deletes
    cdef bint _started
    cdef int _watch(self, list tables) except -1
    cdef bint _is_superfluous(self, const Entry* e) noexcept nogil
    cdef int _note_underneath(self, version) except -1
    cdef bint _overlaps_too_much(self, const Entry* e) noexcept nogil
    cdef int _merge_some(self, uint64_t budget_bytes) except -1 nogil
    cdef int _start_table(self) except -1
    cdef int _end_table(self) except -1
