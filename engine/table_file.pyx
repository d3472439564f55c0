"""Where a table's blocks come from, and what it takes to understand them.

A lookup, a cursor and a load each keep one of these, so that the file stays open as long as somebody
reads from it, whatever became of the table. A dictionary belongs to its table alone; what is compressed
with it says so (engine/block). It costs memory per open table, its bytes and about 30 KB that Zstandard
makes of them, which is why dictionaries are small and few tables need one (docs/decisions/0007).
"""

from engine.errors import DamagedFile


cdef class TableFile:
    """`number` is the table's: its blocks are cached under it."""

    def __init__(self, File file, number=0):
        self.file = file
        self.path = file.path
        self.number = number
        self.bytes = file.size if file.fd >= 0 else 0

    cdef int use_dictionary(self, bytes raw, uint64_t offset) except -1:
        """Blocks may be compressed with this dictionary, which was read at `offset`. DamagedFile."""
        try:
            self.dictionary = Dictionary(raw)
        except ValueError as error:
            raise DamagedFile(self.path, offset, f"it is no Zstandard dictionary: {error}") from None
        return 0
