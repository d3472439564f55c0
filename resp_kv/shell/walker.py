"""Walks through the store (cluster/store.pyx) in threads of their own.

Two threads: one for gentle walks, which rest most of the time since nobody waits for them, and one for
those that somebody waits for, so that these never wait for the others. Most of a walk is without the GIL.
"""

import logging
import time
from concurrent.futures import ThreadPoolExecutor

log = logging.getLogger("resp_kv.walker")

REST = 4                   # a gentle walk sleeps so many times as long as it works
REST_S_MAX = 0.5


class Walker:
    """`driver` ends the turn in which a walk's result is taken."""

    def __init__(self, driver, loop):
        self.driver, self.loop = driver, loop
        self.pools = {gentle: ThreadPoolExecutor(1, "walk") for gentle in (False, True)}
        self.under_way = []
        self.stopping = False

    def start(self, work, walk, done):
        """Run the work, then call `done(walk)` on the loop, as a turn."""
        if self.stopping:
            work.close()
            return
        self.under_way.append(walk)
        if walk.gentle:
            work.pause = Rest(self).pause
        future = self.pools[bool(walk.gentle)].submit(work.run)
        future.add_done_callback(
            lambda _: self.loop.call_soon_threadsafe(self.finish, work, walk, done))

    def finish(self, work, walk, done):
        self.under_way.remove(walk)
        work.close()
        if self.stopping:
            return
        if walk.error is not None:
            log.warning("a scan failed: %s", walk.error)
        self.driver.begin_outside()
        done(walk)
        self.driver.finish_outside()

    def stop(self):
        """Have walks under way come to an early end."""
        self.stopping = True
        for walk in self.under_way:
            walk.aborted = True
        for pool in self.pools.values():
            pool.shutdown()


class Rest:
    """Sleeps between the portions of one walk."""

    def __init__(self, walker):
        self.walker, self.since_s = walker, None

    def pause(self, _):
        now_s = time.monotonic()
        worked_s = 0 if self.since_s is None else now_s - self.since_s
        if not self.walker.stopping:
            time.sleep(min(REST_S_MAX, REST * worked_s))
        self.since_s = time.monotonic()
