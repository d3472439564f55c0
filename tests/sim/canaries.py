"""Bugs made on purpose, at a node's edge, to see that the simulator catches them.

    forgetful    a replica answers APPLIED without storing, one time in ten
    lenient      a coordinator takes SUPERSEDED for an acknowledgement
    hasty        replicas acknowledge before the sync (appendfsync always)
    lazy         a read at QUORUM asks one replica only
    impatient    tombstones are purged after a time, not by proof
    squeamish    anti-entropy takes no tombstones
    amnesiac     a restart forgets the hints that a node kept
    boastful     a keeper of hints acknowledges without keeping them
    deaf         a keeper of hints is asked for one, and knows of none
    credulous    the failure detector sees no silence
    generous     with strict quorums hints count all the same
    rewriting    EXPIRE and PERSIST write the value that they saw once more
    stubborn     of two annotations of a dot a replica keeps the earlier one
"""

from cluster.parcels import packed, unpacked
from cluster.wire import frame_of, split_frame, split_versions

SUPERSEDED, NOTHING = 1, 3
HINTED = 128
TOMBSTONE = 5                  # of a record in a parcel
GRACE_MS = 4000
STATUS_AT = 16 + 55            # in a frame: the last byte of its header


class Honest:
    """No bug."""

    def __init__(self, world):
        self.world, self.random = world, world.stream("canary")

    def tampers(self, node, member, link, frame):
        return False

    def waits(self, node, position):
        return node.engine.synced_position < position

    def read_level(self, operation, code):
        return code

    def garbage(self, node):
        return node.garbage()

    def keyspace(self, keyspace):
        return keyspace

    def started(self, node):
        """The node has just been made."""


class Forgetful(Honest):
    def tampers(self, node, member, link, frame):
        if frame[8:9] != b"W" or self.random.random() > 0.1:
            return False
        _, _, header, _, _ = split_frame(frame)
        if header["flags"] & 2:
            return False
        node.answer_frame(link, frame_of("A", request=header["request"], hlc=header["hlc"],
                                         sent_hlc=node.clock.last))
        return True


class Lenient(Honest):
    def tampers(self, node, member, link, frame):
        if frame[8:9] != b"A" or frame[STATUS_AT] != SUPERSEDED:
            return False
        node.coordinator.receive_bytes(member, link,
                                       frame[:STATUS_AT] + b"\0" + frame[STATUS_AT + 1:])
        return True


class Hasty(Honest):
    def waits(self, node, position):
        return False


class Lazy(Honest):
    def read_level(self, operation, code):
        return 1 if operation.level == "QUORUM" else code


class Impatient(Honest):
    def garbage(self, node):
        past_ms = node.clock.now_ms - GRACE_MS
        return past_ms, past_ms << 16


class Squeamish(Honest):
    def started(self, node):
        absorb = node.repairer.absorb
        node.repairer.absorb = lambda part, parcel, *rest: absorb(
            part, packed([record for record in unpacked(parcel) if not record[TOMBSTONE]]), *rest)


class Amnesiac(Honest):
    def started(self, node):
        node.hints.counting = None
        for tally in node.hints.tallies:
            tally.count = tally.bytes = tally.oldest_hlc = 0


class Boastful(Honest):
    def tampers(self, node, member, link, frame):
        if frame[8:9] != b"K":
            return False
        _, _, header, _, _ = split_frame(frame)
        node.answer_frame(link, frame_of("A", request=header["request"], hlc=header["hlc"],
                                         level=header["level"] + 1, sent_hlc=node.clock.last))
        return True


class Deaf(Honest):
    def tampers(self, node, member, link, frame):
        if frame[8:9] != b"R":
            return False
        _, _, header, _, _ = split_frame(frame)
        if not header["flags"] & HINTED:
            return False
        node.answer_frame(link, frame_of("V", request=header["request"], status=NOTHING,
                                         level=header["level"], sent_hlc=node.clock.last))
        return True


class Credulous(Honest):
    def started(self, node):
        node.gossip.membership.detector.check = lambda now, expected_ms: None


class Generous(Honest):
    def started(self, node):
        node.coordinator.sloppy = True


class Rewriting(Honest):
    def keyspace(self, keyspace):
        keyspace.annotate = lambda key, record, deadline_ms: keyspace.put(key, record.value, deadline_ms)
        return keyspace


class Stubborn(Honest):
    def tampers(self, node, member, link, frame):
        if frame[8:9] != b"T":
            return False
        _, _, header, _, body = split_frame(frame)
        (stored, hlc, actor, _, annotation, *_), = split_versions(body)
        there = node.record(stored)
        if not annotation or there is None or (there.hlc, there.actor) != (hlc, actor) or (
                not 0 < there.annotation < annotation):
            return False
        node.answer_frame(link, frame_of("A", request=header["request"], hlc=header["hlc"],
                                         sent_hlc=node.clock.last))
        return True


CANARIES = {"": Honest, "forgetful": Forgetful, "lenient": Lenient, "hasty": Hasty, "lazy": Lazy,
            "impatient": Impatient, "squeamish": Squeamish, "amnesiac": Amnesiac, "boastful": Boastful,
            "deaf": Deaf, "generous": Generous, "credulous": Credulous, "rewriting": Rewriting,
            "stubborn": Stubborn}


def named(name, world):
    return CANARIES[name](world)
