"""A checkpoint: a directory of its own that holds what the engine holds now.

Tables are immutable, so they are hard-linked: it costs no space and no time, and lives on when the
original drops them. Open it like any engine's directory.
"""

from engine.errors import EngineError
from engine.file_names import table_name
from engine.manifest import Manifest, State


def write_checkpoint(engine, target):
    """`target` must be empty or not exist, on the same file system. All writes are flushed."""
    disk = engine.disk
    disk.make_directory(target)
    if disk.list(target):
        raise EngineError(f"{target} is not empty")
    tables = engine.version.tables()
    for table in tables:
        name = table_name(table.number)
        disk.link(f"{engine.path}/{name}", f"{target}/{name}")
    state = State()
    state.apply(engine.manifest.state.as_edit())
    state.tables = {
        table.number: (level, table.properties.file_bytes) for level, table in engine.version.placed()
    }
    state.log = 0
    numbers = iter([state.next])
    Manifest(disk, target, state, lambda: next(numbers)).close()
