"""Appends frames to one segment of the commit log. The bytes are described in log_format.pxd.

    ensure(n)   disk space for n more bytes is set aside, or DiskFull: nothing has happened yet
    add(e)      one more record in the pending frame, in memory
    commit()    one write(2) for the frame; no fsync

A full disk must not tear a frame, so space is allocated ahead in steps of `reserve_bytes`. Where the
file system cannot do that, a write may still fail half-way: the file is then cut back to its last whole
frame and the frame stays pending, so that memtable and log agree again as soon as a later commit
succeeds.
"""

import errno

from engine.buffer cimport discard, reserve
from engine.crc32c cimport crc32c
from engine.log_format cimport (
    FRAME_BYTES_MAX, FRAME_HEADER_BYTES, LOG_FORMAT, RECORD_BYTES_MAX, SEGMENT_HEADER_BYTES,
    store32, store64, write_record,
)
from libc.stdint cimport int32_t, uint8_t, uint32_t, uint64_t

from engine.errors import DiskFull, Poisoned, WriteRefused
from engine.file_names import segment_name

MAGIC = b"RESPKVLG"
NO_SPACE = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def segment_header(number, start_position):
    cdef bytes body = number.to_bytes(8, "little") + start_position.to_bytes(8, "little")
    checksum = <object>crc32c(<const char*>body, len(body))
    return MAGIC + LOG_FORMAT.to_bytes(4, "little") + checksum.to_bytes(4, "little") + body


cdef class LogWriter:
    """Creates segment `number`. Its name is durable once the folder was synced (Sync does it)."""

    def __init__(self, disk, str directory, uint64_t number, uint64_t start_position,
                 uint64_t reserve_bytes):
        self.number = number
        self.start_position = start_position
        self.reserve_bytes = reserve_bytes
        path = f"{directory}/{segment_name(number)}"
        self.file = disk.create(path)
        try:
            self.file.reserve(0, max(SEGMENT_HEADER_BYTES, reserve_bytes))
            self.file.append(segment_header(number, start_position))
        except OSError:
            self.file.close()
            disk.unlink(path)
            raise
        self.reserved = max(SEGMENT_HEADER_BYTES, reserve_bytes)
        self.written = SEGMENT_HEADER_BYTES
        reserve(&self.pending, FRAME_HEADER_BYTES)

    def __dealloc__(self):
        discard(&self.pending)

    cdef int ensure(self, uint64_t count) except -1:
        cdef uint64_t needed = self.written + self.pending.used + FRAME_HEADER_BYTES + count
        cdef uint64_t step
        if needed <= self.reserved:
            return 0
        step = max(self.reserve_bytes, needed - self.reserved)
        try:
            self.file.reserve(self.reserved, step)
        except OSError as error:
            if error.errno in NO_SPACE:
                raise DiskFull(f"the disk is full: no space for the log ({error})") from None
            raise WriteRefused(f"the log cannot be extended: {error}") from None
        self.reserved += step
        return 0

    cdef int add(self, const Entry* e, int32_t offset, uint8_t byte) except -1:
        """Copies `e` into the pending frame, or raises and leaves everything as it was."""
        cdef size_t most = RECORD_BYTES_MAX + e.key_bytes + <size_t>e.value_bytes
        self.ensure(most)
        if self.pending.used == 0:
            reserve(&self.pending, FRAME_HEADER_BYTES + most)
            self.pending.used = FRAME_HEADER_BYTES
        elif self.pending.used + most > FRAME_BYTES_MAX:
            raise WriteRefused(f"one commit holds at most {FRAME_BYTES_MAX} bytes")
        else:
            reserve(&self.pending, most)
        self.pending.used += write_record(self.pending.at + self.pending.used, e, offset, byte)
        return 0

    cdef int commit(self, uint64_t sequence, uint64_t synced) except -1:
        """Writes the pending frame (an empty one, if nothing is pending). DiskFull: it stays
        pending. Poisoned: the file is in an unknown state."""
        cdef char* frame
        if self.pending.used == 0:
            reserve(&self.pending, FRAME_HEADER_BYTES)
            self.pending.used = FRAME_HEADER_BYTES
        frame = self.pending.at
        store32(frame + 4, <uint32_t>(self.pending.used - FRAME_HEADER_BYTES))
        store64(frame + 8, sequence)
        store64(frame + 16, synced)
        store32(frame, crc32c(frame + 4, self.pending.used - 4))
        try:
            self.file.write(frame, self.pending.used)
        except OSError as error:
            self.take_back(error)
        self.written += self.pending.used
        self.pending.used = 0
        if self.pending.room > 1 << 20:
            discard(&self.pending)
        return 0

    def take_back(self, error):
        """A write failed, perhaps half-way. Always raises."""
        try:
            self.file.cut(self.written)
        except OSError as second:
            raise Poisoned(f"writing the log failed ({error}), cutting it back too ({second})") from None
        self.reserved = self.written
        if error.errno in NO_SPACE:
            raise DiskFull(f"the disk is full: the log cannot grow ({error})") from None
        raise Poisoned(f"writing the log failed: {error}") from None

    cdef bint dirty(self) noexcept:
        return self.pending.used != 0

    cdef uint64_t end_position(self) noexcept:
        return self.start_position + self.written

    def end(self):
        return self.end_position()

    def give_back_space(self):
        """Frees what was reserved and not used."""
        self.file.cut(self.written)
        self.reserved = self.written

    def close(self):
        self.file.close()
