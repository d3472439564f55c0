"""The table file as a whole: what stands where, and the properties and footer at its end.

    table      := segment* [dictionary] top properties footer
    segment    := data block*  meta            see engine/block_writer, engine/segment_meta
    dictionary := of Zstandard, see docs/decisions/0007: what the data blocks were compressed with
    top        := an index of the segments: last key -> the segment's meta
    properties := count:u16 number:u64 * count  least_key_bytes:u32 least_key
                  greatest_key_bytes:u32 greatest_key
    footer     := top_offset:u64 top_length:u32 properties_offset:u64 properties_length:u32
                  format_version:u32 crc:u32 magic:u8[8]

Blocks, metas, dictionary, top and properties are stored blocks (engine/block). The footer's crc is the CRC32C
of the 28 bytes before it. The properties' numbers are the fields of TableProperties in order: a
later version may append some, and a reader skips those that it does not know. A table with a dictionary
is of format 2 and has two numbers more, which say where it is; any other is of format 1, so that an older
program can read it.

A table without entries is not written, so every table has a least and a greatest key.
"""

import struct
from dataclasses import dataclass, fields

import google_crc32c

from engine.errors import DamagedFile, UnknownFormat

FORMAT_VERSION = 2
MAGIC = b"respkvT\n"
FOOTER = struct.Struct("<QIQI I")
DICTIONARY_BYTES_MAX = 1 << 21           # as stored
FOOTER_BYTES = FOOTER.size + 4 + len(MAGIC)


@dataclass(slots=True, kw_only=True)
class TableProperties:
    """What is known of a table without reading it. Dots are (hlc, actor)."""

    entries: int = 0
    tombstones: int = 0
    expiring: int = 0
    """Entries that have a deadline."""
    raw_bytes: int = 0
    """Keys and values, uncompressed."""
    blocks: int = 0
    segments: int = 0
    least_hlc: int = 0
    least_actor: int = 0
    greatest_hlc: int = 0
    greatest_actor: int = 0
    greatest_annotation: int = 0
    least_deadline_ms: int = 0
    greatest_deadline_ms: int = 0
    cleared_sequence: int = 0
    """Every range delete whose sequence is at most this has been applied to the entries."""
    least_key: bytes = b""
    greatest_key: bytes = b""
    dictionary_offset: int = 0
    dictionary_length: int = 0
    """0 when there is none."""
    # Not stored, but known to whoever wrote or opened the file.
    number: int = 0
    file_bytes: int = 0

    @property
    def least_dot(self):
        return self.least_hlc, self.least_actor

    @property
    def greatest_dot(self):
        return self.greatest_hlc, self.greatest_actor

    @property
    def perishable(self):
        """Whether every entry is a tombstone or has a deadline."""
        return self.entries == self.tombstones + self.expiring


DICTIONARY_PLACE = ("dictionary_offset", "dictionary_length")
NUMBERS = tuple(
    field.name
    for field in fields(TableProperties)
    if field.name not in ("least_key", "greatest_key", *DICTIONARY_PLACE, "number", "file_bytes")
)


def encode_properties(properties):
    names = NUMBERS + (DICTIONARY_PLACE if properties.dictionary_length else ())
    numbers = [getattr(properties, name) for name in names]
    least, greatest = properties.least_key, properties.greatest_key
    return b"".join((
        struct.pack(f"<H{len(numbers)}Q", len(numbers), *numbers),
        struct.pack("<I", len(least)), least,
        struct.pack("<I", len(greatest)), greatest,
    ))


def decode_properties(raw, file_bytes):
    """ValueError says what is wrong."""
    try:
        (count,) = struct.unpack_from("<H", raw)
        numbers = struct.unpack_from(f"<{count}Q", raw, 2)
        at = 2 + 8 * count
        keys = []
        for _ in range(2):
            (length,) = struct.unpack_from("<I", raw, at)
            keys.append(raw[at + 4 : at + 4 + length])
            at += 4 + length
    except struct.error:
        raise ValueError("the properties end too early") from None
    if at != len(raw) or count < len(NUMBERS) or keys[0] > keys[1]:
        raise ValueError("the properties are inconsistent")
    properties = TableProperties(
        **dict(zip(NUMBERS + DICTIONARY_PLACE, numbers, strict=False)),
        least_key=keys[0], greatest_key=keys[1],
    )
    end = properties.dictionary_offset + properties.dictionary_length
    if end > file_bytes or properties.dictionary_length > DICTIONARY_BYTES_MAX:
        raise ValueError("the properties have a dictionary outside the file")
    return properties


def encode_footer(top_offset, top_length, properties_offset, properties_length, version):
    head = FOOTER.pack(top_offset, top_length, properties_offset, properties_length, version)
    return head + struct.pack("<I", google_crc32c.value(head)) + MAGIC


def decode_footer(raw, path, file_bytes):
    """(top_offset, top_length, properties_offset, properties_length, format version), all within the
    file."""
    at = file_bytes - FOOTER_BYTES
    if len(raw) != FOOTER_BYTES or not raw.endswith(MAGIC):
        raise DamagedFile(path, max(at, 0), "it does not end like a table")
    head = raw[: FOOTER.size]
    if struct.unpack_from("<I", raw, FOOTER.size)[0] != google_crc32c.value(head):
        raise DamagedFile(path, at, "the checksum of the footer is wrong")
    *places, version = FOOTER.unpack(head)
    if version > FORMAT_VERSION:
        raise UnknownFormat(path, at + 24, version, FORMAT_VERSION)
    if version == 0:
        raise DamagedFile(path, at + 24, "there is no table format 0")
    for offset, length in (places[:2], places[2:]):
        if offset > at or length > at - offset:
            raise DamagedFile(path, at, "the footer points outside the file")
    return *places, version
