"""Tables for the tests of everything that reads them: written from a list of entries.

An entry is (key, kind, value, hlc, actor, deadline_ms, annotation), as TableCursor.entries() gives it.
"""

import os

from engine.cache import BlockCache
from engine.disk import Disk
from engine.options import Options
from engine.table import Table
from engine.table_writer import TableWriter

PUT, DELETE = 1, 2
TINY = Options(block_bytes=256, blocks_per_segment=4, table_bytes_max=4 << 10)


def put(key, value=b"", hlc=1, actor=0, deadline_ms=0, annotation=0):
    return key, PUT, value, hlc, actor, deadline_ms, annotation


def delete(key, hlc=1, actor=0):
    return key, DELETE, b"", hlc, actor, 0, 0


# Segments that are long enough for a dictionary to be trained on them.
LEARNING = Options(block_bytes=256, blocks_per_segment=64, table_bytes_max=64 << 10)


def write_table(directory, number, entries, options=TINY, cleared_sequence=0, dictionary_bytes=0):
    """The properties of the new table."""
    writer = TableWriter(Disk(), str(directory), number, options, dictionary_bytes=dictionary_bytes)
    writer.cleared_sequence = cleared_sequence
    for key, kind, value, hlc, actor, deadline_ms, annotation in entries:
        writer.append(key, value, hlc=hlc, actor=actor, deadline_ms=deadline_ms,
                      annotation=annotation, kind=kind)
    return writer.finish()


def make_table(directory, number, entries, options=TINY, cache=None, **rest):
    """Writes and opens it."""
    write_table(directory, number, entries, options, **rest)
    return Table.open(Disk(), str(directory), number, BlockCache(1 << 20) if cache is None else cache)


def many(count, step=1, hlc=1, value_bytes=40):
    """`count` entries whose values can be told apart; every fourth has a deadline."""
    return [
        put(b"key%06d" % (i * step), b"%06d" % i * (value_bytes // 6), hlc=hlc + i % 7, actor=i % 3,
            deadline_ms=1000 + i if i % 4 == 0 else 0, annotation=5 if i % 8 == 0 else 0)
        for i in range(count)
    ]


def forget_page_cache(path):
    """Afterwards a read of the file has to wait for the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    finally:
        os.close(descriptor)
