"""Bugs made on purpose, at a node's edge, to see that the simulator catches them.

    forgetful    a replica answers APPLIED without storing, one time in ten
    lenient      a coordinator takes SUPERSEDED for an acknowledgement
    hasty        replicas acknowledge before the sync (appendfsync always)
    lazy         a read at QUORUM asks one replica only
"""

from cluster.wire import frame_of, split_frame

SUPERSEDED = 1
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


CANARIES = {"": Honest, "forgetful": Forgetful, "lenient": Lenient, "hasty": Hasty, "lazy": Lazy}


def named(name, world):
    return CANARIES[name](world)
