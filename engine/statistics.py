"""Numbers about an engine, and the check of all its tables. Nothing here is hot."""

from engine.errors import DamagedFile


def collect_statistics(engine, numbers):
    """`numbers` of the engine itself, with those of its tables and its cache."""
    version = engine.version
    tables = version.tables()
    return {
        **numbers,
        "tables": len(tables),
        "table_bytes": sum(table.properties.file_bytes for table in tables),
        "entries": sum(table.properties.entries for table in tables),
        "tombstones": sum(table.properties.tombstones for table in tables),
        "levels": [
            (len(level), sum(table.properties.file_bytes for table in level))
            for level in version.levels
        ],
        "range_deletes": len(engine.range_deletes),
        "cache_bytes": engine.cache.used_bytes,
        "cache_hits": engine.cache.hits,
        "cache_misses": engine.cache.misses,
        "cache_evictions": engine.cache.evictions,
        "written_position": engine.written_position,
        "synced_position": engine.synced_position,
    }


def approximate_size(version, start, end):
    """Whole tables count in full, those at an edge by how far the edge cuts into their keys."""
    total = 0
    for table in version.tables():
        properties = table.properties
        least, greatest = properties.least_key, properties.greatest_key
        if greatest < start or (end and least >= end):
            continue
        low = fraction(start, least, greatest) if start > least else 0.0
        high = fraction(end, least, greatest) if end and end <= greatest else 1.0
        total += int(properties.file_bytes * max(0.0, high - low))
    return total


def fraction(key, least, greatest):
    """Where `key` lies between two keys, as if keys were spread evenly: 0 to 1."""
    shared = 0
    while shared < min(len(least), len(greatest)) and least[shared] == greatest[shared]:
        shared += 1
    low, high, at = (
        int.from_bytes(name[shared : shared + 8].ljust(8, b"\0"), "big")
        for name in (least, greatest, key)
    )
    return min(1.0, max(0.0, (at - low) / (high - low))) if high > low else 0.0


def verify_tables(version):
    """Reads every block of every table. Raises DamagedFile."""
    from engine.merge import MergeCursor

    for table in version.tables():
        entries = MergeCursor([table.cursor(None, 1 << 20)]).count_entries()
        if entries != table.properties.entries:
            raise DamagedFile(
                table.path, 0,
                f"it has {entries} entries instead of {table.properties.entries}",
            )
