import pytest

from engine.options import Options


def test_the_defaults_are_valid():
    assert Options().memtable_bytes == 512 << 20


@pytest.mark.parametrize(
    "field", ["memtable_bytes", "block_bytes", "level_count", "table_bytes_max", "bloom_bits_per_key"]
)
def test_a_wrong_value_is_named(field):
    with pytest.raises(ValueError, match=field):
        Options(**{field: -1})


def test_stop_below_trigger_is_refused():
    with pytest.raises(ValueError, match="level0_tables_stop"):
        Options(level0_tables_trigger=5, level0_tables_stop=4)
