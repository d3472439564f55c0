"""Virtual time: a heap of what is still to happen. Nothing waits, so an hour takes as long as its events.

The cluster code is callbacks over an environment, so no coroutine and no asyncio is needed. Events of
one microsecond happen in the order in which they were asked for; the seed spreads them by itself.
"""

import heapq
import random

EPOCH_MS = 1_700_000_000_000    # the wall clock's reading at the beginning of a run


class Timer:
    __slots__ = ("callback", "args")

    def __init__(self, callback, args):
        self.callback, self.args = callback, args

    def cancel(self):
        self.callback = None


class Loop:
    """`now_us` is the virtual time since the beginning of the run."""

    def __init__(self):
        self.now_us = self.count = 0
        self.heap = []

    @property
    def now_ms(self):
        return self.now_us // 1000

    def call_later(self, delay_ms, callback, *args):
        timer = Timer(callback, args)
        self.count += 1
        heapq.heappush(self.heap, (self.now_us + max(1, int(delay_ms * 1000)), self.count, timer))
        return timer

    def run(self, until_ms, enough=None):
        """Until that time, or until `enough()`."""
        while self.heap and self.heap[0][0] <= until_ms * 1000:
            if enough is not None and enough():
                return
            self.now_us, _, timer = heapq.heappop(self.heap)
            if timer.callback is not None:
                timer.callback(*timer.args)
        if enough is None:
            self.now_us = max(self.now_us, int(until_ms * 1000))


def stream(seed, purpose):
    """Random numbers of one purpose: a change in one part leaves the draws of the others alone.

    Seeded by text, which Python hashes the same way in every process."""
    return random.Random(f"{seed}/{purpose}")
