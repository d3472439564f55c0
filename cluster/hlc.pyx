"""Hybrid logical clock: one number that orders writes and still tells the time.

    timestamp, 64 bit = milliseconds since 1970 (48) | logical counter (16)

`tick` gives a timestamp greater than all given out or seen before: the wall clock when that has
moved on, else the last one plus one (a busy millisecond overflows into the next, harmlessly). So a
wall clock that jumps back never makes a new write look old. `observe` takes in the timestamp of a
message; one that is further ahead than `drift_ms_max` is refused, so that a single bad clock cannot
drag all others into the future.

Source: Kulkarni, Demirbas et al., "Logical Physical Clocks", 2014, with the two counters folded
into one number. Time comes from outside (`now_ms`), so a simulation owns it.
"""


class ClockDrift(Exception):
    """A timestamp lies further in the future than the permitted drift. It was not taken in."""


cdef class Clock:
    def __init__(self, now_ms=0, last=0, drift_ms_max=500):
        self.now_ms, self.last, self.drift_ms_max = now_ms, last, drift_ms_max

    cdef uint64_t tick(self) noexcept:
        cdef uint64_t wall = self.now_ms << LOGICAL_BITS
        self.last = wall if wall > self.last else self.last + 1
        return self.last

    def stamp(self):
        """The next timestamp."""
        return self.tick()

    def observe(self, uint64_t seen):
        """Take in a timestamp made elsewhere; raises ClockDrift if it is too far ahead."""
        if seen > ((self.now_ms + self.drift_ms_max) << LOGICAL_BITS):
            raise ClockDrift(
                f"timestamp is {(seen >> LOGICAL_BITS) - self.now_ms} ms ahead of the local clock, "
                f"more than max-clock-drift {self.drift_ms_max} ms")
        if seen > self.last:
            self.last = seen

    def recover(self, uint64_t stored):
        """Never go back behind what is on disk, however wrong the clock was that wrote it."""
        if stored > self.last:
            self.last = stored


def wall_ms(timestamp):
    """The milliseconds in a timestamp."""
    return timestamp >> LOGICAL_BITS
