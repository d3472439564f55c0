"""Counting replies, apart from the sending of messages.

The replicas of a key stand in an order; a set of them is a number with one bit each. A level asks
for so many answers out of certain groups: QUORUM of three is "2 of {0, 1, 2}", EACH_QUORUM with two
data centres is "2 of {0, 1, 2} and 2 of {3, 4, 5}". So a Need is a list of (group, count), and all
questions that a coordinator has are two:

    met(answered)                    may the client be told?
    possible(answered, outstanding)  can it still come true if everybody else answers?

levels.py makes Needs from the names of levels. tests/cluster/test_quorum.py holds this against a
slow twin that counts with sets.
"""


cdef class Need:
    """`groups`: (mask, count) pairs, one at least. Raises ValueError for what can never be met."""

    def __init__(self, groups, bint hint_counts=False):
        groups = list(groups)
        if not 1 <= len(groups) <= GROUPS_MAX:
            raise ValueError(f"a level counts 1 to {GROUPS_MAX} groups, not {len(groups)}")
        self.groups, self.hint_counts = len(groups), hint_counts
        for i, (mask, count) in enumerate(groups):
            if not 0 <= count <= bits(mask):
                raise ValueError(f"{count} of {bits(mask)} replicas cannot answer")
            self.masks[i], self.counts[i] = mask, count

    cdef bint met(self, uint32_t answered) noexcept:
        cdef int i
        for i in range(self.groups):
            if bits(answered & self.masks[i]) < self.counts[i]:
                return False
        return True

    cdef bint possible(self, uint32_t answered, uint32_t outstanding) noexcept:
        return self.met(answered | outstanding)

    def is_met(self, uint32_t answered):
        return self.met(answered)

    def is_possible(self, uint32_t answered, uint32_t outstanding):
        return self.possible(answered, outstanding)

    @property
    def total(self):
        """How many answers it takes in all."""
        return sum([self.counts[i] for i in range(self.groups)])

    def counted(self, uint32_t answered):
        """How many of `answered` count towards it."""
        return sum([min(bits(answered & self.masks[i]), self.counts[i])
                    for i in range(self.groups)])

    def pairs(self):
        return [(self.masks[i], self.counts[i]) for i in range(self.groups)]
