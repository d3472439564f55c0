"""An embeddable LSM tree: commit log, memtable, SSTables, compaction. It needs no server.

    from engine import Batch, Engine, Options

    with Engine.open("directory", Options(memtable_bytes=64 << 20)) as engine:
        batch = Batch()
        batch.put(b"key", b"value")
        engine.write(batch, sync=True)
        print(engine.get(b"key").value)
        for record in engine.scan(b"a", b"z"):
            print(record.key, record.value)
        with engine.snapshot() as view:   # one moment, in any thread; also scan(reverse=True),
            print(view.count())           # delete_range, approximate_size, verify, stats, checkpoint
        engine.run_steps()                # flush and compaction: whenever the caller has time

docs/engine.md goes through all doors.
"""

from engine.batch import Batch
from engine.engine import Engine
from engine.options import Options

__all__ = ["Batch", "Engine", "Options"]
