"""Clients that write and read at chosen nodes while a test does something to others.

    with Load(writers=[0], readers=[1], cluster=cluster) as load:
        cluster.kill(2)
        load.go_on(500)                    until each has had so many more replies
    load.errors, load.slowest_s
    load.check(client)                     every acknowledged write is found

One writer owns its keys, so that the value of a key only grows: a read must never show less than what
was acknowledged before it began, and the newest write is either the last acknowledged one or one that
ended in an error.
"""

import random
import threading
import time

import redis

from tests.e2e.server import eventually

KEYS_EACH = 200


class Load:
    def __init__(self, cluster, writers, readers, value_bytes=20):
        self.stopping = threading.Event()
        self.padding = b" " * value_bytes
        self.workers = [Writer(self, cluster[number].client(), place)
                        for place, number in enumerate(writers)]
        self.writers = list(self.workers)
        self.workers += [Reader(self, cluster[number].client()) for number in readers]

    def __enter__(self):
        for worker in self.workers:
            worker.start()
        self.go_on(100)
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for worker in self.workers:
            worker.join()

    def go_on(self, count):
        """Until each of the clients has had so many more replies."""
        wanted = [(worker, worker.replies + count) for worker in self.workers]
        eventually(lambda: all(worker.replies >= replies or not worker.is_alive()
                               for worker, replies in wanted))

    @property
    def errors(self):
        return [error for worker in self.workers for error in worker.errors]

    @property
    def slowest_s(self):
        return max(worker.slowest_s for worker in self.workers)

    def check(self, client):
        """All that was acknowledged is there, and nothing older."""
        for writer in self.writers:
            keys = list(writer.acknowledged)
            for key, value in zip(keys, client.mget(keys)):
                found = number_of(value)
                assert writer.acknowledged[key] <= found <= writer.sent[key], (key, found)


class Worker(threading.Thread):
    def __init__(self, load, client):
        super().__init__(daemon=True)
        self.load, self.client = load, client
        self.replies, self.errors, self.slowest_s = 0, [], 0.0
        self.random = random.Random(id(client))

    def run(self):
        while not self.load.stopping.is_set():
            began = time.monotonic()
            try:
                self.step()
            except redis.RedisError as error:
                self.errors.append(f"{type(error).__name__}: {error}")
            except AssertionError as error:
                self.errors.append(f"wrong: {error}")
                return
            self.replies += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - began)


class Writer(Worker):
    def __init__(self, load, client, place):
        super().__init__(load, client)
        self.keys = [b"load:%d:%d" % (place, number) for number in range(KEYS_EACH)]
        self.sent, self.acknowledged = {}, {}
        self.number = 0

    def step(self):
        self.number += 1
        key = self.keys[self.number % KEYS_EACH]
        self.sent[key] = self.number
        self.client.set(key, b"%d" % self.number + self.load.padding)
        self.acknowledged[key] = self.number


class Reader(Worker):
    def step(self):
        writer = self.random.choice(self.load.writers)
        key = self.random.choice(writer.keys)
        before = writer.acknowledged.get(key, 0)
        found = number_of(self.client.get(key))
        assert before <= found <= writer.sent.get(key, 0), (key, before, found)


def number_of(value):
    return 0 if value is None else int(value)
