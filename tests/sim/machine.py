"""A machine: a clock that is off, a disk that survives, and a node that does not.

    kill        the process is gone; what it gave to the operating system is kept
    power loss  what was not synced is lost: all of it, or any part of it (tests/engine/power_loss.py)
    wipe        the process and its disk are gone; whoever starts next is empty and knows it
    pause       the process does nothing for a while (SIGSTOP, a frozen virtual machine); its
                sockets go on receiving

A restart is a new generation, hence a new actor. The real engine runs on the simulated disk; the
bytes are kept in memory where the system has a folder for that.
"""

import os
import shutil

from engine.disk_faulty import FaultyDisk
from engine.engine import Engine
from engine.options import Options
from tests.engine.power_loss import VARIANTS, PowerLoss
from tests.sim.clock import EPOCH_MS
from tests.sim.node import Node

# As small as the engine permits, so that a history of some kilobytes meets flushes and compactions.
ENGINE = Options(
    memtable_bytes=64 << 10, block_cache_bytes=64 << 10, log_bytes_max=4 << 10, log_reserve_bytes=0,
    block_bytes=256, blocks_per_segment=2, compression_level=1, table_bytes_max=4 << 10,
    level0_tables_trigger=2, level_bytes_base=8 << 10, level_multiplier=2, level_count=4)


class Machine:
    """`forgotten`: [(from_us, to_us)] of writes that a power loss took, see history.Key.at_risk;
    `wiped_us`: when its disk was lost."""

    def __init__(self, world, number, folder, clock):
        self.world, self.number, self.folder = world, number, folder
        self.offset_ms, self.drift = clock
        self.random = world.stream(f"machine {number}")
        self.generation = 0
        self.root = f"{folder}/{number}.0"
        os.makedirs(self.root)
        self.node = self.disk = self.power = None
        self.paused = False
        self.powerless = False             # it went down without a word to its peers
        self.started_us = self.synced_us = 0      # all that was stored before is on the disk
        self.emptied = self.dead = False   # its disk is new; it does not come back before the end
        self.forgotten, self.wiped_us = [], []

    def __str__(self):
        return f"node {self.number}"

    @property
    def wall_ms(self):
        now_ms = self.world.loop.now_us / 1000
        shown_ms = EPOCH_MS + int(now_ms * (1 + self.drift) + self.offset_ms)
        return shown_ms - shown_ms % self.world.options.clock_step_ms

    @property
    def running(self):
        return self.node is not None and not self.paused

    def start(self):
        if self.node is not None or self.dead:
            return
        self.generation += 1
        self.disk = FaultyDisk()
        self.disk.instant, self.disk.journal = True, []
        self.disk.never_cached = self.world.options.cold_disks
        self.power = PowerLoss(self.disk.journal, self.root)
        for name in sorted(os.listdir(self.root)):
            with open(f"{self.root}/{name}", "rb") as file:
                self.power.begin_with(f"{self.root}/{name}", file.read())
        engine = Engine.open(self.root, ENGINE, self.wall_ms, self.disk)
        self.started_us = self.synced_us = self.world.loop.now_us
        self.powerless = False
        self.node = Node(self.world, self, engine)
        self.emptied = False
        self.world.trace.note(str(self), f"start generation {self.generation}")
        self.world.network.started(self.number)

    def crash(self, powerless):
        """Down. The disk keeps what the kind of crash leaves."""
        if self.node is None:
            return
        now_us = self.world.loop.now_us
        variant = self.random.choice(VARIANTS) if powerless else "everything"
        self.world.trace.note(str(self), f"{'power loss' if powerless else 'kill'}: {variant}")
        if powerless and not self.world.options.always:
            self.forgotten.append((self.synced_us, now_us))
        node, self.node = self.node, None
        node.stop()
        self.paused, self.powerless = False, powerless
        self.power.advance(len(self.disk.journal))
        root = f"{self.folder}/{self.number}.{self.generation}"
        os.makedirs(root)
        self.power.leave(root, variant, self.random)
        shutil.rmtree(self.root)
        self.root = root
        self.world.network.stopped(self.number)
        self.world.clients_lose(node)

    def wipe(self):
        """Down, and the disk with it: it will come back as a node that has nothing."""
        if self.node is None:
            return
        self.crash(False)
        shutil.rmtree(self.root)
        os.makedirs(self.root)
        self.emptied = True
        self.wiped_us.append(self.world.loop.now_us)
        self.world.trace.note(str(self), "the disk is wiped")

    def pause(self, duration_ms):
        if self.running:
            self.paused = True
            self.world.trace.note(str(self), f"pause {duration_ms}")
            self.world.loop.call_later(duration_ms, self.resume, self.generation)

    def resume(self, generation):
        if self.paused and self.generation == generation:
            self.paused = False
            self.world.trace.note(str(self), "resume")
            self.node.wake()
