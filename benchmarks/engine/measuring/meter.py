"""Time, memory and disk space of this process and its children's files.

CPU time is that of the whole process: threads of the store count, wherever they run. What the
measuring thread itself spends on making keys is measured apart and left out.
"""

import os
import re
import time
from contextlib import contextmanager
from pathlib import Path


class Meter:
    """Adds up the spans in which a store works; between them keys are made."""

    def __init__(self):
        self.wall_s = self.left_out_s = 0.0
        self.process_s = time.process_time()
        clear_peak()

    @contextmanager
    def making(self):
        """What the measuring thread does in here is not the store's."""
        begin = time.thread_time()
        yield
        self.left_out_s += time.thread_time() - begin

    @contextmanager
    def working(self):
        begin = time.perf_counter()
        yield
        self.wall_s += time.perf_counter() - begin

    def cpu_s(self):
        return time.process_time() - self.process_s - self.left_out_s


def wait_until_quiet(quiet_s=0.4):
    """Returns when this process has hardly used the CPU for a while: its background work is done."""
    calm_since, before = time.monotonic(), time.process_time()
    while time.monotonic() - calm_since < quiet_s:
        time.sleep(0.05)
        now = time.process_time()
        if now - before > 0.002:
            calm_since = time.monotonic()
        before = now


def clear_peak():
    """Peak memory is counted from here on, where the kernel lets us."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        pass


def memory_bytes(field="VmRSS"):
    """VmRSS is what the process holds now, VmHWM the most since clear_peak()."""
    found = re.search(rf"{field}:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found[1]) << 10


def directory_bytes(path):
    """Lengths of all files; space reserved behind a file's end is not counted."""
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.stat(f"{folder}/{name}").st_size
            except FileNotFoundError:
                pass
    return total


def evict(path):
    """Asks the kernel to forget the pages of all files below `path`."""
    for folder, _, names in os.walk(path):
        for name in names:
            file = os.open(f"{folder}/{name}", os.O_RDONLY)
            try:
                os.fsync(file)
                os.posix_fadvise(file, 0, 0, os.POSIX_FADV_DONTNEED)
            finally:
                os.close(file)
