from engine.loads cimport Loads
from engine.memtable cimport Memtable
from engine.merge cimport MergeCursor
from engine.range_deletes cimport RangeDeletes
from libc.stdint cimport uint64_t

cdef MergeCursor merge_all(Memtable active, Memtable sealed, object version,
                           RangeDeletes range_deletes, uint64_t sequence, Loads loads,
                           object readahead_bytes, bint fills=*)
