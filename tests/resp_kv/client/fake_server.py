"""A server with KV.GET, KV.SET and KV.DEL over real sockets, and with failures on order.

Versions are as simple as they can be: a dot is a running number, a context is the set of dots that were
seen, written "1,2". `failures` is played in order, one for each KV command:

    b"NOQUORUM ..."     this error, nothing is done
    DROP_BEFORE         the connection breaks before the command is done
    DROP_AFTER          the connection breaks after it
    SILENT              the command is done, and no reply comes
    After(b"TIMEOUT x") the command is done, then this error
    None                no failure
"""

import socketserver
import threading
from collections import deque
from dataclasses import dataclass

DROP_BEFORE, DROP_AFTER, SILENT = "drop before", "drop after", "silent"


@dataclass
class After:
    error: bytes


class FakeServer:
    def __init__(self):
        self.failures = deque()
        self.commands = []                     # KV commands as they came, as text
        self.siblings = {}                     # key -> {dot: value or None}, ascending
        self.siblings_max = 100
        self.dots = 0
        self.lock = threading.Lock()

    def __enter__(self):
        fake = self

        class Client(socketserver.StreamRequestHandler):
            def handle(self):
                fake.serve(self.rfile, self.wfile)

        socketserver.ThreadingTCPServer.daemon_threads = True
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Client)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.05,))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def serve(self, source, sink):
        while line := source.readline():
            words = []
            for _ in range(int(line[1:])):
                length = int(source.readline()[1:])
                words.append(source.read(length + 2)[:-2])
            reply = self.reply(words)
            if reply is None:
                return
            sink.write(reply)
            sink.flush()

    def reply(self, words):
        name = words[0].upper()
        if name == b"HELLO":
            return b"%%2\r\n+server\r\n+redis\r\n+proto\r\n:%s\r\n" % words[1]
        if not name.startswith(b"KV."):
            return b"+OK\r\n"
        with self.lock:
            self.commands.append(b" ".join(words).decode(errors="replace"))
            failure = self.failures.popleft() if self.failures else None
            if isinstance(failure, bytes):
                return b"-%s\r\n" % failure
            if failure == DROP_BEFORE:
                return None
            reply = self.done(name, *words[1:])
            if isinstance(failure, After):
                return b"-%s\r\n" % failure.error
            return {DROP_AFTER: None, SILENT: b""}.get(failure, reply)

    def done(self, name, key, *words):
        siblings = self.siblings.setdefault(key, {})
        if name == b"KV.GET":
            values = list(reversed(siblings.values()))
            return b"*2\r\n" + bulk(self.context(siblings)) + b"*%d\r\n" % len(values) + b"".join(
                map(bulk, values))
        value = None
        if name == b"KV.SET":
            value, *words = words
        seen = dict(zip(words[::2], words[1::2])).get(b"CONTEXT", b"")
        kept = {dot: text for dot, text in siblings.items() if str(dot).encode() not in seen.split(b",")}
        if len(kept) >= self.siblings_max:
            return b"-TOOMANYSIBLINGS read and write with the context\r\n"
        self.dots += 1
        self.siblings[key] = {**kept, self.dots: value}
        return bulk(self.context({self.dots: value}))

    @staticmethod
    def context(siblings):
        return ",".join(map(str, siblings)).encode()

    def values(self, key):
        return list(reversed(self.siblings.get(key, {}).values()))


def bulk(text):
    return b"$-1\r\n" if text is None else b"$%d\r\n%s\r\n" % (len(text), text)
