"""`resp-kv local`: a cluster of real node processes on this machine, in one command.

    settle the layout -> find what runs -> start what is missing -> wait until all are ready
        -> table -> watch: a node that ends is one line, the others go on
        -> Ctrl-C, SIGTERM or SIGHUP: stop the nodes that were started here

Whoever starts a node stops it. A second `resp-kv local` on the same folder starts only what is
missing and, at its end, stops only that; `--stop` stops all, whoever started them. Starting is
done by one at a time (a lock on DIR/lock), so that no node is started twice.
"""

import contextlib
import fcntl
import os
import selectors
import signal
import socket
import time
from pathlib import Path

from resp_kv.cli import local_layout
from resp_kv.cli.failure import Failure
from resp_kv.cli.local_node import ADDRESS, NodeProcess

POLL_S = 0.1
STOP_S = 30.0                    # a node flushes its memtable; then it is killed
KILL_S = 10.0
AS_ASKED = ("stopped", "ended", "was killed by SIGTERM", "was killed by SIGKILL")
WIDTH = 160                      # of the table where there is no terminal
STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def local(folder: Path, wish: local_layout.Wish, wait_s: float) -> int:
    """Runs until it is told to stop or no node that it started is left; the exit status."""
    with Signals() as signals, contextlib.ExitStack() as until_stopped:
        with _alone(folder):
            layout = local_layout.settle(folder, wish)
            nodes = _nodes(folder, layout)
            missing = [node for node in nodes if not node.find()]
            for node in missing:
                node.check_ports()
            local_layout.write(folder, layout)      # not before: other ports may be asked for next
            until_stopped.callback(_stop, missing, signals)
            for node in missing:
                node.start()
            if missing:
                _say(f"starting {_names(missing)}; each writes its log to {folder}/node-N/node.log")
            if not _wait_until_ready(nodes, signals, wait_s):
                return 0
        _print_table(nodes, missing)
        if not missing:
            _say(f"nothing to start: all run already; resp-kv local --stop --dir {folder} stops them")
            return 0
        _say(f"to try it: redis-cli -p {nodes[0].place.port}, or redis-cli -c -p "
             f"{nodes[0].place.port}; Ctrl-C stops {_names(missing)}")
        status = _watch(nodes, missing, signals, folder)
        until_stopped.close()
        _say_who_goes_on(nodes, folder)
        return status


def stop(folder: Path) -> None:
    """Stops every node of the folder, whoever started it."""
    layout = local_layout.read(folder)
    if layout is None:
        raise Failure(f"{folder} holds no local cluster: there is no {folder}/cluster.json")
    with Signals() as signals:
        nodes = [node for node in _nodes(folder, layout) if node.find()]
        if not nodes:
            _say("no node runs")
        _stop(nodes, signals)


class Signals:
    """Tells of signals that ask to stop. Handlers only note them: nothing is torn in the middle."""

    def __enter__(self):
        self.asked = 0
        self.reader, self.writer = socket.socketpair()
        self.reader.setblocking(False)
        self.writer.setblocking(False)
        self.wakeup_before = signal.set_wakeup_fd(self.writer.fileno())
        self.before = {number: signal.signal(number, self._note) for number in STOPPING}
        return self

    def __exit__(self, *_):
        for number, handler in self.before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self.wakeup_before)
        self.reader.close()
        self.writer.close()

    def _note(self, number, frame):
        self.asked += 1

    def wait(self, nodes, seconds=None):
        """Until a signal comes, one of the nodes ends, or the time is over; the ended nodes."""
        with selectors.DefaultSelector() as selector:
            selector.register(self.reader, selectors.EVENT_READ)
            for node in nodes:
                selector.register(node.pidfd, selectors.EVENT_READ, node)
            ready = [key.data for key, _ in selector.select(seconds)]
        with contextlib.suppress(BlockingIOError):
            self.reader.recv(4096)
        return [node for node in ready if node is not None]


