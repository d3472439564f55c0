from engine.cache cimport BlockCache
from engine.cursor cimport Cursor
from engine.entry cimport Entry
from engine.loads cimport Loads
from engine.log_writer cimport LogWriter
from engine.memtable cimport Memtable
from engine.range_deletes cimport RangeDeletes
from engine.table_search cimport TableSearch
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t


cdef class Engine:
    # The door of the hot path: all of it on the event loop's thread.
    cdef int lookup(self, const char* key, uint32_t key_bytes, Entry* out) except -1
    cdef int lookup_from(self, const char* key, uint32_t key_bytes, uint64_t floor_hlc,
                         Entry* out) except -1
    cdef int put(self, const Entry* e) except -1
    cdef int put_range_delete(self, const Entry* e, int32_t offset, uint8_t byte) except -1
    cpdef int commit(self) except -1
    cpdef bint dirty(self) noexcept
    cpdef int write_room(self) except -1
    cpdef double write_pressure(self) noexcept
    cpdef double write_delay_usec_per_kib(self) noexcept
    cdef public uint64_t written_position, synced_position
    cdef readonly uint64_t layout
    cdef readonly uint64_t greatest_hlc

    cdef readonly str path
    cdef readonly object options, disk
    cdef readonly list reports         # what recovery had to cut off
    cdef readonly BlockCache cache
    cdef readonly object manifest
    cdef Memtable active
    cdef Memtable sealed               # None unless a flush is due
    cdef TableSearch tables
    cdef readonly RangeDeletes range_deletes
    cdef Loads loads                   # what lookups and pages have missed
    cdef LogWriter log
    cdef list unsynced                 # sealed LogWriters that are not known to be on the disk
    cdef bint directory_unsynced
    cdef uint64_t sequence             # of the last put
    cdef uint64_t frame_sequence       # of the first record of the pending frame
    cdef uint64_t memtable_bytes, log_bytes_max
    cdef int level0_tables_slowdown, level0_tables_stop
    cdef uint64_t log_start            # where the active memtable's part of the log begins
    cdef uint64_t sealed_sequence      # of the sealed memtable's last write
    cdef uint64_t next_number          # of the next file
    cdef object refused                # the WriteRefused that a restart alone can lift
    cdef bint stalled                  # what write_room() said last
    cdef dict step_errors              # kind of step -> why the last one failed
    cdef object flushing               # the flush that was taken and not finished
    cdef list compacting               # the compactions
    cdef object choice                 # of the picker, for this version and these compactions
    cdef bint choice_known
    cdef uint64_t chosen_ms            # when the picker was asked
    cdef uint64_t flushed_sequence     # the last write that is in tables
    cdef object lock
    cdef dict counters
    cdef int check_open(self) except -1
    cdef int check_stall(self, bint memory_is_full) except -1
    cdef int use_version(self, object version) except -1
    cdef Cursor merged(self, Loads loads, object readahead_bytes)
