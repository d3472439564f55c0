"""Clients that write at random and know afterwards what the node may hold.

Each writer has a database of its own, so what must be in it follows from its own history: the
acknowledged commands have happened, and of those still unanswered when the node died a *prefix*
may have, in order, each whole (MSET and MULTI included). `explain` looks for such a prefix;
anything lost, resurrected, torn or reordered leaves none.
"""

import random
import socket
import threading
import time

import hiredis

from tests.e2e.server import eventually
from tests.resp_kv.rig import encode

FAR_MS = 4_000_000_000_000       # a deadline that no test run sees
SHORT_MS = 3                     # one that is past before anybody looks
PIPELINE_MAX = 40
KEYS = 400
ACKNOWLEDGED_MIN = 1000          # commands of one stretch of load


class Operation:
    """One command or transaction: the bytes, how many replies, and what it does to the model."""

    def __init__(self, commands, apply, reply=None):
        self.text = b"".join(encode(*words) for words in commands)
        self.replies = len(commands)
        self.apply = apply
        self.expected = reply


class Writer(threading.Thread):
    """`model`: {key: (value, deadline or 0)}, what is acknowledged. `pending`: sent, unanswered."""

    def __init__(self, port, database, seed, model):
        super().__init__(daemon=True)
        self.port, self.database, self.model = port, database, model
        self.random = random.Random(seed)
        self.pending = []
        self.acknowledged = 0
        self.failure = None
        self.future = dict(model)      # the model once everything pending has happened
        self.stopping = False

    def run(self):
        try:
            self.write()
        except OSError:
            pass
        except Exception as error:
            self.failure = error

    def write(self):
        with socket.create_connection(("127.0.0.1", self.port), 60) as sock:
            reader = hiredis.Reader()
            sock.sendall(encode("SELECT", self.database))
            receive(sock, reader)
            while not self.stopping:
                batch = [self.operation() for _ in range(self.random.randint(1, PIPELINE_MAX))]
                self.pending += batch
                sock.sendall(b"".join(operation.text for operation in batch))
                for operation in batch:
                    for _ in range(operation.replies):
                        reply = receive(sock, reader)
                    self.acknowledge(operation, reply)

    def acknowledge(self, operation, reply):
        if isinstance(reply, hiredis.ReplyError):
            raise AssertionError(f"{operation.text[:200]!r} was answered {reply}")
        if operation.expected is not None:
            assert reply == operation.expected(self.model), (operation.text[:200], reply)
        operation.apply(self.model)
        self.pending.pop(0)
        self.acknowledged += 1

    # -- operations ---------------------------------------------------------------------------

    def operation(self):
        maker = self.random.choices(
            [self.put, self.put_far, self.put_short, self.delete, self.count, self.append,
             self.put_many, self.transaction, self.expire, self.persist, self.take, self.flush],
            [30, 5, 5, 14, 10, 5, 8, 8, 5, 3, 4, 0.05])[0]
        return maker()

    def key(self, kind="k"):
        return b"%s%d" % (kind.encode(), self.random.randrange(KEYS))

    def value(self):
        return self.random.randbytes(self.random.choice([0, 10, 300, 1000]))

    def put(self):
        key, value = self.key(self.random.choice("ke")), self.value()
        return Operation([("SET", key, value)], lambda model: model.update({key: (value, 0)}))

    def put_far(self):
        key, value = self.key(), self.value()
        return Operation([("SET", key, value, "PXAT", FAR_MS)],
                         lambda model: model.update({key: (value, FAR_MS)}))

    def put_short(self):
        """Overwrites and is gone: what it has overwritten must not come back.

        Its keys see no command that asks whether they are there: that would depend on the hour.
        """
        key = self.key("e")
        return Operation([("SET", key, self.value(), "PX", SHORT_MS)],
                         lambda model: model.pop(key, None))

    def delete(self):
        keys = [self.key(self.random.choice("kea")) for _ in range(self.random.randint(1, 3))]
        return Operation([("DEL", *keys)], lambda model: [model.pop(key, None) for key in keys])

    def count(self):
        key = self.key("n")

        def apply(model):
            value, deadline = model.get(key, (b"0", 0))
            model[key] = b"%d" % (int(value) + 1), deadline

        return Operation([("INCR", key)], apply, lambda model: int(model.get(key, (0, 0))[0]) + 1)

    def append(self):
        key, more = self.key("a"), self.value()[:20]

        def apply(model):
            value, deadline = model.get(key, (b"", 0))
            model[key] = value + more, deadline

        if len(self.future.get(key, (b"", 0))[0]) > 2000:
            return self.put()
        operation = Operation([("APPEND", key, more)], apply)
        apply(self.future)
        return operation

    def put_many(self):
        pairs = {self.key(): self.value() for _ in range(4)}
        words = [word for pair in pairs.items() for word in pair]
        return Operation([("MSET", *words)],
                         lambda model: model.update({key: (v, 0) for key, v in pairs.items()}))

    def transaction(self):
        put, gone, counter = self.put(), self.delete(), self.count()
        words = [b"MULTI", put, gone, counter, b"EXEC"]
        operation = Operation([], lambda model: [part.apply(model) for part in words[1:4]])
        operation.text = b"".join(encode(word) if isinstance(word, bytes) else word.text
                                  for word in words)
        operation.replies = len(words)
        return operation

    def expire(self):
        key = self.key()

        def apply(model):
            if key in model:
                model[key] = model[key][0], FAR_MS

        return Operation([("PEXPIREAT", key, FAR_MS)], apply, lambda model: int(key in model))

    def persist(self):
        key = self.key()

        def apply(model):
            if key in model:
                model[key] = model[key][0], 0

        return Operation([("PERSIST", key)], apply)

    def take(self):
        key = self.key()
        return Operation([("GETDEL", key)], lambda model: model.pop(key, None))

    def flush(self):
        self.future.clear()
        return Operation([("FLUSHDB",)], lambda model: model.clear())


