"""A real Redis and a resp-kv as processes of their own, and a link that hands over raw replies."""

import contextlib
import random
import socket
import subprocess
import sys
import time

TIMEOUT_S = 120             # no test waits so long on purpose: it is for machines that are busy
PORTS = (10_500, 20_500)    # bus ports begin where these end, and end below those of outgoing connections


def free_port():
    """A port that is free together with its bus port, 10,000 higher.

    None that the kernel gives to whoever connects somewhere: it could be gone again before the
    server is up, or while it is down between two starts.
    """
    while True:
        port = random.randrange(*PORTS)
        try:
            for number in (port, port + 10_000):
                with socket.socket() as probe:
                    probe.bind(("127.0.0.1", number))
        except OSError:
            continue
        return port


@contextlib.contextmanager
def _serving(command, port, folder):
    """Run a server until the end of the block; gives its port once it answers."""
    with open(folder / "output", "wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        _wait_until_up(process, port, folder)
        yield port
    finally:
        process.terminate()
        try:
            process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_until_up(process, port, folder):
    end = time.monotonic() + TIMEOUT_S
    while time.monotonic() < end and process.poll() is None:
        try:
            link = Link(port)
        except OSError:
            time.sleep(0.05)
            continue
        link.close()
        return
    raise RuntimeError(f"the server did not start: {(folder / 'output').read_text()[-2000:]}")


def redis_server(folder):
    port = free_port()
    return _serving(["redis-server", "--port", str(port), "--save", "", "--dir", str(folder)],
                    port, folder)


def resp_kv_server(folder, *options):
    port = free_port()
    return _serving([sys.executable, "-m", "resp_kv", "serve", "--port", str(port),
                     "--dir", str(folder), *options], port, folder)


def encoded(words):
    """One command in RESP."""
    return b"*%d\r\n" % len(words) + b"".join([b"$%d\r\n%s\r\n" % (len(w), w) for w in words])


class Link:
    """One connection. `ask` gives the reply as the bytes that came, `value` as Python values."""

    def __init__(self, port, host="127.0.0.1"):
        self.socket = socket.create_connection((host, port), TIMEOUT_S)
        self.stream = self.socket.makefile("rb")

    def close(self):
        self.stream.close()
        self.socket.close()

    def ask(self, *words):
        return self.ask_all([words])[0]

    def ask_all(self, commands):
        """Send all commands at once; the raw replies in order."""
        self.socket.sendall(b"".join([encoded(words) for words in commands]))
        return [self._reply() for _ in commands]

    def value(self, *words):
        return self.parse(self.ask(*words))

    def _reply(self):
        line = self.stream.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind in b"$=!" and rest != b"-1":
            return line + self.stream.read(int(rest) + 2)
        if kind in b"*~>%" and rest != b"-1":
            count = int(rest) * (2 if kind == b"%" else 1)
            return line + b"".join([self._reply() for _ in range(count)])
        return line

    @classmethod
    def parse(cls, reply):
        return cls._parsed(reply, 0)[0]

    @classmethod
    def split(cls, reply):
        """The elements of an array reply, each as it came."""
        at, elements = reply.index(b"\r\n") + 2, []
        while at < len(reply):
            end = cls._parsed(reply, at)[1]
            elements.append(reply[at:end])
            at = end
        return elements

    @classmethod
    def _parsed(cls, text, at):
        end = text.index(b"\r\n", at)
        kind, rest, at = text[at:at + 1], text[at + 1:end], end + 2
        if kind in b"$=" and rest != b"-1":
            return text[at:at + int(rest)], at + int(rest) + 2
        if kind in b"*~>%" and rest != b"-1":
            values = []
            for _ in range(int(rest) * (2 if kind == b"%" else 1)):
                value, at = cls._parsed(text, at)
                values.append(value)
            return values, at
        if kind == b":":
            return int(rest), at
        return (None if kind in b"_$*" else rest), at
