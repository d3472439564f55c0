"""One node as a process: opens the data, listens, runs the loop, stops cleanly.

    run(config)  -> exit status
"""

import asyncio
import gc
import logging
import os
import secrets
import shutil
import signal
import socket
import sys
import time

import uvloop

from cluster.document import DocumentError
from cluster.hlc import Clock
from cluster.keyspace import Keyspace, Writer
from engine import Engine
from engine.checkpoint import write_checkpoint
from engine.errors import EngineError
from resp_kv import __version__, commands
from resp_kv.commands.index import CommandIndex
from resp_kv.node import Node
from resp_kv.shell.background import Background
from resp_kv.shell.census import Census
from resp_kv.shell.cluster_shell import ClusterShell
from resp_kv.shell.driver import Driver
from resp_kv.shell.file_limit import clients_allowed
from resp_kv.shell.host import ServerHost
from resp_kv.shell.identity import Identity, IdentityError
from resp_kv.shell.logs import start_logging
from resp_kv.shell.options import engine_options
from resp_kv.shell.store import EngineStore

log = logging.getLogger("resp_kv.server")

SYNC_PERIOD_S = 1.0
# Requests come and go by the thousand and leave no cycles behind: looking for some after every 700
# new objects, as Python does by itself, was 5 to 10 % of a busy node's time.
GARBAGE_COLLECTION = (100_000, 20, 100)


def run(config):
    """Serve until SIGTERM, SIGINT or SHUTDOWN. Returns the exit status."""
    start_logging(config)
    gc.set_threshold(*GARBAGE_COLLECTION)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(Server(config).serve())


