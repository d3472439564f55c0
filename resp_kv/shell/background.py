"""Work that must not run on the loop: cold reads, fsync, flush, compaction.

Each kind has its own small pool of threads, so that a long compaction holds up neither a read nor
an fsync. The threads spend their time without the GIL (files, decompression, merging); what comes
back is installed on the loop in microseconds.

    read        blocks and countings that clients wait for         -> driver.disk_done
    sync        one fsync at a time; a second request waits         -> driver.synced
    step        flushes first, then compactions, as the engine offers them
"""

import asyncio
import logging
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial

log = logging.getLogger("resp_kv.background")

RETRY_S = 1.0


class Background:
    """Attach with `driver = ...` before use. `garbage()` says what a compaction may leave out:
    records expired at a time, and tombstones, both only below an hlc."""

    def __init__(self, loop, engine, clock, node, *, reader_threads, step_threads):
        self.loop, self.engine, self.clock, self.node = loop, engine, clock, node
        self.driver = None
        self.garbage = self.all_is_seen
        self.readers = ThreadPoolExecutor(reader_threads, "reader")
        self.syncer = ThreadPoolExecutor(1, "sync")
        self.steppers = ThreadPoolExecutor(step_threads, "step")
        self.step_threads = step_threads
        self.steps_running = 0
        self.sync_running = self.sync_wanted = False
        self.stopping = False
        self.held = 0
        self.step_error, self.retry_at = None, 0.0
        self.running_steps = set()

    # -- cold reads ---------------------------------------------------------------------------

    def read(self, work, waiters):
        """Run `work`, then let the waiting connections go on."""
        future = self.readers.submit(work.run)
        future.add_done_callback(
            lambda _: self.loop.call_soon_threadsafe(self.driver.disk_done, work, waiters))

    # -- fsync --------------------------------------------------------------------------------

    def sync_soon(self):
        """Make everything committed so far durable; requests during an fsync share the next one."""
        if self.sync_running:
            self.sync_wanted = True
            return
        try:
            sync = self.engine.take_sync()
        except Exception as error:
            self.driver.sync_failed(str(error))
            return
        if sync is None:
            self.driver.synced()
            return
        self.sync_running, self.sync_wanted = True, False
        began = self.loop.time()
        future = self.syncer.submit(sync.run)
        future.add_done_callback(
            lambda _: self.loop.call_soon_threadsafe(self.sync_done, sync, began))

    def sync_done(self, sync, began):
        self.sync_running = False
        self.engine.finish_sync(sync)
        self.node.latency.note("fsync", int((self.loop.time() - began) * 1000))
        if sync.error is not None:
            log.error("fsync of the log failed: %s; writes are refused from now on", sync.error)
            self.driver.sync_failed(str(sync.error))
            return
        self.driver.synced()
        if self.sync_wanted:
            self.sync_soon()

    # -- flush and compaction -----------------------------------------------------------------

    def step_soon(self):
        """Start the engine's next steps if it has any and a thread is free."""
        if self.step_error is not None and self.loop.time() < self.retry_at:
            return
        while not self.stopping and not self.held and self.steps_running < self.step_threads:
            step = self.engine.take_step(*self.garbage())
            if step is None:
                return
            if step.kind == "compaction":
                step.pause = self.pause
            self.steps_running += 1
            self.running_steps.add(step)
            future = self.steppers.submit(step.run)
            future.add_done_callback(partial(self.step_ran, step, self.loop.time()))

    def all_is_seen(self):
        """(ms, hlc) of a node that is on its own: nobody else can have what a tombstone hides."""
        return self.clock.now_ms, self.clock.last + 1

    def step_ran(self, step, began, done):
        """On the step's thread."""
        self.loop.call_soon_threadsafe(self.step_done, step, done, began)

    def step_done(self, step, done, began):
        self.steps_running -= 1
        self.running_steps.discard(step)
        error = self.engine.finish(step) or done.exception()
        if error is not None:
            self.step_failed(step, error)
            return
        self.step_error = None
        self.node.latency.note(step.kind, int((self.loop.time() - began) * 1000))
        self.steppers.submit(self.clean_up, step)
        self.driver.resume_room_waiters()
        self.step_soon()

    def pause(self, merged_bytes):
        """Between two portions of a compaction, on its thread: keep to compaction-rate-limit."""
        rate = self.node.config.get("compaction-rate-limit")
        until_s = time.monotonic() + (merged_bytes / rate if rate else 0)
        while not self.stopping and time.monotonic() < until_s:
            time.sleep(min(0.1, max(0, until_s - time.monotonic())))

    def clean_up(self, step):
        try:
            step.cleanup()
        except OSError as error:
            log.warning("cannot remove old files: %s (they go at the next start)", error)

    def step_failed(self, step, error):
        """Most often a full disk: everything stays as it was, and the step is offered again."""
        if self.stopping:
            return
        if str(error) != self.step_error:
            log.error("%s failed: %s; trying again every %g s", step.kind, error, RETRY_S)
        self.step_error = str(error)
        self.retry_at = self.loop.time() + RETRY_S
        self.loop.call_later(RETRY_S, self.step_soon)
        self.driver.resume_room_waiters()

    @asynccontextmanager
    async def no_steps(self):
        """While this is held no step runs, so no table comes or goes."""
        self.held += 1
        try:
            while self.steps_running:
                await asyncio.sleep(0.005)
            yield
        finally:
            self.held -= 1
            self.step_soon()

    # -- the end ------------------------------------------------------------------------------

    async def stop(self):
        """Let running steps come to an early end, and wait for them and for the reads."""
        self.stopping = True
        for step in list(self.running_steps):
            step.abort()
        while self.steps_running or self.sync_running:
            await asyncio.sleep(0.01)
        for pool in (self.readers, self.syncer, self.steppers):
            await self.loop.run_in_executor(None, pool.shutdown)
