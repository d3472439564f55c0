"""What a replica has of a key, read past everything: for the checkers."""

from cluster.versions import State, from_record
from engine.errors import NeedsDisk

HANDED_OVER_MS = 1               # the deadline of what is left of a hint, see Replica.forget


def record_of(engine, stored):
    """The engine's record of a stored key, a tombstone too; None if there is none."""
    while True:
        try:
            records, _ = engine.page(stored, stored + b"\0", 1, tombstones=True)
        except NeedsDisk:
            engine.load_now()
            continue
        return records[0] if records else None


def state_of(record):
    """The State behind a record of the engine."""
    if record is None or (record.deleted and record.deadline_ms == HANDED_OVER_MS):
        return State()
    return from_record(record.hlc, record.actor, record.deadline_ms, record.annotation,
                       record.deleted, record.value)
