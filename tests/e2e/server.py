"""A node as a process of its own: started, stopped, killed, started again on the same data.

    with Node(folder, "--appendfsync", "always") as node:
        node.client().set("a", "1")         redis-py
        node.link().ask(b"GET", b"a")       raw replies
        node.kill(); node.start()

Options given to `start` hold for that run alone. What the node prints is in `node.log`.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import redis

from tests.e2e.two_servers import TIMEOUT_S, Link, free_port

ROOT = Path(__file__).parents[2]


class Node:
    """`inside` is put in front of its command: it may run in another network namespace, at `host`."""

    def __init__(self, folder, *options, host="127.0.0.1", inside=()):
        self.folder = Path(folder)
        self.host, self.inside = host, inside
        self.data = self.folder / "data"
        self.log_file = self.folder / "log"
        self.port = free_port()
        self.options = options
        self.process = None
        self.opened = []

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        for thing in self.opened:
            thing.close()
        if self.process is not None and self.process.poll() is None:
            self.kill()

    # -- the process --------------------------------------------------------------------------

    def command(self, *options):
        return [*self.inside, sys.executable, "-m", "resp_kv", "serve", "--port", str(self.port),
                "--dir", str(self.data), *self.options, *options]

    def start(self, *options, wait=True, **popen):
        with open(self.log_file, "ab") as output:
            self.process = subprocess.Popen(
                self.command(*options), stdout=output, stderr=output, cwd=ROOT, **popen)
        if wait:
            self.wait_until_up()

    def wait_until_up(self):
        """It answers, be it with an error: the kernel takes connections before that."""
        end = time.monotonic() + TIMEOUT_S
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with socket.create_connection((self.host, self.port), TIMEOUT_S) as sock:
                    sock.sendall(b"PING\r\n")
                    if sock.recv(100):
                        return
            except OSError:
                pass
            time.sleep(0.02)
        raise RuntimeError(f"the node did not start (exit status {self.process.poll()}):\n"
                           f"{self.log[-3000:]}")

    def stop(self):
        """SIGTERM; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(TIMEOUT_S)

    def kill(self):
        """SIGKILL: no last words."""
        self.process.kill()
        self.process.wait(TIMEOUT_S)

    def restart(self):
        assert self.stop() == 0, self.log[-3000:]
        self.start()

    @property
    def log(self):
        return self.log_file.read_text(errors="replace")

    @property
    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")

    # -- clients ------------------------------------------------------------------------------

    def client(self, **options):
        """redis-py; no retries, so that a test sees what happens."""
        options = {"socket_timeout": TIMEOUT_S, **options}
        client = redis.Redis(self.host, self.port, retry=redis.retry.Retry(
            redis.backoff.NoBackoff(), 0), **options)
        self.opened.append(client)
        return client

    def link(self):
        """Raw commands and replies over one socket."""
        link = Link(self.port, self.host)
        self.opened.append(link)
        return link

    def socket(self):
        sock = socket.create_connection((self.host, self.port), TIMEOUT_S)
        self.opened.append(sock)
        return sock


def read_reply_line(sock):
    """One line, read byte by byte so that nothing behind it is swallowed."""
    line = b""
    while not line.endswith(b"\r\n"):
        piece = sock.recv(1)
        if not piece:
            return line
        line += piece
    return line


def read_to_end(sock):
    """Everything until the server closes; a reset counts as a close."""
    parts = []
    try:
        while piece := sock.recv(65536):
            parts.append(piece)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def eventually(condition, seconds=TIMEOUT_S):
    """Wait until `condition()` holds; its value."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.02)
