"""Small options, so that a few kilobytes already make segments, tables and levels."""

import pytest

from engine import Engine, Options

SMALL = Options(
    memtable_bytes=256 << 10,
    log_bytes_max=1 << 20,
    log_reserve_bytes=64 << 10,
    block_cache_bytes=256 << 10,
    block_bytes=512,
    blocks_per_segment=8,
    table_bytes_max=32 << 10,
    level_bytes_base=64 << 10,
    level_multiplier=4,
    level0_tables_trigger=3,
    level0_tables_slowdown=4,
    level0_tables_stop=6,
)


@pytest.fixture
def small():
    return SMALL


@pytest.fixture
def open_engine(tmp_path):
    """open_engine(**keywords of Engine.open): the same directory each time; closed at the end."""
    opened = []

    def open_one(path=tmp_path / "data", options=SMALL, **rest):
        engine = Engine.open(path, options, **rest)
        opened.append(engine)
        return engine

    yield open_one
    for engine in opened:
        try:
            engine.close()
        except Exception:
            pass  # a test that poisons its engine has said so
