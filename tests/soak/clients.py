"""Clients of a soak run: each does one thing after the other and goes to another node when one fails."""

import random
import threading
import time

import redis

TIMEOUT_S = 3
REGISTERS, CARTS = 60, 4
CART_ITEMS_MAX = 300               # an item is at most 12 bytes, a pair at most 10,000
COUNTERS = 5


class Client(threading.Thread):
    """`strict`: reads are judged while faults go on, which only a strict quorum stands."""

    def __init__(self, number, nodes, history, seed, strict, pause_s):
        super().__init__(daemon=True, name=f"client {number}")
        self.number, self.nodes, self.history = number, nodes, history
        self.random, self.strict, self.pause_s = random.Random(f"{seed} {number}"), strict, pause_s
        self.stopping = threading.Event()
        self.count, self.connections, self.node = 0, {}, number % len(nodes)
        self.crash = None

    def run(self):
        try:
            while not self.stopping.is_set():
                self.step()
                time.sleep(self.random.random() * 2 * self.pause_s)
        except Exception as error:
            self.crash = error
            raise

    def step(self):
        act = self.random.choices((self.set, self.get, self.delete, self.add_to_cart, self.count_up),
                                  (40, 35, 8, 10, 7))[0]
        with self.history.lock:
            self.history.operations += 1
        try:
            act()
        except redis.RedisError as error:
            with self.history.lock:
                self.history.errors += 1
            if not isinstance(error, redis.ResponseError) or self.random.random() < 0.2:
                self.move()

    # -- nodes --------------------------------------------------------------------------------

    @property
    def redis(self):
        if self.node not in self.connections:
            self.connections[self.node] = self.nodes[self.node].client(
                socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S)
        return self.connections[self.node]

    def move(self):
        self.redis.close()
        self.node = (self.node + self.random.randrange(1, len(self.nodes))) % len(self.nodes)

    # -- what it does -------------------------------------------------------------------------

    def draw_key(self):
        return f"r:{self.random.randrange(REGISTERS)}"

    def draw_value(self):
        self.count += 1
        return b"%d.%d" % (self.number, self.count)

    def set(self):
        self.write(self.draw_value(), lambda key, value: self.redis.set(key, value))

    def delete(self):
        self.write(None, lambda key, _: self.redis.execute_command("KV.DEL", key))

    def write(self, value, command):
        key = self.draw_key()
        with self.history.lock:
            register = self.history.register(key)
            write = register.begin(value, time.monotonic())
        command(key, value)
        with self.history.lock:
            register.end(write, time.monotonic())
            register.forget_old_deletes()

    def get(self):
        key, began = self.draw_key(), time.monotonic()
        value = self.redis.get(key)
        if self.strict:
            with self.history.lock:
                self.history.blame(key, self.history.register(key).fault(value, began))

    def add_to_cart(self):
        place, item = self.random.randrange(CARTS), self.draw_value()
        with self.history.lock:
            full = sum(key.startswith(f"c:{place}:") and len(cart.sent) >= CART_ITEMS_MAX
                       for key, cart in self.history.carts.items())
            key = f"c:{place}:{full}"
            cart = self.history.cart(key)
            owed = set(cart.acknowledged)
        context, siblings = self.redis.execute_command("KV.GET", key)
        items = union(siblings)
        if self.strict:
            with self.history.lock:
                self.history.blame(key, cart.fault(items, owed))
        with self.history.lock:
            cart.sent.add(item)
        self.redis.execute_command("KV.SET", key, b",".join(sorted(items | {item})), "CONTEXT", context)
        with self.history.lock:
            cart.acknowledged.add(item)

    def count_up(self):
        """Not exact while nodes are cut off from each other: only to have such commands under way."""
        self.redis.incr(f"n:{self.random.randrange(COUNTERS)}")


def union(siblings):
    return {item for value in siblings if value for item in value.split(b",")}
