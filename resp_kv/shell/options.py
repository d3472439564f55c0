"""Directives to engine options."""

from engine.options import Options

SAME = {
    "memtable-bytes": "memtable_bytes",
    "block-cache-bytes": "block_cache_bytes",
    "log-bytes-max": "log_bytes_max",
    "block-bytes": "block_bytes",
    "compression-dictionary-bytes": "dictionary_bytes",
    "bloom-bits-per-key": "bloom_bits_per_key",
    "table-bytes-max": "table_bytes_max",
    "compaction-threads": "compactions_max",
}


def engine_options(config):
    """The engine's Options as the configuration wants them."""
    chosen = {field: config.get(name) for name, field in SAME.items()}
    chosen["compression_level"] = (
        config.get("compression-level") if config.get("compression") == "zstd" else 0)
    return Options(**chosen)
