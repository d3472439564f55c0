from random import Random

import pytest

from cluster.document import found
from cluster.gossip import HEARTBEAT_MAX, ROWS_MAX, TELLINGS, Table
from cluster.gossip_format import (
    ANSWER,
    MESSAGE_BYTES_MAX,
    ROUND,
    SUSPECTS_MAX,
    BadGossip,
    Content,
    Header,
    Mark,
    Newcomer,
    decode_document,
    decode_founding,
    decode_header,
    decode_refusal,
    decode_round,
    encode_content,
    encode_document,
    encode_founding,
    encode_refusal,
    encode_round,
    kind_of,
)
from tests.cluster.gossip_rig import member_of, place_in_turn

DOCUMENT = found([member_of(number) for number in range(6)], 8, 3, place_in_turn)
NODE_IDS = [member.node_id for member in DOCUMENT.members]
HEADER = Header(b"12345678", 1, b"abcdefgh", 3, 1 << 60)
MARKS = [(0, 1, 70_000, 0), (5, 3, 20, 2), (3, 1, 1 << 30, 1)]
CONTENT = Content(Mark(4, 2, 9, 7), member_of(4, ip="fd00::1", hostname="fünf", weight=0.5), 1, 99,
                  ((1, 2, 3), (5, 4, 1 << 31)))


def table(me=0, marks_max=64, document=DOCUMENT, generation=1):
    return Table(document, me, document.members[me], generation, marks_max)


def exchange(one, other, random=Random(1)):  # noqa: B008
    """A meeting: what `merge` returned at the other and at the one."""
    ids = one.node_ids
    marks, contents = decode_round(one.opening(ROUND, HEADER, random), ids)
    there = other.merge(marks, contents)
    here = one.merge(*decode_round(other.answer(ANSWER, HEADER, marks), ids))
    return there, here


# Bytes

def test_round_trip_of_a_round():
    place = CONTENT.place._replace(node_id=NODE_IDS[4])
    content = CONTENT._replace(place=place)
    payload = encode_round(ROUND, HEADER, MARKS, [encode_content(content)])
    assert kind_of(payload) == ROUND
    assert decode_header(payload) == HEADER
    assert decode_round(payload, NODE_IDS) == (MARKS, [content])


def test_a_column_is_as_narrow_as_its_numbers():
    def size(marks):
        return len(encode_round(ROUND, HEADER, marks, []))
    one = size([(0, 1, 1_000_000, 0)])
    assert size([(0, 1, 1_000_000, 0), (1, 1, 1_000_000, 0)]) == one + 2         # members 0 and 1
    assert size([(0, 1, 1_000_000, 0), (1, 1, 1_000_255, 0)]) == one + 4
    assert size([(0, 1, 1_000_000, 0), (1, 1, 1_000_256, 0)]) == one + 6
    assert size([(0, 1, 0, 0), (1, 1, (1 << 32) - 1, 0)]) == one + 10


def test_round_trips_of_the_others():
    newcomer = Newcomer(b"plan....", b"view....", 7, member_of(2))
    assert decode_founding(encode_founding(b"F", newcomer)) == newcomer
    assert decode_document(encode_document(3, 9, DOCUMENT.json)) == (3, 9, DOCUMENT)
    assert decode_refusal(encode_refusal("no, ä")) == "no, ä"
    assert decode_refusal(encode_refusal("ä" * 600)) == "ä" * 500
    assert decode_refusal(encode_refusal("a" + "ä" * 600)) == "a" + "ä" * 499  # not half a letter


def decode(payload):
    kind = kind_of(payload)
    if kind in b"Gg":
        return decode_header(payload), decode_round(payload, NODE_IDS)
    return {b"F": decode_founding, b"f": decode_founding, b"D": decode_document,
            b"N": decode_refusal}[kind](payload)


SAMPLES = [
    encode_round(ROUND, HEADER, MARKS, [encode_content(CONTENT), encode_content(CONTENT)]),
    encode_founding(b"F", Newcomer(b"plan....", b"view....", 7, member_of(2))),
    encode_document(3, 9, DOCUMENT.json),
    encode_refusal("no"),
]


