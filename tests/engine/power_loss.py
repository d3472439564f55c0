"""What a power failure may leave of a run that a FaultyDisk has recorded (`disk.journal`).

    failures = PowerLoss(journal, root)
    failures.advance(k)                      as if the power had gone right after operation k
    failures.leave(target, variant, random)  writes one of the possible remains to `target`

The rules, of which POSIX promises no more:

    bytes     of a file are sure to be there from its last sync on. Of what was written or cut off
              since, any part is there: each sector of 512 (or page of 4096) bytes is the old one or the
              new one, missing ones inside the file are zeros, and the length is any between old and new
    names     are sure to be there from the last sync of their folder on. Of the creations, renames,
              links and removals since, any subset happened; a rename happens whole or not at all

A file is its content, not its name: it keeps what was synced under another name before.
"""

import os

VARIANTS = ("nothing", "everything", "torn 512", "torn 4096", "cut", "names only", "bytes only")


class Content:
    """A file's bytes: `durable` are those of the last sync, `bytes` what a reader would see."""

    def __init__(self):
        self.bytes = bytearray()
        self.durable = b""
        self.touched = False


class PowerLoss:
    def __init__(self, journal, root):
        self.journal = journal
        self.root = root
        self.done = 0
        self.names = {}      # path -> Content, as a reader would see it
        self.durable = {}    # the same after the last sync of each folder
        self.pending = []    # changes of names since: (operation, path, source, content)

    def advance(self, count):
        """Takes the journal's operations up to `count` into account."""
        while self.done < count:
            self.take(*self.journal[self.done])
            self.done += 1

    def begin_with(self, path, content):
        """A file that was there, on the disk, before the journal began."""
        file = self.names[path] = self.durable[path] = Content()
        file.bytes[:] = file.durable = content

    def take(self, operation, path, detail):
        content = self.names.get(path)
        if operation == "create":
            content = self.names[path] = Content()
            self.pending.append((operation, path, None, content))
        elif operation in ("rename", "link"):
            content = self.names[detail]
            if operation == "rename":
                del self.names[detail]
            self.names[path] = content
            self.pending.append((operation, path, detail, content))
        elif operation == "unlink":
            if content is not None:
                del self.names[path]
                self.pending.append((operation, path, None, None))
        elif operation == "sync_directory":
            self.settle(path)
        elif content is not None:  # else it was unlinked while open
            self.change(content, operation, detail)

    def settle(self, folder):
        rest = []
        for change in self.pending:
            if os.path.dirname(change[1]) == folder:
                apply_change(self.durable, *change)
            else:
                rest.append(change)
        self.pending = rest

    def change(self, content, operation, detail):
        if operation == "write":
            content.bytes += detail
            content.touched = True
        elif operation == "cut":
            del content.bytes[detail:]
            content.touched = True
        elif operation == "sync":
            content.durable = bytes(content.bytes)
            content.touched = False

    @property
    def uncertain(self):
        """Whether there is anything that may be lost."""
        return bool(self.pending) or any(c.touched for c in self.names.values())

    def leave(self, target, variant, random):
        """The remains in `target`, in place of `root`."""
        names = self.remaining_names(variant, random)
        os.makedirs(target, exist_ok=True)
        for path, content in sorted(names.items()):
            new = f"{target}{path.removeprefix(self.root)}"
            os.makedirs(os.path.dirname(new), exist_ok=True)
            with open(new, "wb") as file:
                file.write(remaining_bytes(content, variant, random))

    def remaining_names(self, variant, random):
        names = dict(self.durable)
        for change in self.pending:
            if variant in ("everything", "names only") or (
                variant not in ("nothing", "bytes only") and random.random() < 0.5
            ):
                apply_change(names, *change)
        return names


def apply_change(names, operation, path, source, content):
    if operation == "unlink":
        names.pop(path, None)
        return
    if operation == "rename":
        names.pop(source, None)
    names[path] = content


def remaining_bytes(content, variant, random):
    old, new = content.durable, bytes(content.bytes)
    if not content.touched or variant in ("everything", "bytes only"):
        return new
    if variant in ("nothing", "names only"):
        return old
    least, most = sorted((len(old), len(new)))
    size = random.choice((least, most, random.randint(least, most)))
    if variant == "cut":
        return (new if len(new) >= len(old) else old)[:size]
    sector = 512 if variant == "torn 512" else 4096
    left = bytearray()
    for at in range(0, size, sector):
        piece = random.choice((old, new))[at : at + sector]
        left += piece.ljust(min(sector, size - at), b"\0")
    return bytes(left[:size])
