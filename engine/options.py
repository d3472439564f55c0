"""Everything that can be tuned in the engine, with units and the reason for each default."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True)
class Options:
    """Immutable. A value that makes no sense raises ValueError and names the field."""

    # Memory. All of it is bounded by these two numbers, whatever the amount of data.
    memtable_bytes: int = 512 * MIB
    """Active and sealed memtable together. The active one is sealed at half of it."""
    block_cache_bytes: int = 256 * MIB
    """Decompressed table blocks and segment metas."""

    # Log.
    log_bytes_max: int = 512 * MIB
    """Seal the memtable when the log behind it is longer than this: bounds the time of a restart
    where few keys are overwritten again and again."""
    log_reserve_bytes: int = 8 * MIB
    """Disk space is allocated this far ahead of the log, so that a full disk refuses a write
    instead of tearing a frame."""

    # Tables.
    block_bytes: int = 4 * KIB
    """A data block is closed when its raw entries reach this."""
    blocks_per_segment: int = 128
    """Data blocks that share one segment meta (bloom filter and index)."""
    compression_level: int = 1
    """Zstandard level of data blocks; 0 stores them raw."""
    dictionary_bytes: int = 0
    """Greatest length of the Zstandard dictionary that a compaction trains for each of its tables, and
    keeps where it saves more than its own length: pays for small values alike, see
    docs/decisions/0007. 0: none; at least 256 are used. With compression_level=0 there is none either."""
    bloom_bits_per_key: int = 10
    """About 1 % of the missing keys touch a data block of a table; 0 writes no filter."""
    bloom_bits_per_key_above: int = 16
    """The same in tables above the lowest level. A missing key asks all of them, and they hold few
    keys: these bits cost a twentieth of the filters' size, and what they leave is the 1 % of the
    lowest level. With bloom_bits_per_key=0 there is no filter here either."""
    table_bytes_max: int = 64 * MIB
    """A compaction starts the next output table here."""

    # Shape of the tree.
    level_count: int = 7
    level0_tables_trigger: int = 4
    """Tables of level 0 that make a compaction worth while."""
    level0_tables_slowdown: int = 8
    """From here on writes are slowed down more and more (Engine.write_pressure), level 0 goes
    before all other levels, and is merged within itself while its way down is taken. At most one
    below level0_tables_stop."""
    level0_tables_stop: int = 12
    """From here on write_room() is 0 until a compaction was installed: reads would get too slow."""
    level_bytes_base: int = 512 * MIB
    """Size of level 1 above which it spills into level 2."""
    level_multiplier: int = 10
    """Each further level may be this many times larger."""

    compactions_max: int = 4
    """Compactions that take_step() hands out at the same time: no more than threads to run them."""
    overlap_tables_max: int = 20
    """An output is ended before it overlaps more than so many full tables of the level after the
    one it goes to: the compaction that takes it down from there would be too large."""

    # Reading ahead.
    scan_readahead_bytes: int = 256 * KIB
    """Blocks that one load of a scan asks for at once."""
    compaction_readahead_bytes: int = 1 * MIB

    def __post_init__(self):
        least = {
            "memtable_bytes": 64 * KIB,
            "block_cache_bytes": 64 * KIB,
            "log_bytes_max": 4 * KIB,
            "log_reserve_bytes": 0,
            "block_bytes": 64,
            "blocks_per_segment": 1,
            "compression_level": 0,
            "dictionary_bytes": 0,
            "bloom_bits_per_key": 0,
            "bloom_bits_per_key_above": 0,
            "table_bytes_max": 4 * KIB,
            "level_count": 2,
            "level0_tables_trigger": 1,
            "level0_tables_slowdown": 1,
            "level0_tables_stop": 2,
            "level_bytes_base": 4 * KIB,
            "level_multiplier": 2,
            "compactions_max": 1,
            "overlap_tables_max": 1,
            "scan_readahead_bytes": 0,
            "compaction_readahead_bytes": 0,
        }
        most = {
            "block_bytes": 16 * MIB,
            "blocks_per_segment": 1024,
            "compression_level": 22,
            "dictionary_bytes": 1 * MIB,
            "bloom_bits_per_key": 64,
            "bloom_bits_per_key_above": 64,
            "level_count": 64,
        }
        for field, minimum in least.items():
            value = getattr(self, field)
            if isinstance(value, bool) or not isinstance(value, int) or value < minimum:
                raise ValueError(f"{field} must be a whole number of at least {minimum}")
            if value > most.get(field, 1 << 62):
                raise ValueError(f"{field} must be at most {most.get(field, 1 << 62)}")
        if self.level0_tables_stop < self.level0_tables_trigger:
            raise ValueError("level0_tables_stop must not be below level0_tables_trigger")

    def bloom_bits(self, lowest):
        """Filter bits of a key in a table of the lowest level, or of one above."""
        if lowest or self.bloom_bits_per_key == 0:
            return self.bloom_bits_per_key
        return max(self.bloom_bits_per_key, self.bloom_bits_per_key_above)

    @property
    def slowdown_tables(self):
        """level0_tables_slowdown, but below where writes stop."""
        return min(self.level0_tables_slowdown, self.level0_tables_stop - 1)
