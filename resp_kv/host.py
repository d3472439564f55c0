"""The outside world as the commands see it: nothing here does anything.

The shell hands the node a subclass that owns processes, clocks, threads and files; tests without
sockets use this one. A token is what a started piece of work answers with: it has `done` (bool)
and `error` (None or the text of what went wrong).
"""


class Token:
    """Work that was started. `done` is set last."""

    __slots__ = ("done", "error")

    def __init__(self, done=False, error=None):
        self.done, self.error = done, error


class Host:
    last_save_ms = 0              # when everything was last known to be in tables

    def shutdown(self, save, now, force, abort):
        """Stop the server (save None: as configured). `abort`: True if a stop was called off."""
        return False

    def flush(self):
        """Start moving what is in memory to tables. False when that is under way already."""
        return True

    @property
    def saving(self):
        """Whether a save or a flush is under way."""
        return False

    def save(self):
        """Start a flush and then a checkpoint, or join the one under way; a Token."""
        return Token(done=True)

    def sync(self):
        """Start an fsync of the log as it is now; a Token."""
        return Token(done=True)

    def key_counts(self):
        """{physical database: (keys, with a deadline, sum of ms to live)}; may be a little old.

        None: not known yet. Never waits.
        """
        return None

    def engine_stats(self):
        """Name -> number or text, as INFO's section Engine shows them."""
        return {}

    def loop_stats(self):
        """Name -> number or text, as INFO's section Loop shows them."""
        return {}

    def rss_bytes(self):
        return 0

    def cpu_times(self):
        """(system, user, children's system, children's user) seconds."""
        return (0.0, 0.0, 0.0, 0.0)

    def refuse_client(self, sock, address):
        """Why a new client must not come in, or None."""
        return None

    def describe_client(self, client, sock, address):
        """Set up a new client's socket, and the addresses that CLIENT LIST shows."""

    def output_too_large(self, client):
        """Whether its unsent replies are over client-output-buffer-limit."""
        return False

    def close_client(self, client):
        """Close another client's connection now."""

    def wake_paused(self):
        """CLIENT PAUSE has ended or changed: run what was held back."""

    def database_map_changed(self, numbers):
        """SWAPDB: physical numbers of the logical databases, to be kept with the data."""
