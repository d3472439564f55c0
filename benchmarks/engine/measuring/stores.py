"""Three stores behind one door, each asked in the quickest way that its Python package offers.

    put_each(keys, values)     one commit a pair            put_batch(keys, values)    one commit in all
    get_each(keys) -> found    read_all() -> (pairs, bytes)
    settle()                   flushed, and all compactions done that the store wants
    reads()                    blocks fetched from disk so far, where the store tells

The same budgets for each: `buffer_bytes` for a memtable (of which a second one may wait for its
flush), `cache_bytes` for blocks, bloom filters of 10 bits a key, blocks of 4 KB, log on, no fsync.
RocksDB and resp-kv compress with Zstandard at the same level. The LevelDB in plyvel's wheel cannot;
it gets its only choice, Snappy, which costs less CPU time and more space. RocksDB and LevelDB hold
indexes and filters beside their block cache, without a bound; resp-kv holds them in it.
"""

import sys
from concurrent.futures import ThreadPoolExecutor, wait

from benchmarks.engine.measuring.meter import wait_until_quiet

POLL_EVERY = 64


def open_store(name, path, buffer_bytes, cache_bytes, level):
    return STORES[name](path, buffer_bytes, cache_bytes, level)


def available():
    """Names of the stores that can be imported here; resp-kv first."""
    names = []
    for name, package in (("resp-kv", "engine"), ("RocksDB", "rocksdict"), ("LevelDB", "plyvel")):
        try:
            __import__(package)
            names.append(name)
        except ImportError:
            print(f"{name} is left out: pip install {package}", file=sys.stderr)
    return names


class RespKv:
    """Flushes and compactions run on two threads, as in the server."""

    def __init__(self, path, buffer_bytes, cache_bytes, level, **more):
        from engine import Batch, Engine, Options
        from engine.errors import WriteRefused

        self.Batch, self.WriteRefused = Batch, WriteRefused
        options = Options(
            memtable_bytes=2 * buffer_bytes, block_cache_bytes=cache_bytes,
            compression_level=level, **{"level_bytes_base": 4 * buffer_bytes,
                                        "table_bytes_max": buffer_bytes, **more},
        )
        self.engine = Engine.open(path, options)
        self.threads = ThreadPoolExecutor(2, "step")
        self.running, self.cleanups = [], []

    def put_each(self, keys, values):
        Batch, write = self.Batch, self.engine.write
        for first in range(0, len(keys), POLL_EVERY):
            self.poll()
            part = slice(first, first + POLL_EVERY)
            for key, value in zip(keys[part], values[part]):
                batch = Batch()
                batch.put(key, value)
                try:
                    write(batch)
                except self.WriteRefused:      # memory is full: a step must come to its end first
                    self.poll()
                    write(batch)

    def put_batch(self, keys, values):
        self.poll()
        batch = self.Batch()
        for key, value in zip(keys, values):
            batch.put(key, value)
        self.engine.write(batch)

    def poll(self):
        """Installs finished steps and hands out wanted ones."""
        for pair in [pair for pair in self.running if pair[1].done()]:
            self.install(*pair)
        while len(self.running) < 2 and self.engine.step_wanted():
            step = self.engine.take_step(0, self.engine.greatest_hlc + 1)
            if step is None:
                break
            self.running.append((step, self.threads.submit(step.run)))
        while self.running and not self.engine.has_room():
            self.install(*self.running[0])

    def install(self, step, future):
        future.result()
        self.running.remove((step, future))
        error = self.engine.finish(step)
        if error is not None:
            raise error
        self.cleanups.append(self.threads.submit(step.cleanup))

    def get_each(self, keys):
        get, found = self.engine.get, 0
        for key in keys:
            if get(key) is not None:
                found += 1
        return found

    def read_all(self):
        pairs = size = 0
        for record in self.engine.scan():
            pairs += 1
            size += len(record.value)
        return pairs, size

    def settle(self):
        self.wait()
        self.engine.seal()
        self.wait()

    def wait(self):
        self.poll()
        while self.running:
            self.install(*self.running[0])
            self.poll()
        wait(self.cleanups)
        self.cleanups.clear()

    def reads(self):
        return self.engine.stats()["cache_misses"]

    def close(self):
        self.wait()
        self.threads.shutdown()
        self.engine.close()


class RocksDb:
    def __init__(self, path, buffer_bytes, cache_bytes, level):
        import rocksdict as rocks

        self.rocks = rocks
        options = rocks.Options(raw_mode=True)
        options.create_if_missing(True)
        options.set_write_buffer_size(buffer_bytes)
        options.set_compression_type(rocks.DBCompressionType.zstd())
        options.set_compression_options(-14, level, 0, 0)
        table = rocks.BlockBasedOptions()
        table.set_block_size(4096)
        table.set_block_cache(rocks.Cache(cache_bytes))
        table.set_bloom_filter(10, False)
        options.set_block_based_table_factory(table)
        self.store = rocks.Rdict(path, options)

    def put_each(self, keys, values):
        put = self.store.put
        for key, value in zip(keys, values):
            put(key, value)

    def put_batch(self, keys, values):
        batch = self.rocks.WriteBatch(raw_mode=True)
        put = batch.put
        for key, value in zip(keys, values):
            put(key, value)
        self.store.write(batch)

    def get_each(self, keys):
        get, found = self.store.get, 0
        for key in keys:
            if get(key) is not None:
                found += 1
        return found

    def read_all(self):
        pairs = size = 0
        for _, value in self.store.items():
            pairs += 1
            size += len(value)
        return pairs, size

    def settle(self):
        self.store.flush()
        wait_until_quiet()

    def reads(self):
        return None

    def close(self):
        self.store.close()


class LevelDb:
    def __init__(self, path, buffer_bytes, cache_bytes, level):
        import plyvel

        self.store = plyvel.DB(
            path, create_if_missing=True, write_buffer_size=buffer_bytes,
            lru_cache_size=cache_bytes, block_size=4096, bloom_filter_bits=10,
            compression="snappy",
        )

    def put_each(self, keys, values):
        put = self.store.put
        for key, value in zip(keys, values):
            put(key, value)

    def put_batch(self, keys, values):
        batch = self.store.write_batch()
        put = batch.put
        for key, value in zip(keys, values):
            put(key, value)
        batch.write()

    def get_each(self, keys):
        get, found = self.store.get, 0
        for key in keys:
            if get(key) is not None:
                found += 1
        return found

    def read_all(self):
        pairs = size = 0
        with self.store.iterator() as pairs_of_it:
            for _, value in pairs_of_it:
                pairs += 1
                size += len(value)
        return pairs, size

    def settle(self):
        # A compaction of a range without keys flushes the memtable and does nothing else.
        self.store.compact_range(start=b"\xff", stop=b"\xff\xff")
        wait_until_quiet()

    def reads(self):
        return None

    def close(self):
        self.store.close()


STORES = {"resp-kv": RespKv, "RocksDB": RocksDb, "LevelDB": LevelDb}
