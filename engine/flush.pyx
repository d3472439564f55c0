"""Flush: a sealed memtable becomes a table of level 0, and its log segments become superfluous.

The range deletes of its time go into the manifest in the same edit, because the segments that hold them
go away. Entries that one of them hides are not written.
"""

from engine.memtable cimport Memtable, MemtableCursor
from engine.range_deletes cimport RangeDeletes
from engine.table_writer cimport TableWriter
from libc.stdint cimport uint64_t

from engine.file_names import table_name
from engine.step import Step, as_edit
from engine.table import Table

cdef uint64_t EVERYTHING = ~<uint64_t>0 - 1


class FlushStep(Step):
    """Made on the loop. `log` is the first segment that is needed afterwards, `position` where it
    starts; `sequence` the last write of the memtable; `range_deletes` those up to it. (A later one
    is only in the log, perhaps not yet fsynced: tables must not show its effect before it is durable.)"""

    kind = "flush"

    def __init__(self, environment, memtable, number, log, position, sequence, range_deletes,
                 greatest_hlc):
        super().__init__(environment)
        self.options = environment.options
        self.cache = environment.cache
        self.memtable = memtable
        self.number = number
        self.log = log
        self.position = position
        self.sequence = sequence
        self.range_deletes = range_deletes
        self.greatest_hlc = greatest_hlc
        self.table_bytes = 0

    def work(self):
        table = self.write_table()
        if table is not None:
            self.added = [(0, table)]
            self.table_bytes = table.properties.file_bytes
        self.commit({
            "log": self.log,
            "position": self.position,
            "sequence": self.sequence,
            "next": self.number + 1,
            "hlc": self.greatest_hlc,
            "ranges": [as_edit(item) for item in self.range_deletes],
        })

    def write_table(self):
        """The open Table, or None when nothing is left to write. OSError leaves no file behind."""
        writer = TableWriter(
            self.disk, self.directory, self.number, self.options, lowest=False)
        try:
            added = add_all(writer, self.memtable, self.range_deletes)
            if not added:
                writer.abandon()
                return None
            (<TableWriter>writer).cleared_sequence = self.sequence
            writer.finish()
            return Table.open(self.disk, self.directory, self.number, self.cache)
        except BaseException:
            writer.abandon()
            self.forget(table_name(self.number))
            raise

    def cleanup(self):
        super().cleanup()
        if self.error is None and self.memtable is not None:
            self.forget_segments(self.log)
            (<Memtable>self.memtable).retire()
            self.memtable = None


def add_all(TableWriter writer, Memtable memtable, RangeDeletes range_deletes):
    """Adds what the range deletes leave of the memtable; returns the number of entries."""
    cdef MemtableCursor cursor = memtable.cursor(EVERYTHING)
    cdef uint64_t added = 0
    with nogil:
        cursor.seek("", 0)
        while cursor.valid:
            if not range_deletes.covers(&cursor.entry):
                writer.add(&cursor.entry)
                added += 1
            cursor.advance()
    return added
