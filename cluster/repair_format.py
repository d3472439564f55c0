"""What replicas ask each other when they compare a partition: the bodies of frames M and N.

    frame M (question)   request: token   level: step   timeout_ms: partition
                         status: REFILLING if the sender is being refilled
                         hlc: the sender's line   annotation: its verified watermark
    frame N (answer)     request, level and timeout_ms as in the question; status; hlc and annotation as
                         above, of whoever answers; deadline_ms: nothing from here on may be verified

    ROOT      root:u64                     EQUAL, or DIFFERENT and 4 bytes of each slot's sum
    LEAVES    slot:u16 *                   for each: a bit for each leaf that is not empty, then 4 bytes
                                           of the sum of each of those
    EXCHANGE  full:u8 ranges digests       DONE, wanted, parcel: records that the asker lacks, and the
                                             digests of those that it has and the other lacks
                                           HELD, the same: records are missing of whose keys the asker
                                             has a version. Push that, then ask in full
                                           ALL, the same: the other has nothing at all there
                                           STOPPED, stop key, parcel: not all of them; ask again from there
    PUSH      parcel                       DONE, parcel: stored, but for those that were deleted long ago
    MARK      verified:u64 line:u64        DONE: written down

    ranges := count:u16 (start:text end:text)*        text := length:u16 bytes
    REFUSED  with a sentence answers anything

Numbers are little-endian. Slots are numbered within the partition. Parcels: parcels.pyx.
"""

from struct import error as struct_error
from struct import pack, pack_into, unpack, unpack_from

QUESTION, ANSWER = "M", "N"
ROOT, LEAVES, EXCHANGE, PUSH, MARK, RESUME = range(1, 7)
DONE, REFUSED, EQUAL, DIFFERENT, ALL, STOPPED, REFILLING, HELD = 0, 2, 10, 11, 12, 13, 14, 15
ENDLESS = (1 << 64) - 1


class BadRepair(ValueError):
    """A body that is none of the above."""


def encode_numbers(numbers):
    return pack(f"<{len(numbers)}H", *numbers)


def decode_numbers(body):
    if len(body) % 2:
        raise BadRepair("half a number")
    return list(unpack(f"<{len(body) // 2}H", body))


def encode_root(root):
    return pack("<Q", root)


def decode_root(body):
    return decode("<Q", body)[0]


def encode_mark(verified_hlc, line_hlc):
    return pack("<QQ", verified_hlc, line_hlc)


def decode_mark(body):
    return decode("<QQ", body)


def decode(shape, body):
    try:
        return unpack(shape, body)
    except struct_error as error:
        raise BadRepair(str(error)) from None


def encode_exchange(full, ranges, digests):
    parts = [pack("<BH", full, len(ranges))]
    for start, end in ranges:
        parts += [encode_text(start), encode_text(end)]
    return b"".join([*parts, digests])


def decode_exchange(body):
    """(full, ranges, digests)."""
    try:
        full, count = unpack_from("<BH", body)
        at, ranges = 3, []
        for _ in range(count):
            start, at = decode_text(body, at)
            end, at = decode_text(body, at)
            ranges.append((start, end))
    except struct_error as error:
        raise BadRepair(str(error)) from None
    if (len(body) - at) % 8:
        raise BadRepair("half a digest")
    return bool(full), ranges, body[at:]


def encode_records(wanted, parcel):
    return pack("<I", len(wanted)) + wanted + parcel


def decode_records(body):
    """(wanted digests, parcel)."""
    try:
        length, = unpack_from("<I", body)
    except struct_error as error:
        raise BadRepair(str(error)) from None
    if length % 8 or 4 + length > len(body):
        raise BadRepair("wanted digests are cut short")
    return body[4:4 + length], body[4 + length:]


def encode_stopped(stop, parcel):
    return encode_text(stop) + parcel


def decode_stopped(body):
    """(stop key, parcel)."""
    try:
        stop, at = decode_text(body, 0)
    except struct_error as error:
        raise BadRepair(str(error)) from None
    return stop, body[at:]


def encode_text(text):
    framed = bytearray(2 + len(text))
    pack_into("<H", framed, 0, len(text))
    framed[2:] = text
    return bytes(framed)


def decode_text(body, at):
    length, = unpack_from("<H", body, at)
    if at + 2 + length > len(body):
        raise BadRepair("a text is cut short")
    return body[at + 2:at + 2 + length], at + 2 + length


def split_ranges(ranges, stop):
    """(those before `stop`, those from it on)."""
    before, after = [], []
    for start, end in ranges:
        if end <= stop:
            before.append((start, end))
        elif start >= stop:
            after.append((start, end))
        else:
            before.append((start, stop))
            after.append((stop, end))
    return before, after