class Server:
    """Holds the parts of a running node together; each part knows only what it needs."""

    def __init__(self, config):
        self.config = config
        self.directory = config.get("dir")
        self.output_limits = (0, 0, 0)
        self.saving = None
        self.status = 0
        self.tasks = set()

    async def serve(self):
        self.loop = asyncio.get_running_loop()
        self.stopping = asyncio.Event()
        self.save_at_stop = None
        log.info("resp-kv %s starts, process %d", __version__, os.getpid())
        try:
            self.open()
        except (DocumentError, EngineError, IdentityError, OSError) as error:
            log.error("cannot open the data in %s: %s", self.directory, error)
            print(f"resp-kv: {error}", file=sys.stderr)
            return 1
        self.listen()
        if self.cluster is not None:
            self.cluster.listen()
        self.loop.add_reader(self.driver.epoll_fd, self.driver.turn)
        for name in (signal.SIGTERM, signal.SIGINT):
            self.loop.add_signal_handler(name, self.request_stop, None)
        self.start(self.tick_forever())
        self.start(self.sync_every_second())
        self.background.step_soon()
        await self.stopping.wait()
        await self.stop()
        return self.status

    # -- opening ------------------------------------------------------------------------------

    def open(self):
        began = time.monotonic()
        # Without the time: all that comes here has a stamp, and a wrong system clock must leave no trace.
        self.engine = Engine.open(self.directory, engine_options(self.config))
        for report in self.engine.reports:
            log.warning("%s", report)
        self.identity = Identity(self.directory, self.config.get("databases"))
        now_ms = int(time.time() * 1000)
        self.clock = Clock(now_ms, drift_ms_max=self.config.get("max-clock-drift"))
        self.clock.recover(self.engine.greatest_hlc)
        store = EngineStore(self.engine)
        writer = Writer(store, self.clock, self.identity.actor, self.config.get("max-pair-bytes"))
        keyspaces = [Keyspace(writer, self.identity.databases[i])
                     for i in range(self.config.get("databases"))]
        table = commands.load()
        self.node = Node(self.config, keyspaces, node_id=self.identity.node_id,
                         run_id=secrets.token_hex(20), now_ms=now_ms, host=ServerHost(self))
        self.background = Background(
            self.loop, self.engine, self.clock, self.node,
            reader_threads=self.config.get("reader-threads"),
            step_threads=1 + self.config.get("compaction-threads"))
        self.driver = Driver(self.node, store, self.clock, self.node.traffic, CommandIndex(table),
                             self.loop, self.background)
        self.background.driver = self.driver
        self.census = Census(self.engine, self.loop, self.clock)
        self.cluster = None
        if self.config.get("cluster-enabled"):
            self.cluster = ClusterShell(self, store, writer)
            self.cluster.open()
        self.follow_config(writer)
        log.info("data of %s opened in %.3f s", self.directory, time.monotonic() - began)

    def follow_config(self, writer):
        def set_sync(policy):
            self.driver.sync_always = policy == "always"

        def set_pair_limit(limit_bytes):
            writer.pair_bytes_max = limit_bytes

        def set_clients(maxclients):
            self.clients_max = clients_allowed(maxclients)

        def set_output_limits(limits):
            self.output_limits = tuple(limits["normal"])

        def set_siblings(siblings_max):
            writer.siblings_max = siblings_max

        def set_clock_entries(entries_max):
            writer.clock_entries_max = entries_max

        for name, apply in (("appendfsync", set_sync), ("max-pair-bytes", set_pair_limit),
                            ("siblings-max", set_siblings),
                            ("vector-clock-max-entries", set_clock_entries),
                            ("maxclients", set_clients),
                            ("client-output-buffer-limit", set_output_limits)):
            apply(self.config.get(name))
            self.config.subscribe(name, apply)

    def listen(self):
        port = self.config.get("port")
        backlog = self.config.get("tcp-backlog")
        for address in self.config.get("bind") if port else ():
            host = {"*": "0.0.0.0", "::*": "::"}.get(address.lstrip("-"), address.lstrip("-"))
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            try:
                sock = socket.socket(family, socket.SOCK_STREAM)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                sock.bind((host, port))
            except OSError:
                if address.startswith("-"):
                    continue
                raise
            self.listen_on(sock, backlog)
            log.info("ready to accept clients on %s port %d", host, port)
        self.listen_on_path(self.config.get("unixsocket"), backlog)

    def listen_on(self, sock, backlog):
        sock.listen(backlog)
        sock.setblocking(False)
        self.driver.listen(sock)

    def listen_on_path(self, path, backlog):
        if not path:
            return
        if os.path.exists(path):
            os.unlink(path)
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.bind(path)
        mode = self.config.get("unixsocketperm")
        if mode:
            os.chmod(path, mode)
        self.listen_on(sock, backlog)

    # -- regular work -------------------------------------------------------------------------

    async def tick_forever(self):
        """Idle clients, pauses, soft limits, rates: `hz` times a second."""
        while True:
            await asyncio.sleep(1 / min(500, max(1, self.config.get("hz"))))
            self.tick(int(time.time() * 1000))

    def tick(self, now_ms):
        node = self.node
        self.clock.now_ms = node.now_ms = now_ms
        node.stats.tick(now_ms)
        if node.pause_mode is not None and now_ms >= node.pause_until_ms:
            node.unpause()
        timeout_ms = self.config.get("timeout") * 1000
        for client in list(node.clients.values()):
            if timeout_ms and not client.blocked and now_ms - client.last_used_ms >= timeout_ms:
                self.driver.close(client)
            elif client.output_bytes and node.host.output_too_large(client):
                log.warning("client %d at %s is too slow for its replies: closed (directive "
                            "client-output-buffer-limit)", client.id, client.addr)
                self.driver.close(client)
        self.background.step_soon()

    async def sync_every_second(self):
        while True:
            await asyncio.sleep(SYNC_PERIOD_S)
            if self.config.get("appendfsync") != "no":
                self.background.sync_soon()

    def start(self, work):
        """Run a coroutine beside everything else."""
        task = self.loop.create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def save_all(self, token, copy):
        """Move everything written so far to tables; with `copy`, renew the checkpoint too."""
        try:
            while self.engine.stats()["sealed_bytes"]:       # an older flush is under way
                await self.step_or_fail()
            self.engine.seal()
            while self.engine.stats()["sealed_bytes"]:
                await self.step_or_fail()
            if copy:
                async with self.background.no_steps():
                    await self.loop.run_in_executor(None, self.renew_checkpoint)
            self.node.host.last_save_ms = self.node.now_ms
        except (EngineError, OSError) as error:
            token.error = str(error)
        token.done = True

    def renew_checkpoint(self):
        """DIR/checkpoint becomes a copy, by hard links, of all tables; the old one goes."""
        path = os.path.join(self.directory, "checkpoint")
        fresh = path + ".new"
        shutil.rmtree(fresh, ignore_errors=True)
        write_checkpoint(self.engine, fresh)
        shutil.copy(self.identity.path, fresh)
        shutil.rmtree(path, ignore_errors=True)
        os.rename(fresh, path)

    async def step_or_fail(self):
        self.background.step_soon()
        await asyncio.sleep(0.005)
        if self.background.step_error is not None:
            raise OSError(self.background.step_error)

    async def sync_log(self, token):
        target = self.engine.written_position
        self.background.sync_soon()
        while self.engine.synced_position < target and not token.error:
            await asyncio.sleep(0.001)
            token.error = self.engine.stats()["refused"] or None
        token.done = True

    # -- stopping -----------------------------------------------------------------------------

    def request_stop(self, save):
        """`save` None: as configured, which is to flush."""
        if not self.stopping.is_set():
            self.save_at_stop = save
            self.stopping.set()

    async def stop(self):
        """No new clients, what is written goes to disk, the engine closes."""
        log.info("stopping")
        self.loop.remove_reader(self.driver.epoll_fd)
        self.driver.stop_listening()
        if self.cluster is not None:
            self.cluster.stop()
        for client in list(self.node.clients.values()):
            self.driver.close(client)
        await self.background.stop()
        await self.loop.run_in_executor(None, self.census.stop)
        for task in self.tasks:
            task.cancel()
        try:
            if self.save_at_stop is not False:
                await self.loop.run_in_executor(None, self.engine.flush)
            await self.loop.run_in_executor(None, self.engine.sync)
        except (EngineError, OSError) as error:
            log.error("could not flush everything: %s; the log keeps it for the next start", error)
            self.status = 1
        self.engine.close()
        self.remove_files()
        log.info("stopped")

    def remove_files(self):
        for path in (self.config.get("unixsocket"),):
            if path and os.path.exists(path):
                os.unlink(path)