def receive(sock, reader):
    while (reply := reader.gets()) is False:
        piece = sock.recv(65536)
        if not piece:
            raise ConnectionResetError
        reader.feed(piece)
    return reply


def contents(port, database):
    """{key: (value, deadline)} of a whole database."""
    found = {}
    with socket.create_connection(("127.0.0.1", port), 60) as sock:
        reader = hiredis.Reader()

        def ask(*commands):
            sock.sendall(b"".join(encode(*words) for words in commands))
            return [receive(sock, reader) for _ in commands]

        ask(("SELECT", database))
        cursor = b"0"
        while True:
            (cursor, keys), = ask(("SCAN", cursor, "COUNT", 1000))
            rows = ask(*(command for key in keys
                         for command in (("GET", key), ("PEXPIRETIME", key)))) if keys else []
            for key, value, deadline in zip(keys, rows[::2], rows[1::2]):
                found[key] = value, max(0, deadline)
            if cursor == b"0":
                return found


def explain(writer, found):
    """Set the writer's model to what the node holds; AssertionError if nothing explains it."""
    model = dict(writer.model)
    for operation in [*writer.pending, None]:
        if model == found:
            writer.model = model
            return
        if operation is not None:
            operation.apply(model)
    wrong = {key for key in {*writer.model, *found} if writer.model.get(key) != found.get(key)}
    lines = [f"  {key!r}: acknowledged {shorten(writer.model.get(key))}, found "
             f"{shorten(found.get(key))}" for key in sorted(wrong)[:20]]
    raise AssertionError(
        f"database {writer.database}: no prefix of {len(writer.pending)} unanswered commands "
        f"explains {len(wrong)} of {len(found)} keys:\n" + "\n".join(lines))


def shorten(row):
    return row if row is None else (row[0][:20], len(row[0]), row[1])


class Round:
    """One stretch of load by several writers; `models` carries on from round to round."""

    def __init__(self, node, models, seed):
        self.node = node
        self.writers = [Writer(node.port, database, f"{seed}/{database}", model)
                        for database, model in models.items()]

    def load(self, seconds):
        """At least so long, and on a busy machine until something has happened."""
        for writer in self.writers:
            writer.start()
        time.sleep(seconds)
        eventually(lambda: sum(writer.acknowledged for writer in self.writers) > ACKNOWLEDGED_MIN
                   or not all(writer.is_alive() for writer in self.writers))

    def end(self):
        """Wait for the writers, whose node is gone; how many commands were acknowledged."""
        for writer in self.writers:
            writer.stopping = True
            writer.join(120)
            assert not writer.is_alive(), "a writer waits for ever"
            if writer.failure:
                raise writer.failure
        return sum(writer.acknowledged for writer in self.writers)

    def compare(self):
        """Every database against its writer; the new models."""
        for writer in self.writers:
            explain(writer, contents(self.node.port, writer.database))
        return {writer.database: writer.model for writer in self.writers}
