"""Counters of a node, and rates made of them.

What every command touches is counted by the compiled path (traffic.pyx, cluster/keyspace.pyx) and
only shown here; what is rare is counted here. CONFIG RESETSTAT remembers the compiled counters as
they are instead of clearing them, because others (the rates, the expiry pacing) read them too.

A rate is the mean over a ring of samples, one a tick: 16 samples at 10 Hz look back 1.6 seconds.
"""

RATE_SAMPLES = 16


class Rate:
    """Growth per second of a counter that is sampled now and then."""

    def __init__(self):
        self.samples = [0.0] * RATE_SAMPLES
        self.at = 0
        self.value = self.time_ms = None

    def sample(self, value, now_ms):
        if self.time_ms is not None and now_ms > self.time_ms:
            self.samples[self.at] = (value - self.value) * 1000 / (now_ms - self.time_ms)
            self.at = (self.at + 1) % RATE_SAMPLES
        self.value, self.time_ms = value, now_ms

    @property
    def per_second(self):
        return sum(self.samples) / RATE_SAMPLES


def since_reset(source, field):
    """A counter of the compiled path, as it has grown since the last reset."""

    def read(self):
        return getattr(getattr(self, source), field) - self.start.get(field, 0)

    return property(read)


class Stats:
    """Attributes have the names that INFO shows. `errors`: error code -> count."""

    total_commands_processed = since_reset("traffic", "commands")
    total_net_input_bytes = since_reset("traffic", "bytes_in")
    total_net_output_bytes = since_reset("traffic", "bytes_out")
    total_error_replies = since_reset("traffic", "errors")
    keyspace_hits = since_reset("writer", "hits")
    keyspace_misses = since_reset("writer", "misses")
    expired_keys = since_reset("writer", "expired")

    COMPILED = (("traffic", ("commands", "bytes_in", "bytes_out", "errors")),
                ("writer", ("hits", "misses", "expired")))
    COUNTED_HERE = ("total_connections_received", "rejected_connections", "evicted_clients",
                    "total_reads_processed", "total_writes_processed", "unexpected_error_replies")

    def __init__(self, traffic, writer):
        self.traffic, self.writer = traffic, writer
        self.commands, self.bytes_in, self.bytes_out = Rate(), Rate(), Rate()
        self.start = {}
        self.errors = {}
        self.clear_counted_here()

    def clear_counted_here(self):
        for name in self.COUNTED_HERE:
            setattr(self, name, 0)
        self.errors.clear()

    def reset(self):
        """CONFIG RESETSTAT."""
        self.clear_counted_here()
        for source, fields in self.COMPILED:
            for field in fields:
                self.start[field] = getattr(getattr(self, source), field)

    def note_error(self, code):
        """Count an error reply by its code word; the list of codes has an end, as in Redis."""
        if code in self.errors or len(self.errors) < ERROR_CODES_MAX:
            self.errors[code] = self.errors.get(code, 0) + 1

    def tick(self, now_ms):
        """Take one sample for the rates; the driver calls it about ten times a second."""
        self.commands.sample(self.traffic.commands, now_ms)
        self.bytes_in.sample(self.traffic.bytes_in, now_ms)
        self.bytes_out.sample(self.traffic.bytes_out, now_ms)

    @property
    def instantaneous_ops_per_sec(self):
        return int(self.commands.per_second)

    @property
    def instantaneous_input_kbps(self):
        return self.bytes_in.per_second / 1024

    @property
    def instantaneous_output_kbps(self):
        return self.bytes_out.per_second / 1024


ERROR_CODES_MAX = 128
