"""How long the turns of the event loop are busy: the base of what serves them (links.pyx, driver.pyx)."""


cdef class Turns:
    cdef int count_turn(self, uint64_t usec) except -1:
        cdef int bucket = 0
        self.turns += 1
        if usec > self.longest_turn_usec:
            self.longest_turn_usec = usec
        while usec and bucket < TURN_BUCKETS - 1:
            usec >>= 1
            bucket += 1
        self.turn_buckets[bucket] += 1
        return 0

    @property
    def turn_histogram(self):
        """Turns by the time they were busy: item i counts those below 2**i microseconds."""
        return [self.turn_buckets[i] for i in range(TURN_BUCKETS)]

    def reset_turns(self):
        self.turns = self.longest_turn_usec = 0
        for i in range(TURN_BUCKETS):
            self.turn_buckets[i] = 0
