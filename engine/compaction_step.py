"""The step around a compaction: opens its tables, and puts them in force by one manifest edit."""

from engine.compaction import Compaction
from engine.errors import EngineError
from engine.step import Step
from engine.table import Table

PORTION_BYTES = 4 << 20        # between two of them the GIL is needed, which may take 5 ms


class CompactionStep(Step):
    """Made on the loop; see engine/step.py for who may call what. `choice` is the picker's.

    pause   None, or what run() calls after each portion with its bytes of keys and values; it may
            sleep, so that a compaction leaves the disk to others
    """

    kind = "compaction"
    pause = None

    def __init__(self, engine, choice, version, range_deletes, sequence, now_ms, drop_below_hlc,
                 retired):
        super().__init__(engine, retired)
        self.options = engine.options
        self.cache = engine.cache
        self.take_number = engine.take_number
        self.choice = choice
        self.version = version
        self.range_deletes = range_deletes
        self.sequence = sequence
        self.now_ms = now_ms
        self.drop_below_hlc = drop_below_hlc
        self.compaction = None
        self.aborted = False
        self.table_bytes = 0

    def work(self):
        choice = self.choice
        if choice.is_move:
            self.added = [(choice.target, choice.tables[0])]
        else:
            self.merge()
        self.removed = choice.tables
        self.commit({"next": max((t.number for _, t in self.added), default=0) + 1})
        self.version = None

    def merge(self):
        self.compaction = compaction = Compaction(
            self.choice, self.version, disk=self.disk, directory=self.directory,
            options=self.options, take_number=self.take_number, range_deletes=self.range_deletes,
            now_ms=self.now_ms, drop_below_hlc=self.drop_below_hlc, sequence=self.sequence,
        )
        compaction.aborted = self.aborted
        try:
            while compaction.step(PORTION_BYTES):
                if compaction.aborted:
                    raise EngineError("the compaction was aborted")
                if self.pause is not None:
                    self.pause(PORTION_BYTES)
            self.added = [
                (self.choice.target, Table.open(self.disk, self.directory, p.number, self.cache))
                for p in compaction.outputs
            ]
        except BaseException:
            compaction.abandon()
            raise
        self.table_bytes = compaction.bytes_written
        self.compaction = None

    def abort(self):
        """Makes run() end soon, with an error and without effect. From any thread."""
        self.aborted = True
        if self.compaction is not None:
            self.compaction.aborted = True
