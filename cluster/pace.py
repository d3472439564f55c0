"""How fast a node works at what nobody waits for, beside what clients ask: hints and repair.

Foreground requests are counted, not timed. A background record costs the cluster about as much as a
request does, on any machine, so a share of the requests is a share of the throughput. What a clock
says depends on who else uses the processor; a queue that is empty says little where clients wait for
each answer before they ask again.

    records a second = FULL x (1 - load / BUSY)^2       what an idle node can do, less and less of it
                     + SHARE x load                     beside clients, at any load
                     + LEAST                            so that it ends

`load` is the number of requests a second that this node coordinates; a record is up to RECORD_BYTES of
key and value.

Left out: how much faster a node is than the one that FULL and BUSY were measured on.
"""

FULL, LEAST = 30_000.0, 100.0
BUSY = 12_000.0
SHARE = 0.04
RECORD_BYTES = 256
BURST_S = 0.1
LEARN_MS = 1000.0              # over which the load is averaged


class Pace:
    """`refill` now and then; `spend` says how many milliseconds to wait. The first call sets the clock."""

    def __init__(self):
        self.load = self.rate = 0.0
        self.tokens = 0.0
        self.at_ms = None
        self.requests = 0

    def refill(self, now_ms, requests):
        """`requests`: how many there were since the start."""
        if self.at_ms is None:
            self.at_ms, self.requests = now_ms, requests
            self.rate = FULL
        passed_ms = now_ms - self.at_ms
        if passed_ms <= 0:
            return
        recent = (requests - self.requests) * 1000 / passed_ms
        self.load += (recent - self.load) * min(1.0, passed_ms / LEARN_MS)
        self.at_ms, self.requests = now_ms, requests
        self.rate = FULL * max(0.0, 1 - self.load / BUSY) ** 2 + SHARE * self.load + LEAST
        self.tokens = min(self.tokens + self.rate * passed_ms / 1000, self.rate * BURST_S)

    def spend(self, records):
        """Milliseconds until these are paid for; 0: now."""
        self.tokens -= records
        return 0.0 if self.tokens >= 0 or not self.rate else -self.tokens * 1000 / self.rate


def records_in(size):
    """How many records so many bytes count for."""
    return size / RECORD_BYTES
