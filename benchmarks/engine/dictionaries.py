"""What a Zstandard dictionary per table would save: blocks of small JSON values, with and without.

    python benchmarks/engine/dictionaries.py

The blocks are the engine's own (engine/block_writer); the dictionary is trained on the first half
megabyte, as a compaction could do it, and its bytes count as stored. Sizes are shares of the raw
blocks, speeds are of one core. docs/decisions/0007-dictionaries.md draws the conclusion.
"""

import json
import random
import string
import sys
import time
from pathlib import Path

import zstandard

sys.path.insert(0, str(Path(__file__).parents[2]))

from engine.block_writer import BlockWriter

TABLE_BYTES = 4 << 20
SAMPLE_BYTES = 512 << 10


def values(bytes_each, seed=3):
    """JSON objects with names, numbers and a mail address, about that long."""
    draw = random.Random(seed)
    words = ["".join(draw.choices(string.ascii_lowercase, k=draw.randrange(3, 9)))
             for _ in range(2000)]
    while True:
        if bytes_each <= 20:
            yield b'{"n":%d,"s":"%s"}' % (draw.randrange(1000), draw.choice(words)[:4].encode())
        else:
            yield json.dumps({
                "id": draw.randrange(10**6), "name": draw.choice(words), "on": draw.random() < 0.5,
                "mail": f"{draw.choice(words)}@{draw.choice(words)}.com",
                "score": draw.randrange(10**4),
            }).encode()


def blocks_of(bytes_each, block_bytes):
    blocks, writer, filled = [], BlockWriter(), 0
    for i, value in zip(range(TABLE_BYTES // (bytes_each + 20)), values(bytes_each)):
        writer.append(b"user:%010d" % i, value=value, hlc=(1 << 56) + i * 97)
        filled += len(value) + 12
        if filled >= block_bytes:
            blocks.append(writer.finish())
            writer, filled = BlockWriter(), 0
    return blocks


def measured(action, blocks):
    began = time.process_time()
    results = [action(block) for block in blocks]
    return results, time.process_time() - began


def main():
    print(f"{'value':>6}{'block':>7}{'dictionary':>12}{'stored':>9}{'saved':>8}"
          f"{'pack MB/s':>11}{'unpack MB/s':>13}{'train ms':>10}")
    for bytes_each in (100, 20):
        for block_bytes in (512, 1024, 4096, 16384):
            blocks = blocks_of(bytes_each, block_bytes)
            raw = sum(map(len, blocks))
            plain = 0
            for dictionary_bytes in (0, 4 << 10, 16 << 10, 64 << 10):
                dictionary, began = None, time.process_time()
                if dictionary_bytes:
                    sample = b"".join(blocks)[:SAMPLE_BYTES]
                    dictionary = zstandard.train_dictionary(
                        dictionary_bytes, [sample[i : i + 512] for i in range(0, len(sample), 512)])
                    dictionary.precompute_compress(level=1)
                train_s = time.process_time() - began
                compressor = zstandard.ZstdCompressor(level=1, dict_data=dictionary)
                decompressor = zstandard.ZstdDecompressor(dict_data=dictionary)
                packed, pack_s = measured(compressor.compress, blocks)
                _, unpack_s = measured(decompressor.decompress, packed)
                stored = sum(map(len, packed)) + (len(dictionary) if dictionary else 0)
                plain = plain or stored
                print(f"{bytes_each:6}{block_bytes:7}{dictionary_bytes:12}{stored / raw:9.3f}"
                      f"{1 - stored / plain:8.1%}{raw / pack_s / 1e6:11.0f}"
                      f"{raw / unpack_s / 1e6:13.0f}{train_s * 1e3:10.0f}")


if __name__ == "__main__":
    main()
