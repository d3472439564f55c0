"""The ring: consistent hashing with virtual nodes.

Every member has `weight` x vnodes tokens on a circle of 2**64 points, every partition has one
point. A partition walks clockwise from its point and meets the members in an order of its own:

            b#1   a#0                      partition 7 walks  a, c, b
         c#2   \\_|__  b#0
           |  /      \\ |                  heavier members have more tokens,
        partition 7   >  a#1               so they are met early more often
           |  \\______/ |
         a#2    |      c#0                 a new member puts itself between the others
               c#1                         and leaves their order as it is

The order hangs on nothing but the names on the ring, so all nodes see the same one without talking.
It is a preference, not yet a placement: by tokens alone (64 vnodes, 256 partitions, 3 replicas) the
worst of 5 members is 14 % off its share, of 10 members 21 %, of 30 members 52 % (mean of 10 rings).
The claim (cluster/claim.py) walks this order and skips who has enough.

Token i of a member is MurmurHash3 (x64, 128 bit, its first half) of "dc/rack/name#i"; a member that
moves to another rack is a new one to the ring. A walk does not step from token to token: the first
token of each member at or after the point is found by bisection, and members are sorted by how far
that is. This costs the same however many tokens there are.

Source: Karger et al., "Consistent Hashing and Random Trees", 1997; Dynamo, section 4.2.
"""

from bisect import bisect_left

from mmh3 import hash64

POINTS = 2**64
VNODES_DEFAULT = 64
TOKENS_MAX = 4096
"""Per member, whatever its weight. Beyond it the order favours a heavy member a little less than it
should; its share does not suffer, since the claim sees to that."""


class Ring:
    """The tokens of `members` (cluster.placement.Member); who is who is told by the index there."""

    def __init__(self, members, vnodes=VNODES_DEFAULT):
        self.tokens = [tokens_of(member, vnodes) for member in members]

    def walk(self, point):
        """The indices of all members in the order in which they are met clockwise from `point`."""
        distances = []
        for index, tokens in enumerate(self.tokens):
            at = bisect_left(tokens, point)
            token = tokens[at] if at < len(tokens) else tokens[0]
            distances.append(((token - point) % POINTS, index))
        distances.sort()
        return [index for _, index in distances]


def tokens_of(member, vnodes=VNODES_DEFAULT):
    """The points of one member, ascending: `weight` x vnodes, at least 1, at most TOKENS_MAX."""
    count = int(min(max(member.weight * vnodes + 0.5, 1), TOKENS_MAX))
    stem = f"{member.dc}/{member.rack}/{member.name}#"
    return sorted(point_of(f"{stem}{i}") for i in range(count))


def partition_point(partition):
    """Where a partition starts its walk."""
    return point_of(f"partition#{partition}")


def point_of(text):
    return hash64(text, 0, True, signed=False)[0]
