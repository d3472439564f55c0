"""Samples of events that took long enough to be felt: LATENCY LATEST, HISTORY, GRAPH, DOCTOR.

An event is a name such as command, turn, fsync, flush, compaction. Only what reached
latency-monitor-threshold milliseconds is kept (0: nothing is), at most 160 samples an event; of the
samples of one second only the worst is kept.
"""

from collections import deque
from typing import NamedTuple

SAMPLES_MAX = 160
EVENTS_MAX = 64


class Sample(NamedTuple):
    time_s: int
    ms: int


class Event:
    def __init__(self):
        self.samples = deque(maxlen=SAMPLES_MAX)
        self.max_ms = 0

    def note(self, time_s, ms):
        self.max_ms = max(self.max_ms, ms)
        if self.samples and self.samples[-1].time_s == time_s:
            ms = max(ms, self.samples.pop().ms)
        self.samples.append(Sample(time_s, ms))


class LatencyMonitor:
    """`clock.now_ms` is the wall clock; `events` maps an event's name to its Event."""

    def __init__(self, config, clock):
        self.config, self.clock = config, clock
        self.events = {}

    @property
    def threshold_ms(self):
        return self.config.get("latency-monitor-threshold")

    def note(self, event, ms):
        threshold_ms = self.threshold_ms
        if threshold_ms == 0 or ms < threshold_ms:
            return
        if event not in self.events:
            if len(self.events) >= EVENTS_MAX:
                return
            self.events[event] = Event()
        self.events[event].note(self.clock.now_ms // 1000, int(ms))

    def reset(self, names=None):
        """Forget these events, or all; returns how many there were."""
        if names is None:
            names = list(self.events)
        return sum(self.events.pop(name, None) is not None for name in names)
