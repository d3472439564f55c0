"""One node as its commands see it: databases, clients, counters, settings, and the host's doors.

No command reaches the outside world by itself. Time is `now_ms`, which the driver sets once a turn;
what needs processes, files or threads goes through `host` (host.py). So a node runs the same in a
test on a virtual clock.
"""

import time

import resp_kv
from resp_kv.commands.table import COMMANDS
from resp_kv.consistency import usual_flags
from resp_kv.host import Host
from resp_kv.latency import LatencyMonitor
from resp_kv.line import Line
from resp_kv.slowlog import SlowLog
from resp_kv.stats import Stats
from resp_kv.traffic import Traffic

BUS_PORT_OFFSET = 10000
PAUSED = {None: 0, "write": 1, "all": 2}     # as traffic.pxd numbers them


class Node:
    """`keyspaces` are the logical databases in order; `clients` maps client id to Connection.

    node_id   40 hex digits, kept with the data       run_id   40 hex digits, new at every start
    wall_ns   the clock behind TIME alone; everything else uses now_ms
    """

    def __init__(self, config, keyspaces, *, node_id, run_id, now_ms, host=None, traffic=None,
                 wall_ns=time.time_ns):
        self.config, self.keyspaces, self.host = config, keyspaces, host or Host()
        self.node_id, self.run_id = node_id, run_id
        self.now_ms = self.started_ms = now_ms
        self.wall_ns = wall_ns
        self.version = resp_kv.__version__
        self.commands = COMMANDS
        self.clients = {}
        self.traffic = traffic or Traffic()
        self.stats = Stats(self.traffic, keyspaces[0].writer)
        self.slowlog = SlowLog(config)
        self.latency = LatencyMonitor(config, self)
        self.pause_until_ms, self.pause_mode = 0, None
        self.current_client = None      # whose command is running, for CLIENT KILL
        self.replicator = None          # where commands with keys go while traffic.replicated
        self.cluster = None             # what CLUSTER and KV commands know: see cluster_view.py
        self.follow_config()

    def follow_config(self):
        """Keep what the compiled path reads in step with CONFIG SET."""
        watched = {"slowlog-log-slower-than": self.set_slow_usec,
                   "latency-monitor-threshold": self.set_slow_usec,
                   "latency-tracking": self.set_tracking,
                   "client-query-buffer-limit": self.set_query_limit}
        for name, apply in watched.items():
            apply(self.config.get(name))
            self.config.subscribe(name, apply)

    def set_slow_usec(self, _):
        """From where on `note_slow` wants to hear of a command: slow log or latency monitor."""
        slow_usec = self.config.get("slowlog-log-slower-than")
        threshold_usec = self.latency.threshold_ms * 1000
        limits = [limit for limit in (slow_usec, threshold_usec or -1) if limit >= 0]
        self.traffic.slow_usec = min(limits, default=-1)

    def set_tracking(self, tracking):
        self.traffic.tracking = tracking

    def set_query_limit(self, limit_bytes):
        self.traffic.query_bytes_max = limit_bytes

    def new_line(self, client):
        """A client's line of replies from replicas, None while there are none."""
        if self.replicator is None or self.replicator.coordinator is None:
            return None
        line = Line(self.replicator.coordinator, self.traffic, client, self.keyspaces[0].writer,
                    self.note_replica_error)
        self.follow_defaults(line)
        return line

    def follow_defaults(self, line):
        """The levels and time-outs of the configuration, until the client chooses others."""
        line.follow_defaults()
        line.flags = usual_flags(self.config)

    def note_replica_error(self, text):
        self.traffic.errors += 1
        self.stats.note_error(text.partition(" ")[0])

    def use_replicator(self, replicator, replicated):
        """From now on commands with keys go to replicas, if `replicated`; KV commands in any case."""
        self.replicator, self.traffic.replicated = replicator, replicated
        for client in list(self.clients.values()):
            client.use_line(self.new_line(client))

    @property
    def cluster_enabled(self):
        return self.config.get("cluster-enabled")

    @property
    def announce(self):
        """(host, port, bus port) to tell cluster clients; host "" means: as they reached us."""
        get = self.config.get
        port = get("cluster-announce-port") or get("port")
        bus_port = (get("cluster-announce-bus-port") or get("cluster-port")
                    or get("port") + BUS_PORT_OFFSET)
        return (get("cluster-announce-ip"), port, bus_port)

    def swap_databases(self, a, b):
        """Exchange the contents of two logical databases."""
        first, second = self.keyspaces[a], self.keyspaces[b]
        first.database, second.database = second.database, first.database
        self.host.database_map_changed([keyspace.database for keyspace in self.keyspaces])

    def pause(self, until_ms, mode):
        """CLIENT PAUSE: hold back commands, "all" or "write". Of two pauses the stricter wins."""
        if self.pause_mode is not None and self.now_ms < self.pause_until_ms:
            until_ms = max(until_ms, self.pause_until_ms)
            mode = "all" if "all" in (mode, self.pause_mode) else "write"
        self.pause_until_ms, self.pause_mode = until_ms, mode
        self.traffic.paused = PAUSED[mode]

    def unpause(self):
        """CLIENT UNPAUSE, or the end of the time."""
        self.pause_until_ms, self.pause_mode = 0, None
        self.traffic.paused = PAUSED[None]
        self.host.wake_paused()

    def note_slow(self, row, usec, args, client):
        """A command took at least `traffic.slow_usec`; called by the dispatcher."""
        slow_usec = self.config.get("slowlog-log-slower-than")
        if 0 <= slow_usec <= usec and "skip_slowlog" not in row.flags:
            self.slowlog.note(self.now_ms // 1000, usec, args, client)
        self.latency.note("command", usec // 1000)
