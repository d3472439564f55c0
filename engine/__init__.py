"""An embeddable log-structured merge tree.

    from engine import Batch, Engine, Options

    with Engine.open("data") as engine:
        batch = Batch()
        batch.put(b"key", b"value")
        engine.write(batch, sync=True)
        engine.get(b"key").value

Start reading with engine.pyx; docs/disk-format.md describes every byte of the files.
"""

from engine.batch import Batch
from engine.engine import Engine
from engine.options import Options
from engine.record import Record

__all__ = ["Batch", "Engine", "Options", "Record"]
