"""Servers as processes: start, wait until they answer, read what the kernel counted for them, stop.

CPU time is utime + stime of /proc/PID/stat, all threads included, in steps of one clock tick
(10 ms): measure for a second or more.
"""

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")
START_S_MAX = 120
SETTLE_S_MAX = 60
IDLE_SHARE = 0.04             # of one core: what a server does that has nothing to do


class Server:
    """A running server process on 127.0.0.1. `directory` None: a new one that goes with it."""

    def __init__(self, name, command, port, directory=None):
        self.name, self.port = name, port
        self.temporary = directory is None
        self.directory = directory or tempfile.mkdtemp(prefix=f"bench-{name}-")
        self.output = os.path.join(self.directory, "output.log")
        began = time.monotonic()
        with open(self.output, "ab") as output:
            self.process = subprocess.Popen(command(port, self.directory), stdout=output,
                                            stderr=subprocess.STDOUT)
        self.wait_until_it_answers()
        self.start_seconds = time.monotonic() - began

    def wait_until_it_answers(self):
        deadline = time.monotonic() + START_S_MAX
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"{self.name} ended at once, see {self.output}")
            try:
                if self.ask("PING") == b"+PONG\r\n":
                    return
            except OSError:
                pass
            time.sleep(0.01)
        raise RuntimeError(f"{self.name} does not answer on port {self.port}")

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=60)

    def ask(self, line):
        """The raw reply to one short inline command; b"-LOADING..." counts as no answer."""
        with self.connect() as sock:
            sock.sendall(line.encode() + b"\r\n")
            reply = sock.recv(65536)
            if reply.startswith(b"$"):
                head, _, rest = reply.partition(b"\r\n")
                size = int(head[1:])
                while len(rest) < size + 2:
                    rest += sock.recv(65536)
                return rest[:size]
            return reply

    def info(self, section=""):
        """INFO as a dict of texts."""
        lines = self.ask(f"INFO {section}").decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

    def cpu_seconds(self):
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii") as file:
            fields = file.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND

    def rss_bytes(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def disk_bytes(self):
        total = 0
        for folder, _, names in os.walk(self.directory):
            for name in names:
                try:
                    total += os.stat(os.path.join(folder, name)).st_blocks * 512
                except FileNotFoundError:
                    pass
        return total

    def settle(self):
        """Wait until the work it has put off (flush, compaction) is done; seconds waited."""
        began = time.monotonic()
        while time.monotonic() - began < SETTLE_S_MAX:
            before = self.cpu_seconds()
            time.sleep(0.3)
            if self.cpu_seconds() - before <= 0.3 * IDLE_SHARE:
                break
        return time.monotonic() - began

    def stop(self, kill=False):
        if self.process.poll() is None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(timeout=120)
        if self.temporary:
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.stop()


def resp_kv(*directives):
    """A command that starts resp-kv with these directives."""
    return lambda port, directory: [sys.executable, "-m", "resp_kv", "serve", "--port", str(port),
                                    "--dir", directory, *directives]


def redis(*directives):
    """A command that starts redis-server with an append-only file, as durable as ours."""
    def command(port, directory):
        return ["redis-server", "--port", str(port), "--dir", directory, "--save", "",
                "--appendonly", "yes", "--appendfsync", "everysec", *directives]
    return command


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]
