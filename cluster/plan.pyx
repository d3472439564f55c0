"""Who holds a partition, as a coordinator needs it: members by number, positions as bits.

Made once per partition from the topology document; levels are turned into Needs once and kept.
"""

from cluster import levels


cdef class Plan:
    """replicas   members in the order of preference; the first that lives coordinates
    fallbacks  the other members, in the order in which they stand in for a replica that is down
    places     the data centre of each replica;  here: this node's data centre
    """

    def __init__(self, int partition, replicas, fallbacks, places, int me, str here):
        if len(replicas) > REPLICAS_MAX:
            raise ValueError(f"at most {REPLICAS_MAX} replicas, not {len(replicas)}")
        self.partition, self.count = partition, len(replicas)
        self.replicas, self.fallbacks, self.places = tuple(replicas), tuple(fallbacks), tuple(places)
        self.here, self.mine = here, -1
        for i, member in enumerate(replicas):
            self.members[i] = member
            if member == me:
                self.mine = i
        self.everywhere = (1 << self.count) - 1
        self.read_needs, self.write_needs = {}, {}

    cdef int position(self, int member) noexcept:
        """Of a member among the replicas, or -1."""
        cdef int i
        for i in range(self.count):
            if self.members[i] == member:
                return i
        return -1

    cdef Need need(self, int level, bint writing):
        """What a level asks of this partition. Raises levels.BadLevel."""
        if writing:
            if self.last_write_level == level:
                return self.last_write_need
        elif self.last_read_level == level:
            return self.last_read_need
        cdef dict needs = self.write_needs if writing else self.read_needs
        need = needs.get(level)
        if need is None:
            need = needs[level] = levels.need(level, self.places, self.here)
        if writing:
            self.last_write_level, self.last_write_need = level, need
        else:
            self.last_read_level, self.last_read_need = level, need
        return need

    def need_of(self, level, writing):
        return self.need(level, writing)
