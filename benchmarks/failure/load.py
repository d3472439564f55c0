"""The clients: SET and GET from many connections, each of which goes to another node when its own fails.

One process, one epoll set, one command under way per connection. Two ways to drive it:

    closed   a connection sends its next command when the last one is answered: throughput
    open     commands are due at a fixed rate, whoever is free takes the next one, and latency counts from
             when it was due: one that waited behind a slow one is slow itself (Schroeder, Wierman,
             Harchol-Balter, "Open Versus Closed", 2006)

A command that is not answered within CLIENT_TIMEOUT_S, or whose connection breaks, has an unknown outcome.
Its connection is opened again at the next node, as clients with a list of nodes do, and its node is left
alone for AVOID_S. Nothing is sent twice.

A key belongs to one connection, and its value is a number that only grows. So every read can be judged: not
less than what was acknowledged before it began, not more than what was ever sent. A write of unknown outcome
may take effect at any time: a frozen node finds it in its socket when it wakes up, and its client is gone.
"""

import collections
import gc
import pickle
import random
import select
import signal
import socket
import subprocess
import sys
import time
from array import array
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]

CLIENT_TIMEOUT_S = 1.0
AVOID_S = 60.0
SWEEP_S = 0.05
VALUE_BYTES = 100
OK, UNKNOWN, ERROR, WRONG = range(4)


@dataclass
class Spec:
    """What a run does. `rate` None: closed."""

    addresses: list
    seconds: float
    seed: int
    rate: float | None = None
    connections: int = 24
    keys_each: int = 400
    write_share: float = 0.5
    prefix: str = "k"
    past: "History" = None                               # of the runs before


@dataclass
class History:
    """By key: the greatest number that was acknowledged, that was sent, and those nobody answered."""

    acknowledged: dict = field(default_factory=dict)
    sent: dict = field(default_factory=dict)
    unknown: dict = field(default_factory=dict)

    def allows(self, key, found, floor):
        return floor <= found <= self.sent.get(key, 0) or found in self.unknown.get(key, ())


@dataclass
class Result:
    """Parallel arrays, one entry per command in the order in which they ended; seconds since `began`."""

    began: float                                         # time.monotonic()
    ended_s: array = field(default_factory=lambda: array("d"))
    latency_s: array = field(default_factory=lambda: array("d"))
    node: array = field(default_factory=lambda: array("b"))
    outcome: array = field(default_factory=lambda: array("b"))
    texts: list = field(default_factory=list)            # (seconds, node, outcome, text)
    history: History = None


class Connection:
    def __init__(self, number, node, keys):
        self.number, self.node, self.keys = number, node, keys
        self.sock = None
        self.busy = self.connecting = False
        self.due = self.expires = 0.0
        self.key = self.writing = self.floor = None
        self.waiting = b""
        self.received = b""


