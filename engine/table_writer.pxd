from engine.block_writer cimport BlockWriter
from engine.buffer cimport Buffer
from engine.disk cimport File
from engine.entry cimport Entry
from engine.segment_meta cimport IndexDraft
from engine.zstd cimport Compressor
from libc.stdint cimport uint8_t, uint32_t, uint64_t


cdef class TableWriter:
    cdef readonly uint64_t number
    cdef readonly uint64_t bytes_written      # stored bytes that have reached the file
    cdef readonly uint64_t raw_bytes          # keys and values added so far
    cdef public uint64_t cleared_sequence     # goes into the properties
    cdef readonly str path
    cdef object _disk
    cdef Compressor _compressor               # None: blocks stay raw
    cdef bytes _dictionary                    # None: there is none
    cdef File _file
    cdef BlockWriter _blocks                  # raw blocks of the segment under construction
    cdef Buffer _cuts                         # (start:u64, length:u64) of each of them
    cdef Buffer _hashes                       # u64 for each key of the segment
    cdef Buffer _out                          # stored bytes on their way to the file
    cdef Buffer _first_key
    cdef IndexDraft _index, _top
    cdef uint32_t _block_bytes, _blocks_per_segment, _bits_per_key, _dictionary_bytes
    cdef int _level
    cdef uint64_t _entries, _tombstones, _expiring, _blocks_written, _segments
    cdef uint64_t _least_hlc, _least_actor, _greatest_hlc, _greatest_actor, _greatest_annotation
    cdef uint64_t _least_deadline, _greatest_deadline
    cdef int add(self, const Entry* e) except -1 nogil
    cdef uint64_t size(self) noexcept nogil
    cdef bint _follows(self, const Entry* e) noexcept nogil
    cdef void _count(self, const Entry* e) noexcept nogil
    cdef int _cut_block(self) except -1 nogil
    cdef int _end_segment(self) except -1 nogil
    cdef int _store_blocks(self) except -1 nogil
    cdef int _train(self) except -1
    cdef uint64_t _payload_bytes(self, Compressor compressor) except? 0 nogil
    cdef int _build_meta(self, Buffer* out) except -1 nogil
    cdef int _store(self, const char* at, size_t size, bint compressed, uint64_t* place) except -1 nogil
    cdef tuple _store_whole(self, const char* at, size_t size)
    cdef int _flush(self) except -1 nogil
    # def finish(self) -> TableProperties     # the file is fsynced and closed
    # def abandon(self)                       # closes and unlinks it