@contextlib.contextmanager
def _alone(folder):
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / "lock", os.O_CREAT | os.O_WRONLY)
    except OSError as error:
        raise Failure(f"cannot use the folder {folder}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise Failure(f"another resp-kv local is just starting the nodes of {folder}; "
                      "try again when it is done") from None
    finally:
        os.close(lock)


def _nodes(folder, layout):
    return [NodeProcess(number, layout, folder / f"node-{number}")
            for number in range(1, len(layout.places) + 1)]


def _wait_until_ready(nodes, signals, wait_s):
    """True when all are ready, False when a signal came first; Failure names who is not."""
    end = time.monotonic() + wait_s
    waiting = list(nodes)
    while waiting and not signals.asked:
        for node in signals.wait(nodes, POLL_S):
            words = node.last_words()
            raise Failure(f"node {node.number} did not come up: it {node.end()}; its log {node.log} "
                          f"ends with: {words}")
        lacks = {node.number: node.lacks() for node in waiting}
        waiting = [node for node in waiting if lacks[node.number]]
        if waiting and time.monotonic() > end:
            node = waiting[0]
            raise Failure(f"node {node.number} (process {node.pid}) {lacks[node.number]} after "
                          f"{wait_s:g} seconds; see its log {node.log}")
    return not waiting


def _watch(nodes, started, signals, folder):
    """Until a signal comes (0) or all that were started here have ended (0 if each did well)."""
    running, own, status = list(nodes), set(started), 0
    while own and not signals.asked:
        for node in signals.wait(running):
            running.remove(node)
            own.discard(node)
            how = node.end()
            status |= node in started and how != "stopped"
            _say(f"node {node.number} {how}, see {node.log}; resp-kv local --dir {folder} starts it "
                 "again")
    return 0 if own else int(status)


def _stop(nodes, signals):
    """SIGTERM to all at once, SIGKILL to those that take too long or when asked again."""
    asked = signals.asked
    running = [node for node in nodes if node.pidfd is not None]
    if running:
        _say(f"stopping {_names(running)}")
    for node in running:
        node.signal(signal.SIGTERM)
    running = _wait_for_ends(running, signals, STOP_S, lambda: signals.asked > asked)
    for node in running:
        _say(f"node {node.number} (process {node.pid}) does not stop: killed, see {node.log}")
        node.signal(signal.SIGKILL)
    for node in _wait_for_ends(running, signals, KILL_S, lambda: False):
        _say(f"node {node.number} (process {node.pid}) cannot be killed")


def _wait_for_ends(running, signals, seconds, is_enough):
    end = time.monotonic() + seconds
    while running and not is_enough() and time.monotonic() < end:
        for node in signals.wait(running, end - time.monotonic()):
            running.remove(node)
            how = node.end()
            if how not in AS_ASKED:
                _say(f"node {node.number} {how}, see {node.log}")
    return running


def _say_who_goes_on(nodes, folder):
    others = [node for node in nodes if node.pidfd is not None or node.find()]
    if others:
        _say(f"still running, since not started here: {_names(others)}; resp-kv local --stop --dir "
             f"{folder} stops all")


def _print_table(nodes, started):
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if not console.is_terminal:
        console = Console(width=WIDTH)
    table = Table()
    for title in ("node", "address", "bus", "dc", "weight", "pid", "data", "log"):
        table.add_column(title, overflow="fold")
    for node in nodes:
        place = node.place
        table.add_row(str(node.number), f"{ADDRESS}:{place.port}", str(place.bus_port), place.dc,
                      place.weight, f"{node.pid}{'' if node in started else ' (ran already)'}",
                      str(node.folder), str(node.log))
    console.print(table)


def _names(nodes):
    numbers = ", ".join(str(node.number) for node in nodes)
    return f"node {numbers}" if len(nodes) == 1 else f"nodes {numbers}"


def _say(line):
    print(line, flush=True)