class Load:
    def __init__(self, spec):
        self.spec, self.random = spec, random.Random(spec.seed)
        self.epoll, self.by_fd = select.epoll(), {}
        self.history = spec.past or History()
        self.acknowledged, self.sent = self.history.acknowledged, self.history.sent
        self.number = max(self.sent.values(), default=0)
        self.padding = b" " * (VALUE_BYTES - 12)
        self.avoided, self.stopping = {}, False
        self.idle = collections.deque()
        self.result = Result(0.0)
        self.connections = [
            Connection(i, i % len(spec.addresses),
                       [b"%s:%d:%d" % (spec.prefix.encode(), i, k) for k in range(spec.keys_each)])
            for i in range(spec.connections)]
        self.keys = [key for each in self.connections for key in each.keys]

    def start(self):
        gc.disable()
        for connection in self.connections:
            self.open(connection)
        self.result.began = time.monotonic()

    def run(self):
        began = self.result.began
        end, sweep = began + self.spec.seconds, began
        due, rate = began, self.spec.rate
        while (now := time.monotonic()) < end and not self.stopping:
            if rate:
                while due <= now and self.idle:
                    self.send(self.idle.popleft(), due, now)
                    due += 1 / rate
                wait = min(max(due - now, 0), SWEEP_S) if self.idle else SWEEP_S
            else:
                while self.idle:
                    self.send(self.idle.popleft(), now, now)
                wait = SWEEP_S
            for fd, events in self.epoll.poll(wait):
                connection = self.by_fd.get(fd)
                if connection is not None:
                    self.ready(connection, events)
            if now >= sweep:
                sweep = now + SWEEP_S
                self.expire(now)
        self.result.history = self.history
        return self.result

    # -- connections --------------------------------------------------------------------------

    def open(self, connection):
        sock = socket.socket()
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sock, connection.connecting, connection.received = sock, True, b""
        connection.expires = time.monotonic() + CLIENT_TIMEOUT_S
        sock.connect_ex(tuple(self.spec.addresses[connection.node]))
        self.by_fd[sock.fileno()] = connection
        self.epoll.register(sock, select.EPOLLOUT)

    def move(self, connection, why):
        """To another node; what was under way has an unknown outcome."""
        now = time.monotonic()
        if connection.busy:
            self.left_open(connection)
            self.end(connection, UNKNOWN, why)
        elif not connection.connecting:
            self.idle.remove(connection)
        self.by_fd.pop(connection.sock.fileno(), None)
        self.epoll.unregister(connection.sock)
        connection.sock.close()
        self.avoided[connection.node] = now + AVOID_S
        count = len(self.spec.addresses)
        others = [(connection.node + step) % count for step in range(1, count + 1)]
        connection.node = next((node for node in self.spread(connection, others)
                                if self.avoided.get(node, 0) <= now), others[0])
        self.open(connection)

    def spread(self, connection, nodes):
        """Not all to the same: each begins its search somewhere else."""
        first = connection.number // len(self.spec.addresses) % len(nodes)
        return nodes[first:] + nodes[:first]

    def ready(self, connection, events):
        if connection.connecting:
            if connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
                self.move(connection, "refused")
                return
            connection.connecting = False
            self.epoll.modify(connection.sock, select.EPOLLIN)
            self.idle.append(connection)
            return
        try:
            text = connection.sock.recv(65536)
        except BlockingIOError:
            return
        except OSError as error:
            self.move(connection, str(error))
            return
        if not text:
            self.move(connection, "closed")
            return
        connection.received += text
        reply = whole_reply(connection.received)
        if reply is not None:
            self.answered(connection, reply)

    def expire(self, now):
        for connection in self.connections:
            if (connection.busy or connection.connecting) and connection.expires <= now:
                self.move(connection, "timeout")

    # -- commands -----------------------------------------------------------------------------

    def send(self, connection, due, now):
        connection.writing = self.random.random() < self.spec.write_share
        if connection.writing:
            key = self.random.choice(connection.keys)
            self.number += 1
            self.sent[key] = connection.floor = self.number
            value = b"%012d%s" % (self.number, self.padding)
            text = b"*3\r\n$3\r\nSET\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (len(key), key, len(value), value)
        else:
            key = self.random.choice(self.keys)
            connection.floor = self.acknowledged.get(key, 0)
            text = b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(key), key)
        connection.key, connection.busy, connection.due = key, True, due
        connection.expires = now + CLIENT_TIMEOUT_S
        try:
            connection.sock.send(text)
        except OSError as error:
            self.move(connection, str(error))

    def answered(self, connection, reply):
        connection.received = b""
        if reply.startswith(b"-"):
            self.left_open(connection)
            self.end(connection, ERROR, reply.decode(errors="replace").strip())
        elif connection.writing:
            key = connection.key
            self.acknowledged[key] = max(connection.floor, self.acknowledged.get(key, 0))
            self.end(connection, OK)
        else:
            found = 0 if reply.startswith(b"$-1") else int(reply[reply.index(b"\n") + 1:][:12])
            if self.history.allows(connection.key, found, connection.floor):
                self.end(connection, OK)
            else:
                self.end(connection, WRONG, f"{connection.key!r}: {found}, not {connection.floor} or newer")
        self.idle.append(connection)

    def left_open(self, connection):
        if connection.writing:
            self.history.unknown.setdefault(connection.key, set()).add(connection.floor)

    def end(self, connection, outcome, text=""):
        now, result = time.monotonic(), self.result
        connection.busy = False
        result.ended_s.append(now - result.began)
        result.latency_s.append(now - connection.due)
        result.node.append(connection.node)
        result.outcome.append(outcome)
        if outcome != OK:
            result.texts.append((now - result.began, connection.node, outcome, text))


def whole_reply(text):
    """The reply if all of it is there: a line, or a bulk string."""
    head, found, rest = text.partition(b"\r\n")
    if not found:
        return None
    if head[:1] == b"$" and head != b"$-1" and len(rest) < int(head[1:]) + 2:
        return None
    return text


class Running:
    """A load in a process of its own; `began` is the time.monotonic() of its first command."""

    def __init__(self, spec):
        self.process = subprocess.Popen(
            [sys.executable, "-c", "from benchmarks.failure.load import serve; serve()"], cwd=ROOT,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        pickle.dump(spec, self.process.stdin)
        self.process.stdin.close()
        self.began = pickle.load(self.process.stdout)

    def wait_until(self, second):
        time.sleep(max(0, self.began + second - time.monotonic()))

    def stop(self):
        """End it before its time."""
        self.process.terminate()

    def result(self):
        result = pickle.load(self.process.stdout)
        if self.process.wait():
            raise RuntimeError("the load generator failed")
        return result


def serve():
    """What the process of Running does."""
    load, out = Load(pickle.load(sys.stdin.buffer)), sys.stdout.buffer
    signal.signal(signal.SIGTERM, lambda *_: setattr(load, "stopping", True))
    load.start()
    pickle.dump(load.result.began, out)
    out.flush()
    pickle.dump(load.run(), out)
