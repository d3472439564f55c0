"""What can go wrong in the world, as seen from the engine.

    EngineError
    +-- DamagedFile        bytes on disk are not what was written: file, offset, reason
    +-- UnknownFormat      a file of a newer (or foreign) format version
    +-- DirectoryInUse     another process has the directory open
    +-- EngineClosed       a call after close()
    +-- NeedsDisk          the answer is not in memory: run `take_loads()`, install it, ask again
    +-- WriteRefused       writes are not taken now; reads go on
        +-- EntryTooLarge  a key or a pair beyond what a table can hold: this one never
        +-- DiskFull       no space: taken again by itself as soon as there is some
        +-- Poisoned       a failed fsync or write: what is on disk is unknown until a restart

Bad use is a TypeError or a ValueError, and then nothing has happened: an argument of the wrong type or out
of its bounds, a step that is finished twice. "Not found" is not an error, and our own bugs are assertions.
An OSError of a read is passed on as it is, with its file name.
"""


class EngineError(Exception):
    """Base of everything that the engine raises on purpose."""


class DamagedFile(EngineError):
    """`path` does not hold what was once written there; `offset` is where that was noticed."""

    def __init__(self, path, offset, reason):
        super().__init__(f"{path} is damaged at byte {offset}: {reason}")
        self.path = str(path)
        self.offset = offset
        self.reason = reason

    def __reduce__(self):
        return DamagedFile, (self.path, self.offset, self.reason)


class UnknownFormat(EngineError):
    """The file `path` says, at byte `offset`, that it has the format `version`, and this program only
    knows formats up to `known`."""

    def __init__(self, path, offset, version, known):
        super().__init__(
            f"{path} has format {version} (at byte {offset}), this program knows up to {known}"
        )
        self.path = str(path)
        self.offset = offset
        self.version = version
        self.known = known

    def __reduce__(self):
        return UnknownFormat, (self.path, self.offset, self.version, self.known)


class DirectoryInUse(EngineError):
    """The directory's LOCK is held by another process (or by another engine in this one)."""


class EngineClosed(EngineError):
    """The engine (or the snapshot) was closed."""


class NeedsDisk(EngineError):
    """Raised on the loop instead of blocking: `engine.take_loads()` holds what is missing."""


class WriteRefused(EngineError):
    """A write was not taken. The message is fit for the client that asked."""


class EntryTooLarge(WriteRefused):
    """A key of more than 65,535 bytes, or a key and value of more than 64 MiB together."""


def too_large():
    return EntryTooLarge("a key has at most 65535 bytes, and key and value together 67108864")


class DiskFull(WriteRefused):
    """No space for the log. Nothing of the refused write was stored; the next one may succeed."""


class Poisoned(WriteRefused):
    """A write or fsync of the log failed, so the kernel may have dropped pages that were
    acknowledged. Only a restart, which reads the log again, finds out what is really there."""
