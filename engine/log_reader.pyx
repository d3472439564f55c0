"""Reads one segment of the commit log, frame by frame, and judges what it cannot read.

    reader = LogReader(file, expected_sequence)
    for frame in reader: replay(frame)      # whole, checked frames, in order
    reader.end, reader.problem              # where the good frames end, and why

Frames end in one of these ways:

    nothing behind, or only zeros       clean
    a frame that is not whole, or whose checksum is wrong:
        no whole frame follows it       torn: the process or the machine died while it was written
        whole frames follow it, one     a power failure wrote later sectors and not this one: they were
          of its sectors is all zeros,  never promised to be there, because ...
          and none of those that        ... a frame says up to where the log was synced when it
          follow was made after this    was made
          place was synced
        anything else                   damage to what was there: DamagedFile

Torn tails are cut off by recovery and reported; damage stops the start, because going on would
silently lose acknowledged writes. Recovery also looks at the segments behind this one, with
`synced_claim`: a later segment that was written after this place was synced proves damage too.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from engine.crc32c cimport crc32c
from engine.log_format cimport (
    FRAME_BYTES_MAX, FRAME_HEADER_BYTES, LOG_FORMAT, SEGMENT_HEADER_BYTES, load32, load64,
)
from libc.stdint cimport uint64_t

from engine.errors import DamagedFile, UnknownFormat
from engine.log_writer import MAGIC

cdef uint64_t WINDOW = 1 << 20
# What a disk writes whole or not at all; kernels write pages, which are several of them.
cdef uint64_t SECTOR = 512
# A later frame is looked for byte by byte; nobody ever gets to a sequence beyond this.
cdef uint64_t SEQUENCE_MAX = <uint64_t>1 << 56


class Frame:
    """`records` are the bytes behind the frame's header; `offset` is the frame's place."""

    __slots__ = ("offset", "records", "sequence", "synced")

    def __init__(self, offset, sequence, synced, records):
        self.offset = offset
        self.sequence = sequence
        self.synced = synced
        self.records = records


cdef class LogReader:
    """`empty` is set when even the header is not whole: such a segment holds nothing."""

    cdef object file
    cdef readonly str path
    cdef readonly uint64_t number, start_position
    cdef readonly uint64_t size            # of the file
    cdef readonly uint64_t end             # of the last good frame
    cdef readonly uint64_t claim           # greatest `synced` of the good frames
    cdef readonly bint empty
    cdef readonly object problem           # None, or why the bytes behind `end` are no frame
    cdef bytes window
    cdef uint64_t window_at

    def __init__(self, file):
        self.file = file
        self.path = file.path
        self.size = file.size
        self.window = b""
        header = file.read(SEGMENT_HEADER_BYTES, 0)
        self.empty = len(header) < SEGMENT_HEADER_BYTES or not any(header)
        if self.empty:
            self.problem = "its header was never written" if self.size else None
            return
        if header[:8] != MAGIC:
            raise DamagedFile(self.path, 0, "no log segment begins like this")
        version = int.from_bytes(header[8:12], "little")
        if version > LOG_FORMAT:  # first: a newer format may have another checksum
            raise UnknownFormat(self.path, 8, version, LOG_FORMAT)
        body = header[16:]
        if load32(PyBytes_AS_STRING(header) + 12) != crc32c(PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body)):
            raise DamagedFile(self.path, 12, "wrong checksum of the segment header")
        if version == 0:
            raise DamagedFile(self.path, 8, "there is no log format 0")
        self.number = int.from_bytes(body[:8], "little")
        self.start_position = int.from_bytes(body[8:], "little")
        self.end = SEGMENT_HEADER_BYTES

    def assume_start(self, position):
        """Says where in the log a segment starts whose own header was never written."""
        if self.empty:
            self.start_position = position

    def __iter__(self):
        """The good frames. Afterwards `problem` is set unless the end is clean."""
        while not self.empty:
            frame = self.next_frame()
            if frame is None:
                return
            self.claim = max(self.claim, frame.synced)
            yield frame

    def next_frame(self):
        cdef bytes header = self.take(self.end, FRAME_HEADER_BYTES)
        cdef const char* at
        cdef uint64_t length
        cdef bytes body
        if len(header) < FRAME_HEADER_BYTES:
            self.problem = "a frame's header is cut short" if any(header) else None
            return None
        at = PyBytes_AS_STRING(header)
        length = load32(at + 4)
        if not any(header):
            self.problem = self.zeros_or_not()
            return None
        if length > FRAME_BYTES_MAX or self.end + FRAME_HEADER_BYTES + length > self.size:
            self.problem = "a frame ends behind the end of the file"
            return None
        body = self.take(self.end + 4, FRAME_HEADER_BYTES - 4 + length)
        if crc32c(PyBytes_AS_STRING(body), PyBytes_GET_SIZE(body)) != load32(at):
            self.problem = "wrong checksum of a frame"
            return None
        frame = Frame(self.end, load64(at + 8), load64(at + 16), body[FRAME_HEADER_BYTES - 4:])
        self.end += FRAME_HEADER_BYTES + length
        return frame

    cdef bytes take(self, uint64_t offset, uint64_t count):
        """`count` bytes of the file, fewer at its end, through a window of 1 MiB."""
        cdef uint64_t skip
        cdef uint64_t window_end = self.window_at + <uint64_t>PyBytes_GET_SIZE(self.window)
        if offset < self.window_at or offset + count > window_end:
            self.window = self.file.read(max(count, WINDOW), offset)
            self.window_at = offset
        skip = offset - self.window_at
        return self.window[skip:skip + count]

    def zeros_or_not(self):
        offset = self.end
        while offset < self.size:
            piece = self.take(offset, WINDOW)
            if piece.count(0) != len(piece):
                return "zeros where a frame should be, and more behind them"
            offset += len(piece)
        return None

    def judge_tail(self):
        """The position up to which this log itself proves that the torn place had been synced, or 0
        when the tail may be cut. Raises DamagedFile when whole frames follow that nothing explains."""
        later = self.later_frames()
        claim = max((frame.synced for frame in later), default=0)
        if claim > self.position:
            raise DamagedFile(self.path, self.end, f"{self.problem}, in a part that had been synced")
        if later and not self.lost_sector(later[0].offset):
            raise DamagedFile(
                self.path, self.end, f"{self.problem}, and whole frames follow at {later[0].offset}"
            )

    @property
    def position(self):
        """Of the end of the good frames, in the whole log."""
        return self.start_position + self.end

    def later_frames(self):
        """Whole frames behind the bad place, the first of them found by trying every byte."""
        cdef bytes rest = self.file.read(self.size - self.end, self.end)
        cdef const char* at = PyBytes_AS_STRING(rest)
        cdef uint64_t size = PyBytes_GET_SIZE(rest)
        cdef uint64_t i = 1, length, sequence, least = 0
        found = []
        while i + FRAME_HEADER_BYTES <= size:
            length = load32(at + i + 4)
            sequence = load64(at + i + 8)
            if (
                length <= size - i - FRAME_HEADER_BYTES
                and 0 < sequence < SEQUENCE_MAX and sequence >= least
                and load64(at + i + 16) <= self.start_position + self.size
                and crc32c(at + i + 4, FRAME_HEADER_BYTES - 4 + length) == load32(at + i)
            ):
                found.append(Frame(self.end + i, sequence, load64(at + i + 16), b""))
                least = sequence
                i += FRAME_HEADER_BYTES + length
            else:
                i += 1
        return found

    def lost_sector(self, before):
        """Whether a sector of zeros lies between the bad place and `before`: what one that never
        reached the disk looks like."""
        place = self.end
        while place < before:
            stop = min((place // SECTOR + 1) * SECTOR, before)
            piece = self.file.read(stop - place, place)
            if stop % SECTOR == 0 and not any(piece):
                return True
            place = stop
        return False
