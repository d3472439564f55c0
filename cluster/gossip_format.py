"""What gossip messages look like as bytes.

    message  = kind (one letter)  format (1)  body                            at most MESSAGE_BYTES_MAX
    G  round    tag 8 | epoch | digest 8 | sender u16 | max hlc u64 | marks | k u16, row*k
    g  answer   the same; it asks for nothing back
    F  founding plan 8 | view 8 | node id 20 | generation u32 | place            f: its answer
    D  document member u16 | generation u32 | the document as JSON
    N  refusal  a sentence in UTF-8

    marks    = n u16, if n: four columns (members, generations, heartbeats, versions)
    column   = least u32 | width u8 (0, 1, 2 or 4) | width*n bytes: how much each number exceeds it
    row      = member u16 | generation u32 | heartbeat u32 | version u32 | place | epoch u32
               | max hlc u64 | n u16, (member u16 | generation u32 | heartbeat u32)*n
    place    = port u16 | bus port u16 | weight f64 | ip, host name, server, dc, rack (length u8, UTF-8)

Numbers are little-endian; tag is the beginning of the cluster id. A mark says how fresh a row is and how
new its content: 3 to 8 bytes, since like numbers stand side by side in a column, instead of about
120: the row itself travels only to whom it is news.

Every decoder looks at the whole message before it returns: BadGossip, or a value in which each member
exists and each text is text. So a hostile or damaged message changes nothing.
"""

import struct
from typing import NamedTuple

from cluster.document import DOCUMENT_BYTES_MAX, DocumentError, Member, check_member, from_json

FORMAT = 1
ROUND, ANSWER, FOUNDING, FOUNDING_ANSWER, DOCUMENT, REFUSAL = b"G", b"g", b"F", b"f", b"D", b"N"
MESSAGE_BYTES_MAX = 1 << 16          # of every kind but D
SENTENCE_BYTES_MAX = 1000
SUSPECTS_MAX = 64                    # that one row names

HEADER = struct.Struct("<8sI8sHQ")
MARK = struct.Struct("<HIII")
SUSPECT = struct.Struct("<HII")
PLACE = struct.Struct("<HHd")
ROW = struct.Struct("<IQ")
NEWCOMER = struct.Struct("<8s8s20sI")
COLUMN = struct.Struct("<IB")
LETTERS = {1: "B", 2: "H", 4: "I"}
U16 = struct.Struct("<H")
TAKEN_FOR = struct.Struct("<HI")


class BadGossip(ValueError):
    """Bytes that are no gossip message of this version. Nothing was taken from them."""


class Header(NamedTuple):
    tag: bytes        # first eight bytes of the cluster id
    epoch: int        # of the sender's document
    digest: bytes
    sender: int
    max_hlc: int      # greatest timestamp that the sender has given out or seen


class Mark(NamedTuple):
    """How new somebody's knowledge of a member is: the heartbeat, and the version of the content."""

    member: int
    generation: int
    heartbeat: int
    version: int


class Content(NamedTuple):
    """A row as it travels. `suspects` are (member, generation, heartbeat) triples."""

    mark: Mark
    place: Member
    epoch: int
    max_hlc: int
    suspects: tuple


class Newcomer(NamedTuple):
    """What a node says while it belongs to no cluster (see cluster.founding)."""

    plan: bytes
    view: bytes
    generation: int
    place: Member


class Reader:
    """Takes a message apart from left to right."""

    def __init__(self, payload, at):
        self.payload, self.at = payload, at

    def take(self, layout):
        try:
            fields = layout.unpack_from(self.payload, self.at)
        except struct.error:
            raise BadGossip("a gossip message ends too early") from None
        self.at += layout.size
        return fields

    def take_many(self, layout, count):
        end = self.at + layout.size * count
        if end > len(self.payload):
            raise BadGossip("a gossip message ends too early")
        part = self.payload[self.at:end]
        self.at = end
        return layout.iter_unpack(part)

    def column(self, count):
        least, width = self.take(COLUMN)
        if width == 0:
            return (least,) * count
        if width not in LETTERS:
            raise BadGossip(f"a column of width {width} in a gossip message")
        numbers = self.take(struct.Struct(f"<{count}{LETTERS[width]}"))
        if least + max(numbers) >= 1 << 32:
            raise BadGossip("a number in a gossip message is too large")
        return [least + number for number in numbers]

    def text(self):
        if self.at >= len(self.payload):
            raise BadGossip("a gossip message ends too early")
        end = self.at + 1 + self.payload[self.at]
        part = self.payload[self.at + 1:end]
        if end > len(self.payload):
            raise BadGossip("a gossip message ends too early")
        self.at = end
        try:
            return part.decode()
        except UnicodeDecodeError:
            raise BadGossip("a text in a gossip message is not UTF-8") from None

    def place(self, node_id):
        port, bus_port, weight = self.take(PLACE)
        member = Member(node_id, self.text(), port, bus_port, self.text(), self.text(), self.text(),
                        self.text(), weight)
        try:
            check_member(member)
        except DocumentError as error:
            raise BadGossip(f"a gossip message names no possible member: {error}") from None
        return member

    def end(self):
        if self.at != len(self.payload):
            raise BadGossip("a gossip message goes on after its end")


