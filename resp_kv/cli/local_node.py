"""One node of a local cluster as a process of this machine, whoever started it.

DIR/node-N/pid holds the process number of node N. Numbers are used again by the system, so a
number alone proves nothing: the process counts as the node only while its command line names
DIR/node-N as its data folder. A node whose pid file is lost is found by asking its port. From then
on it is held by a pidfd (Linux 5.3), which becomes readable when the process ends, its parent or
not, and never means another process.

A node is a session of its own: Ctrl-C in the terminal reaches `resp-kv local` alone, which then
stops the nodes in its manner; and when `resp-kv local` is killed, its nodes go on.
"""

import itertools
import os
import select
import signal
import socket
import subprocess
import sys

from resp_kv.cli.failure import Failure

PROGRAM = (sys.executable, "-m", "resp_kv", "serve")
ADDRESS = "127.0.0.1"
ASK_S = 2.0


class NodeProcess:
    """`number` counts from 1; `folder` is its data folder, beside whose data lie pid and log."""

    def __init__(self, number, layout, folder):
        self.number = number
        self.place = layout.places[number - 1]
        self.layout = layout
        self.folder = folder
        self.log = folder / "node.log"
        self.pid_file = folder / "pid"
        self.data = os.path.realpath(folder)
        self.pid = self.pidfd = self.child = None

    # -- finding and starting -----------------------------------------------------------------

    def find(self) -> bool:
        """Whether it runs already; from then on it is watched."""
        if self._adopt(self._remembered_pid()):
            return True
        if not self._adopt(self._answering_pid()):
            return False
        self._remember()
        return True

    def check_ports(self) -> None:
        """Failure when another program has one of them."""
        for port in (self.place.port, self.place.bus_port):
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                try:
                    probe.bind((ADDRESS, port))
                except OSError as error:
                    what = "bus port" if port == self.place.bus_port else "port"
                    raise Failure(
                        f"{what} {port} of node {self.number} cannot be had ({error.strerror}): "
                        "stop the program that uses it, or choose another --port (and another "
                        "--dir, if there is a cluster in this one)"
                    ) from None

    def start(self) -> None:
        """Failure when the process cannot be made; a node that stops at once shows later."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(self.log, "ab") as log:
                self.child = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL, stdout=log,
                                              stderr=log, start_new_session=True)
        except OSError as error:
            raise Failure(f"cannot start node {self.number}: {error}") from None
        self.pid, self.pidfd = self.child.pid, os.pidfd_open(self.child.pid)
        self._remember()

    def command(self):
        place = self.place
        seeds = [f"{ADDRESS}:{each.bus_port}" for each in self.layout.places]
        name = f"node-{self.number}"
        return [
            *PROGRAM, *self.layout.directives(),
            "--bind", ADDRESS, "--port", str(place.port), "--dir", self.data,
            "--cluster-enabled", "yes", "--cluster-seeds", " ".join(seeds),
            "--node-dc", place.dc, "--node-rack", name, "--node-weight", place.weight,
            # Copies go to different machines only; here each node plays one.
            "--node-server", name,
        ]

    # -- the process --------------------------------------------------------------------------

    @property
    def started_here(self):
        return self.child is not None

    def ended(self, wait_s=0.0) -> bool:
        return self.pidfd is None or bool(select.select([self.pidfd], [], [], wait_s)[0])

    def signal(self, number) -> None:
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            pass

    def end(self) -> str:
        """How it ended, in words; forgets the process."""
        status = self.child.wait() if self.started_here else None
        os.close(self.pidfd)
        self.pidfd = None
        if self._remembered_pid() == self.pid:
            self.pid_file.unlink(missing_ok=True)
        if status is None:
            return "ended"
        if status < 0:
            return f"was killed by {signal.Signals(-status).name}"
        return "stopped" if status == 0 else f"ended with exit status {status}"

    def last_words(self) -> str:
        """The last line of its log."""
        try:
            lines = self.log.read_text(errors="replace").split("\n")
        except OSError:
            return ""
        return next((line.strip() for line in reversed(lines) if line.strip()), "")

    # -- asking it ----------------------------------------------------------------------------

    def lacks(self) -> str | None:
        """What keeps it from being ready, or None."""
        try:
            reply = ask(self.place.port, "PING", password=self._password())
            if reply != "PONG":
                return f"answers PING with {reply!r}"
            reply = ask(self.place.port, "CLUSTER", "INFO", password=self._password())
        except OSError:
            return "does not answer"
        lines = dict(line.partition(":")[::2] for line in reply.splitlines())
        if lines.get("cluster_state") == "ok":
            return None
        return f"says cluster_state:{lines.get('cluster_state', 'unknown')}"

    def _password(self):
        words = list(self.layout.directives())
        at = [i for i, word in enumerate(words) if word == "--requirepass"]
        return words[at[-1] + 1] if at else ""

    # -- who is the process of this node ------------------------------------------------------

    def _adopt(self, pid):
        if pid is None:
            return False
        try:
            pidfd = os.pidfd_open(pid)
        except OSError:
            return False
        # After it was opened: from now on the number cannot pass to another process.
        if not self._is_mine(pid) or select.select([pidfd], [], [], 0)[0]:
            os.close(pidfd)
            return False
        self.pid, self.pidfd = pid, pidfd
        return True

    def _is_mine(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as file:
                words = file.read().split(b"\0")
        except OSError:
            return False
        return (b"--dir", os.fsencode(self.data)) in itertools.pairwise(words)

    def _remember(self):
        beside = self.folder / "pid.new"
        beside.write_text(f"{self.pid}\n")
        os.replace(beside, self.pid_file)

    def _remembered_pid(self):
        try:
            pid = int(self.pid_file.read_text())
        except (OSError, ValueError):
            return None
        return pid if pid > 0 else None

    def _answering_pid(self):
        try:
            reply = ask(self.place.port, "INFO", "server", password=self._password())
        except OSError:
            return None
        lines = dict(line.partition(":")[::2] for line in reply.splitlines())
        number = lines.get("process_id", "")
        return int(number) if number.isdecimal() and int(number) > 0 else None


def ask(port, *words, password="", timeout_s=ASK_S):
    """The text of a simple, integer or bulk reply; an error reply begins with `-`. OSError when
    nothing sensible came."""
    with socket.create_connection((ADDRESS, port), timeout_s) as sock:
        sock.settimeout(timeout_s)
        with sock.makefile("rwb") as stream:
            if password:
                _exchange(stream, "AUTH", password)
            return _exchange(stream, *words)


def _exchange(stream, *words):
    stream.write(b"*%d\r\n" % len(words))
    for word in map(os.fsencode, words):
        stream.write(b"$%d\r\n%s\r\n" % (len(word), word))
    stream.flush()
    line = stream.readline(65_536).decode("utf-8", "replace").rstrip("\r\n")
    if line.startswith("$") and line[1:].isdecimal():
        return stream.read(int(line[1:]) + 2)[:-2].decode("utf-8", "replace")
    if line.startswith(("+", ":")):
        return line[1:]
    if line.startswith("-"):
        return line
    raise ConnectionError("no reply of a server like ours")
