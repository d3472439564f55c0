"""A disk that fails on demand and can lose power: for tests and simulations of the engine.

    disk = FaultyDisk()
    disk.fault = lambda operation, path, count: ...     raise OSError, or return how much to write
    disk.crash_copy(source, target, random)             what a power failure would have left

Operations that `fault` is asked about: write, sync, reserve, read, cut, create, rename, unlink,
sync_directory, link. For a write it may return a smaller count: a short write.

What a power failure leaves: of every file at least what was synced, and any part of what was
appended since; a file whose folder was not synced since its creation may be gone.
"""

import os
import shutil

from engine.disk cimport Disk, File
from libc.stdint cimport int64_t, uint64_t


cdef class FaultyFile(File):
    cdef FaultyDisk disk

    cdef int64_t write_some(self, const char* source, size_t count) except -1 nogil:
        with gil:
            allowed = self.disk.ask("write", self.path, count)
            if allowed is not None:
                count = min(count, <size_t>allowed)
        return File.write_some(self, source, count)

    cdef int sync_now(self) except -1 nogil:
        with gil:
            self.disk.ask("sync", self.path, 0)
            size = self.size
        File.sync_now(self)
        with gil:
            self.disk.synced[self.path] = size
        return 0

    cdef int reserve(self, uint64_t offset, uint64_t count) except -1 nogil:
        with gil:
            self.disk.ask("reserve", self.path, count)
        return File.reserve(self, offset, count)

    cdef int64_t read_into(self, char* out, size_t count, uint64_t offset) except -1 nogil:
        with gil:
            self.disk.ask("read", self.path, count)
        return File.read_into(self, out, count, offset)

    cdef int64_t read_nowait(self, char* out, size_t count, uint64_t offset) except -2 nogil:
        with gil:
            if self.disk.never_cached:
                return -1
            self.disk.ask("read", self.path, count)
        return File.read_nowait(self, out, count, offset)

    cdef int cut(self, uint64_t length) except -1 nogil:
        with gil:
            self.disk.ask("cut", self.path, length)
            self.disk.synced[self.path] = min(self.disk.synced.get(self.path, 0), length)
        return File.cut(self, length)


cdef class FaultyDisk(Disk):
    """The real disk beneath, with a rule between. `never_cached`: no read is answered at once."""

    cdef public object fault
    cdef public bint never_cached
    cdef readonly dict synced          # path -> bytes that are surely there
    cdef readonly set unsynced_names   # paths created since their folder was synced
    cdef readonly dict counts          # operation -> how often

    def __init__(self, fault=None):
        self.fault = fault
        self.synced = {}
        self.unsynced_names = set()
        self.counts = {}

    def ask(self, operation, path, count):
        self.counts[operation] = self.counts.get(operation, 0) + 1
        return self.fault(operation, path, count) if self.fault is not None else None

    cdef File make_file(self, str path, int fd):
        cdef FaultyFile file = FaultyFile.__new__(FaultyFile)
        file.path = path
        file.fd = fd
        file.disk = self
        return file

    def create(self, path):
        self.ask("create", path, 0)
        self.unsynced_names.add(path)
        self.synced[path] = 0
        return Disk.create(self, path)

    def rename(self, source, target):
        self.ask("rename", target, 0)
        Disk.rename(self, source, target)
        self.synced[target] = self.synced.pop(source, 0)
        self.unsynced_names.discard(source)

    def unlink(self, path):
        self.ask("unlink", path, 0)
        Disk.unlink(self, path)
        self.synced.pop(path, None)
        self.unsynced_names.discard(path)

    def link(self, source, target):
        self.ask("link", target, 0)
        Disk.link(self, source, target)
        self.synced[target] = self.synced.get(source, 0)

    def sync_directory(self, path):
        self.ask("sync_directory", path, 0)
        Disk.sync_directory(self, path)
        self.unsynced_names = {name for name in self.unsynced_names if os.path.dirname(name) != path}

    def crash_copy(self, source, target, random):
        """Copies the folder as a power failure would have left it; `random` decides what is lost."""
        os.makedirs(target)
        for name in os.listdir(source):
            path = f"{source}/{name}"
            if path in self.unsynced_names and random.random() < 0.5:
                continue
            shutil.copyfile(path, f"{target}/{name}")
            size = os.path.getsize(path)
            synced = min(self.synced.get(path, size), size)
            with open(f"{target}/{name}", "r+b") as copy:
                copy.truncate(random.randint(synced, size))