def kind_of(payload):
    """The message's letter; raises BadGossip if it is none of this version."""
    kind = payload[:1]
    if kind not in (ROUND, ANSWER, FOUNDING, FOUNDING_ANSWER, DOCUMENT, REFUSAL) or len(payload) < 2:
        raise BadGossip(f"{bytes(payload[:2])!r} begins no gossip message")
    if payload[1] != FORMAT:
        raise BadGossip(f"a gossip message of format {payload[1]}; this version of resp-kv knows {FORMAT}")
    if len(payload) > (DOCUMENT_BYTES_MAX + 8 if kind == DOCUMENT else MESSAGE_BYTES_MAX):
        raise BadGossip(f"a gossip message of {len(payload)} bytes")
    return kind


def encode_place(place):
    parts = [PLACE.pack(place.port, place.bus_port, place.weight)]
    for text in (place.ip, place.hostname, place.server, place.dc, place.rack):
        encoded = text.encode()
        parts += bytes((len(encoded),)), encoded
    return b"".join(parts)


def encode_content(content):
    suspects = content.suspects[:SUSPECTS_MAX]
    return b"".join((
        MARK.pack(*content.mark), encode_place(content.place), ROW.pack(content.epoch, content.max_hlc),
        U16.pack(len(suspects)), *(SUSPECT.pack(*suspect) for suspect in suspects)))


def encode_column(numbers):
    least = min(numbers)
    range_ = max(numbers) - least
    if not range_:
        return COLUMN.pack(least, 0)
    width = 1 if range_ < 1 << 8 else 2 if range_ < 1 << 16 else 4
    return COLUMN.pack(least, width) + struct.pack(
        f"<{len(numbers)}{LETTERS[width]}", *[number - least for number in numbers])


def encode_round(kind, header, marks, rows):
    """`marks` are (member, generation, heartbeat, version), `rows` encoded contents."""
    columns = [encode_column(column) for column in zip(*marks)]
    return b"".join((kind, bytes((FORMAT,)), HEADER.pack(*header), U16.pack(len(marks)), *columns,
                     U16.pack(len(rows)), *rows))


def decode_header(payload):
    """Enough to tell whether the sender has the same document."""
    return Header(*Reader(payload, 2).take(HEADER))


def decode_round(payload, node_ids):
    """([(member, generation, heartbeat, version)], [Content]) of a message between members of one
    document, whose node ids are given."""
    members = len(node_ids)
    reader = Reader(payload, 2 + HEADER.size)
    marks = decode_marks(reader, members)
    rows = [decode_content(reader, node_ids) for _ in range(*reader.take(U16))]
    reader.end()
    return marks, rows


def decode_marks(reader, members):
    count, = reader.take(U16)
    if not count:
        return []
    columns = [reader.column(count) for _ in range(4)]
    if max(columns[0]) >= members or len(dict.fromkeys(columns[0])) < count:
        raise BadGossip(f"a gossip message has marks of members that are not among the {members}")
    return list(zip(*columns))


def decode_content(reader, node_ids):
    mark = Mark(*reader.take(MARK))
    if mark.member >= len(node_ids):
        raise BadGossip(f"a gossip message speaks of member {mark.member} of {len(node_ids)}")
    place = reader.place(node_ids[mark.member])
    epoch, max_hlc = reader.take(ROW)
    count, = reader.take(U16)
    suspects = tuple(reader.take_many(SUSPECT, count))
    if count > SUSPECTS_MAX or any(suspect[0] >= len(node_ids) for suspect in suspects):
        raise BadGossip("a gossip message suspects members that do not exist")
    return Content(mark, place, epoch, max_hlc, suspects)


def encode_founding(kind, newcomer):
    fixed = NEWCOMER.pack(newcomer.plan, newcomer.view, bytes.fromhex(newcomer.place.node_id),
                          newcomer.generation)
    return kind + bytes((FORMAT,)) + fixed + encode_place(newcomer.place)


def decode_founding(payload):
    reader = Reader(payload, 2)
    plan, view, node_id, generation = reader.take(NEWCOMER)
    place = reader.place(node_id.hex())
    reader.end()
    return Newcomer(plan, view, generation, place)


def encode_document(member, generation, text):
    return b"".join((DOCUMENT, bytes((FORMAT,)), TAKEN_FOR.pack(member, generation), text))


def decode_document(payload):
    """(the member that the sender takes the receiver for, its last known generation, the document)."""
    reader = Reader(payload, 2)
    member, generation = reader.take(TAKEN_FOR)
    try:
        document = from_json(payload[reader.at:])
    except DocumentError as error:
        raise BadGossip(str(error)) from None
    if member >= len(document.members):
        raise BadGossip(f"a topology document for member {member} of {len(document.members)}")
    return member, generation, document


def encode_refusal(sentence):
    part = sentence.encode()[:SENTENCE_BYTES_MAX]
    return REFUSAL + bytes((FORMAT,)) + part.decode(errors="ignore").encode()


def decode_refusal(payload):
    try:
        sentence = payload[2:].decode()
    except UnicodeDecodeError:
        raise BadGossip("a refusal that is not UTF-8") from None
    if len(payload) > SENTENCE_BYTES_MAX + 2 or not sentence.isprintable():
        raise BadGossip("a refusal that is no sentence")
    return sentence
