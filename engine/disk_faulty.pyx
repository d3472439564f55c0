"""A disk that fails on demand and can lose power: for tests and simulations of the engine.

    disk = FaultyDisk()
    disk.fault = lambda operation, path, count: ...     raise OSError, or return how much to write
    disk.crash_copy(source, target, random)             what a power failure would have left
    disk.journal = []                                   from here on, every change is noted there

Operations that `fault` is asked about: open, write, sync, reserve, read, cut, create, rename,
unlink, sync_directory, link. For a write or a read it may return a smaller count: a short one.

The journal holds tuples (operation, path, detail) of what was done, in order; the detail is the bytes
of a write, the length of a cut, the source of a rename or a link. With `instant` a sync costs no
time: the journal has it, the real disk never hears of it. tests/engine/power_loss.py builds from a
journal what a power failure at any place of it may leave.

What a power failure leaves: of every file at least what was synced, and any part of what was
appended since; a file whose folder was not synced since its creation may be gone.
"""

import os
import shutil

from engine.disk cimport Disk, File
from libc.stdint cimport int64_t, uint64_t

cdef extern from "Python.h" nogil:
    int PyGILState_Check()


cdef class FaultyFile(File):
    cdef FaultyDisk disk

    cdef int64_t write_some(self, const char* source, size_t count) except -1 nogil:
        cdef bint held = PyGILState_Check()
        with gil:
            self.disk.count_held(held, "write", self.path)
            allowed = self.disk.ask("write", self.path, count)
            if allowed is not None:
                count = min(count, <size_t>allowed)
        cdef int64_t done = File.write_some(self, source, count)
        with gil:
            self.disk.note("write", self.path, source[:done])
        return done

    cdef int sync_now(self) except -1 nogil:
        with gil:
            self.disk.ask("sync", self.path, 0)
            size = self.size
        if not self.disk.instant:
            File.sync_now(self)
        with gil:
            self.disk.synced[self.path] = size
            self.disk.note("sync", self.path, None)
        return 0

    cdef int reserve(self, uint64_t offset, uint64_t count) except -1 nogil:
        with gil:
            self.disk.ask("reserve", self.path, count)
            self.disk.note("reserve", self.path, count)
        return File.reserve(self, offset, count)

    cdef int64_t read_into(self, char* out, size_t count, uint64_t offset) except -1 nogil:
        cdef bint held = PyGILState_Check()
        with gil:
            self.disk.count_held(held, "read", self.path)
            allowed = self.disk.ask("read", self.path, count)
            if allowed is not None:
                count = min(count, <size_t>allowed)
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
            self.disk.note("cut", self.path, length)
        return File.cut(self, length)


cdef class FaultyDisk(Disk):
    """The real disk beneath, with a rule between. `never_cached`: no read is answered at once."""

    cdef public object fault
    cdef public bint never_cached, instant
    cdef public list journal           # None: nothing is noted
    cdef readonly dict synced          # path -> bytes that are surely there
    cdef readonly set unsynced_names   # paths created since their folder was synced
    cdef readonly dict counts          # operation -> how often
    cdef readonly dict held            # (operation, ending of the name) -> how often with the GIL held

    def __init__(self, fault=None):
        self.fault = fault
        self.synced = {}
        self.unsynced_names = set()
        self.counts = {}
        self.held = {}

    def count_held(self, held, operation, path):
        """Who waits for a disk with the GIL in hand stops every other thread."""
        if held:
            key = operation, os.path.splitext(path)[1]
            self.held[key] = self.held.get(key, 0) + 1

    def ask(self, operation, path, count):
        self.counts[operation] = self.counts.get(operation, 0) + 1
        return self.fault(operation, path, count) if self.fault is not None else None

    def note(self, operation, path, detail):
        if self.journal is not None:
            self.journal.append((operation, path, detail))

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
        file = Disk.create(self, path)
        self.note("create", path, None)
        return file

    def open(self, path):
        self.ask("open", path, 0)
        return Disk.open(self, path)

    def open_to_append(self, path):
        self.ask("open", path, 0)
        return Disk.open_to_append(self, path)

    def make_directory(self, path):
        if not os.path.isdir(path):
            self.note("make_directory", path, None)
        Disk.make_directory(self, path)

    def rename(self, source, target):
        self.ask("rename", target, 0)
        Disk.rename(self, source, target)
        self.note("rename", target, source)
        self.synced[target] = self.synced.pop(source, 0)
        self.unsynced_names.discard(source)

    def unlink(self, path):
        self.ask("unlink", path, 0)
        Disk.unlink(self, path)
        self.note("unlink", path, None)
        self.synced.pop(path, None)
        self.unsynced_names.discard(path)

    def link(self, source, target):
        self.ask("link", target, 0)
        Disk.link(self, source, target)
        self.note("link", target, source)
        self.synced[target] = self.synced.get(source, 0)

    def sync_directory(self, path):
        self.ask("sync_directory", path, 0)
        if not self.instant:
            Disk.sync_directory(self, path)
        self.note("sync_directory", path, None)
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
