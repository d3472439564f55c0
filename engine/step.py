"""A step: work on files that the engine wants done, cut so that its owner can use threads.

    step = engine.take_step(now_ms, drop_below_hlc)    loop     what to do is decided and reserved
    step.run()                                         thread   reads, writes, fsyncs, manifest
    engine.finish(step)                                loop     the new version is in force
    step.cleanup()                                     thread   unlinks and frees what it replaced

run() never raises what the world does: the failure stays in `error`, finish() gives back what was
reserved and returns it, and the same work is offered again. Wait a little before taking it: a full
disk does not get better by being asked.
"""

from engine.errors import EngineError
from engine.file_names import number_of, table_name


class Step:
    """Base of FlushStep and CompactionStep.

    added      pairs (level, Table) of the new version         removed   tables that leave it
    retired    RangeDeleteRecords that hide nothing any more
    """

    kind = ""

    def __init__(self, environment, retired=()):
        self.disk = environment.disk
        self.directory = environment.path
        self.manifest = environment.manifest
        self.added = []
        self.removed = ()
        self.retired = tuple(retired)
        self.error = None
        self.begun = self.ran = False

    def run(self):
        """Does the work, once; looks at nothing that the loop changes meanwhile."""
        if self.begun:
            raise ValueError("a step is not run twice")
        self.begun = True
        try:
            self.work()
        except (OSError, EngineError, MemoryError) as error:
            self.error = error
        self.ran = True

    def work(self):
        """Writes tables, then the manifest edit that puts them in force."""
        raise NotImplementedError

    def abort(self):
        """Makes run() end soon, if it is one that takes long. From any thread."""

    def commit(self, edit):
        """The names of new tables and of the log's new segment become durable, then the edit."""
        if self.added or "log" in edit:
            self.disk.sync_directory(self.directory)
        edit["tables"] = [[level, t.number, t.properties.file_bytes] for level, t in self.added]
        edit["gone"] = [table.number for table in self.removed]
        edit["retired"] = [as_edit(item) for item in self.retired]
        self.manifest.append({name: value for name, value in edit.items() if value})

    def cleanup(self):
        """Unlinks what is superseded. A failure here leaves rubbish, which the next open sweeps up."""
        if self.error is not None:
            return
        kept = {table.number for _, table in self.added}  # a moved table is removed and added
        for table in self.removed:
            if table.number not in kept:
                self.forget(table_name(table.number))
        self.removed = ()

    def forget(self, name):
        try:
            self.disk.unlink(f"{self.directory}/{name}")
        except OSError:
            pass

    def forget_segments(self, below):
        for name in self.disk.list(self.directory):
            if name.endswith(".log") and 0 < number_of(name) < below:
                self.forget(name)


def as_edit(item):
    """A RangeDeleteRecord as it stands in the manifest."""
    return [
        item.start.hex(), item.end.hex(), item.hlc, item.actor, item.offset, item.byte, item.sequence,
    ]
