"""How many keys each database has, for INFO: counted off the loop, now and then.

A plain write does not look whether its key is there, so nobody keeps a running count; to know it,
every key has to be passed. DBSIZE does that and is exact. INFO must never wait and is asked every
few seconds by whatever watches a server, so it gets a number that may be old: a count is started
when one is asked for and the last is older than 50 times what it took, which keeps it below 2 % of
one thread. Few enough entries are counted at once, so small databases are always shown exactly.
"""

import logging
from concurrent.futures import ThreadPoolExecutor

from engine.errors import EngineError

log = logging.getLogger("resp_kv.census")

DATABASE_OFFSET = 3             # where a stored key has its database number (cluster/slots.pyx)
COUNTED_AT_ONCE = 2_000         # entries that are counted on the loop
SLOTS = 16384
PORTION_ENTRIES = 500_000       # about half a second
REST = 50
REST_S_MIN = 1.0


class Census:
    """`loop` for the time and for coming back from the thread; `clock.now_ms` is the wall clock."""

    def __init__(self, engine, loop, clock):
        self.engine, self.loop, self.clock = engine, loop, clock
        self.pool = ThreadPoolExecutor(1, "census")
        self.found = None
        self.running = self.stopping = False
        self.due_s = 0.0

    def latest(self):
        """{physical database: (keys, with a deadline, sum of ms to live)}, exact or of late.

        None until the first count of a large store is done.
        """
        if self.entries() <= COUNTED_AT_ONCE:
            with self.engine.snapshot() as snapshot:
                return snapshot.census(DATABASE_OFFSET, b"", slot_start(SLOTS), self.clock.now_ms)
        if not self.running and not self.stopping and self.loop.time() >= self.due_s:
            self.start()
        return self.found

    def entries(self):
        """Versions in memory and in tables; what is being flushed counts as many."""
        stats = self.engine.stats()
        return stats["entries"] + stats["memtable_keys"] + (
            COUNTED_AT_ONCE + 1 if stats["sealed_bytes"] else 0)

    def start(self):
        self.running = True
        began_s, snapshot = self.loop.time(), self.engine.snapshot()
        portion_slots = max(1, SLOTS * PORTION_ENTRIES // self.entries())
        future = self.pool.submit(self.count, snapshot, self.clock.now_ms, portion_slots)
        future.add_done_callback(lambda done: self.loop.call_soon_threadsafe(
            self.finish, done, snapshot, began_s))

    def count(self, snapshot, now_ms, portion_slots):
        """In the thread: portion by portion, so that a stop is not held up."""
        total = {}
        for slot in range(0, SLOTS, portion_slots):
            if self.stopping:
                return None
            end = slot_start(min(slot + portion_slots, SLOTS))
            portion = snapshot.census(DATABASE_OFFSET, slot_start(slot), end, now_ms)
            for database, counts in portion.items():
                before = total.get(database, (0, 0, 0))
                total[database] = tuple(map(sum, zip(before, counts)))
        return total

    def finish(self, done, snapshot, began_s):
        snapshot.close()
        self.running = False
        took_s = self.loop.time() - began_s
        self.due_s = self.loop.time() + max(REST_S_MIN, REST * took_s)
        try:
            self.found = done.result() or self.found
        except (EngineError, OSError) as error:
            log.warning("cannot count the keys: %s", error)

    def stop(self):
        """Wait for a count under way to come to an early end."""
        self.stopping = True
        self.pool.shutdown()


def slot_start(slot):
    """The least stored key of a slot."""
    return slot.to_bytes(2, "big")
