"""fsync of the log, cut so that its owner can use a thread.

    sync = engine.take_sync()       loop: commits, and notes which files and up to which position
    sync.run()                      thread
    engine.finish_sync(sync)        loop: raises synced_position, or poisons the engine

A failed fsync is never repeated: the kernel marks the pages clean and would answer "fine".
"""


class Sync:
    """Covers the log up to `position`. run() never raises: finish_sync looks at `error`."""

    __slots__ = ("directory", "disk", "error", "files", "position", "ran")

    def __init__(self, disk, files, directory, position):
        self.disk = disk
        self.files = files
        self.directory = directory
        self.position = position
        self.error = None
        self.ran = False

    def run(self):
        try:
            for file in self.files:
                file.sync()
            if self.directory is not None:
                self.disk.sync_directory(self.directory)
        except OSError as error:
            self.error = error
        self.ran = True