@pytest.mark.parametrize("sample", SAMPLES, ids=["round", "founding", "document", "refusal"])
def test_hostile_bytes_raise_the_documented_error_or_nothing(sample):
    random = Random(7)
    for end in range(0, len(sample), 1 + len(sample) // 300):
        if end < len(sample) and sample[:1] != b"N":
            with pytest.raises(BadGossip):
                decode(sample[:end])
    for _ in range(2000):
        damaged = bytearray(sample)
        for _ in range(random.randint(1, 4)):
            damaged[random.randrange(len(damaged))] = random.randrange(256)
        try:
            decode(bytes(damaged))
        except BadGossip:
            pass
    with pytest.raises(BadGossip):
        decode(sample + (b"\n" if sample[:1] == b"N" else b"x"))


@pytest.mark.parametrize("payload", [
    b"", b"G", b"X\1", b"G\2", b"G\1" + bytes(MESSAGE_BYTES_MAX),
    encode_round(ROUND, HEADER, [(6, 1, 1, 0)], []),                     # a member too many
    encode_round(ROUND, HEADER, [(1, 1, 1, 0), (1, 1, 2, 0)], []),       # one twice
    encode_round(ROUND, HEADER, [], [encode_content(CONTENT._replace(mark=Mark(6, 1, 1, 1)))]),
    encode_round(ROUND, HEADER, [], [encode_content(CONTENT._replace(suspects=((6, 1, 1),)))]),
    encode_round(ROUND, HEADER, [], [encode_content(CONTENT._replace(place=member_of(4, port=0)))]),
    b"N\1" + b"a" * 1001, b"N\1\xff", b"N\1\0", b"D\1" + bytes(6) + b"{}",
    encode_document(6, 9, DOCUMENT.json),
])
def test_what_is_no_gossip(payload):
    with pytest.raises(BadGossip):
        decode(payload)


def test_the_largest_message_fits_the_limit():
    text = "x" * 255
    place = member_of(4, ip=text, hostname=text, server=text, dc=text, rack=text)
    content = encode_content(CONTENT._replace(place=place, suspects=((1, 2, 3),) * (SUSPECTS_MAX + 5)))
    payload = encode_round(ROUND, HEADER, [(member, member, 1 << 31, 1 << 31) for member in range(1000)],
                           [content] * ROWS_MAX)
    assert len(payload) < MESSAGE_BYTES_MAX
    rows = decode_round(payload, [f"{number:040x}" for number in range(1000)])[1]
    assert len(rows[0].suspects) == SUSPECTS_MAX


# Rows

def test_a_meeting_levels_what_both_know():
    one, other = table(0), table(1)
    one.beat(5)
    other.beat(5)
    other.advance(4, 1, 77)
    there, here = exchange(one, other)
    assert there == ([0], [])
    assert sorted(here[0]) == [1, 4]
    assert one.rows[4].heartbeat == other.rows[4].heartbeat == 77
    assert exchange(one, other) == (([], []), ([], []))


def test_a_greater_generation_beats_a_greater_heartbeat():
    one = table()
    assert one.advance(3, 1, 500)
    assert not one.advance(3, 1, 500)
    assert one.advance(3, 2, 1)
    assert not one.advance(3, 1, 900)
    assert not one.advance(3, 2, HEARTBEAT_MAX + 1)
    assert (one.rows[3].generation, one.rows[3].heartbeat) == (2, 1)


def test_content_travels_when_it_is_new_and_is_pulled_by_whoever_missed_it():
    one, other, third = table(0), table(1), table(2)
    one.beat(5)
    quiet = len(one.opening(ROUND, HEADER, Random(1)))
    assert one.publish(one.rows[0].place, ((4, 1, 9),))
    assert not one.publish(one.rows[0].place, ((4, 1, 9),))
    for _ in range(TELLINGS):
        assert len(one.opening(ROUND, HEADER, Random(1))) > quiet + 40
    assert len(one.opening(ROUND, HEADER, Random(1))) == quiet + 6  # versions differ now
    # Nobody got these messages. The next meetings see it in the versions.
    exchange(other, one)
    assert other.rows[0].suspects == ((4, 1, 9),)
    assert exchange(other, third)[0][1] == [0]
    assert third.rows[0].suspects == ((4, 1, 9),)


def test_a_new_address_replaces_the_one_in_the_document():
    moved = DOCUMENT.members[0]._replace(ip="10.9.9.9")
    one, other = Table(DOCUMENT, 0, moved, 4, 64), table(1)
    one.beat(5)
    exchange(one, other)
    assert other.rows[0].place == moved
    assert other.moved == [0]
    assert other.rows[0].version == 1


def test_a_new_generation_begins_as_in_the_document():
    one = table(1)
    place = CONTENT.place._replace(node_id=NODE_IDS[4])
    one.merge([], [CONTENT._replace(place=place)])
    assert one.rows[4].place == place
    one.advance(4, 3, 1)
    assert one.rows[4].place == DOCUMENT.members[4]
    assert one.rows[4].suspects == ()
    assert not one.replace(CONTENT)  # of the generation before


def test_a_node_passes_a_heartbeat_of_its_own_that_it_does_not_know():
    one = table(0, generation=2)
    one.beat(0)
    assert one.merge([(0, 2, 50, 0)], []) == ([], [])
    one.beat(0)
    assert one.rows[0].heartbeat == 51
    one.merge([(0, 3, 1, 0)], [])
    assert one.rows[0].generation == 2
    assert one.newer_self == 3


def test_a_message_carries_no_more_marks_than_it_may_and_forgets_nobody():
    document = found([member_of(number) for number in range(200)], 8, 3, place_in_turn)
    one = table(0, marks_max=64, document=document)
    for member in range(1, 200):
        one.advance(member, 1, 5)
    random, mentioned = Random(3), {}
    for _ in range(40):
        marks, _ = decode_round(one.opening(ROUND, HEADER, random), one.node_ids)
        assert len(marks) == 64
        assert {mark[0] for mark in marks} >= set(range(168, 200))  # learnt last
        mentioned.update(dict.fromkeys(mark[0] for mark in marks))
    assert len(mentioned) == 200
    answer = decode_round(one.answer(ANSWER, HEADER, marks), one.node_ids)[0]
    assert len(answer) == 64
    assert not {mark[0] for mark in answer} & {mark[0] for mark in marks}


def test_more_news_than_fit_take_turns():
    document = found([member_of(number) for number in range(50)], 8, 3, place_in_turn)
    one = table(0, document=document)
    contents = []
    for member in range(1, 41):
        place = document.members[member]._replace(rack="other")
        contents.append(Content(Mark(member, 1, 1, 1), place, 1, 0, ()))
    one.merge([], contents)
    told = []
    for _ in range(40 * TELLINGS // ROWS_MAX):
        rows = decode_round(one.opening(ROUND, HEADER, Random(1)), one.node_ids)[1]
        assert len(rows) == ROWS_MAX
        told += [content.mark.member for content in rows]
    assert sorted(told) == sorted(list(range(1, 41)) * TELLINGS)
    assert one.news == {}


def test_a_new_document_keeps_what_is_known_of_the_members():
    one = table(1)
    one.beat(0)
    one.advance(4, 3, 30)
    one.rows[4].suspects = ((5, 1, 1), (2, 1, 2))
    fewer = found([member_of(number) for number in (1, 2, 4)], 8, 3, place_in_turn)
    newer = table(0, document=fewer)
    assert newer.inherit(one) == [-1, 0, 1, -1, 2, -1]
    assert (newer.rows[2].generation, newer.rows[2].heartbeat) == (3, 30)
    assert newer.rows[2].suspects == ((1, 1, 2),)
    assert newer.rows[0].heartbeat == 1
