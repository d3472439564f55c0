"""Every directive: its name, kind, default, whether CONFIG SET may change it, and one sentence.

Names and units are Redis's wherever the meaning is Redis's; those marked `ours` are not known to
Redis. `accepted` ones change nothing here: they exist so that a redis.conf starts and clients find
what they ask for. The start of the server, CONFIG, conf/resp-kv.conf and docs/configuration.md all
come from, or are checked against, these rows.
"""

from dataclasses import dataclass

from resp_kv.directive_kinds import (
    COPIES_MAX,
    INT_MAX,
    LONG_MAX,
    Addresses,
    Enum,
    Folder,
    Integer,
    Kind,
    Level,
    Memory,
    Octal,
    Only,
    OutputLimits,
    Percentiles,
    SavePoints,
    Weight,
    Words,
    YesNo,
)

MIB = 2**20


@dataclass(frozen=True, slots=True)
class Directive:
    name: str
    group: str
    kind: Kind
    default: str
    sentence: str
    mutable: bool
    ours: bool
    accepted: bool


DIRECTIVES: dict[str, Directive] = {}


def _group(title):
    def directive(name, kind, default, sentence, *, mutable=False, ours=False, accepted=False):
        DIRECTIVES[name] = Directive(
            name, title, kind, default, sentence, mutable or accepted, ours, accepted
        )

    return directive


network = _group("Network")
network("bind", Words("addresses"), "127.0.0.1 -::1",
        "Addresses to listen on; `*` is all of IPv4, `-` before one allows it to be missing.")
network("port", Integer(0, 65535), "6379", "TCP port for clients; 0 listens on none.")
network("protected-mode", YesNo(), "yes",
        "Refuse clients from other machines while there is no password.", mutable=True)
network("unixsocket", Kind(), "", "Path of a Unix socket to listen on as well; empty: none.")
network("unixsocketperm", Octal(0, 0o777), "0",
        "Permission bits of the Unix socket, octal; 0 leaves them to the umask.")
network("tcp-backlog", Integer(0, INT_MAX), "511",
        "Connections that the kernel may hold before they are accepted.")
network("tcp-keepalive", Integer(0, INT_MAX), "300",
        "Seconds between keepalive probes to a silent client; 0 sends none.", mutable=True)
network("timeout", Integer(0, INT_MAX), "0",
        "Seconds after which an idle client is closed; 0 never.", mutable=True)

access = _group("Access")
access("requirepass", Kind(), "",
       "Password that AUTH and HELLO demand of the default user; empty: none.", mutable=True)

general = _group("General")
general("daemonize", Only(YesNo(), False,
        "resp-kv stays in the foreground; let systemd or a container run it in the background"),
        "no", "Always no: the server stays in the foreground.")
general("pidfile", Kind(), "", "File that holds the process number while the server runs.")
general("loglevel", Enum("debug", "verbose", "notice", "warning", "nothing"), "notice",
        "The least important messages that are still logged.", mutable=True)
general("logfile", Kind(), "", "File that log lines go to; empty: standard output.")
general("databases", Integer(1, 16), "16", "Logical databases, chosen with SELECT.")
general("hz", Integer(1, INT_MAX), "10",
        "Background rounds a second (idle clients, statistics), cut to 1 to 500.", mutable=True)
general("always-show-logo", YesNo(), "no", "There is no logo.", accepted=True)

limits = _group("Limits")
limits("maxclients", Integer(1, INT_MAX), "10000",
       "Clients at the same time; further ones get an error and are closed.", mutable=True)
limits("max-pair-bytes", Memory(64, 32 * MIB), "10000",
       "Key plus value of one pair; a larger write is refused and stores nothing.",
       mutable=True, ours=True)
limits("proto-max-bulk-len", Memory(MIB), "512mb",
       "Length of one argument of a command.", mutable=True)
limits("client-query-buffer-limit", Memory(MIB), "1gb",
       "Bytes of an unfinished command that one client may pile up.", mutable=True)
limits("client-output-buffer-limit", OutputLimits(),
       "normal 0 0 0 slave 256mb 64mb 60 pubsub 32mb 8mb 60",
       "Unread replies after which a client is closed: at the hard limit at once, over the soft "
       "limit after so many seconds; 0 is no limit.", mutable=True)

durability = _group("Durability")
durability("dir", Folder(), "./data", "Folder of the data; it is created when it is missing.")
durability("appendonly", Only(YesNo(), True,
           "resp-kv always keeps its log; `appendfsync no` is the least durable choice"),
           "yes", "Always yes: every write goes to the log.", mutable=True)
durability("appendfsync", Enum("everysec", "always", "no"), "everysec",
           "When the log is fsynced: `always` before each OK, `everysec` about once a second, "
           "`no` when the kernel likes.", mutable=True)
durability("save", SavePoints(), "",
           "Accepted and shown. Nothing is scheduled by it: the log and the tables already hold "
           "every write.", accepted=True)

memory = _group("Memory")
memory("memtable-bytes", Memory(MIB), "512mb",
       "Memory for new writes before they become tables.", ours=True)
memory("block-cache-bytes", Memory(MIB), "256mb",
       "Memory for blocks of tables that were read.", ours=True)
memory("maxmemory", Only(Memory(), 0,
       "data is on disk, memory is bounded by memtable-bytes and block-cache-bytes"),
       "0", "Always 0: see memtable-bytes and block-cache-bytes.", mutable=True)
memory("maxmemory-policy", Only(
       Enum("volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "allkeys-lru",
            "allkeys-lfu", "allkeys-random", "noeviction"), "noeviction",
       "resp-kv is no cache that evicts: data that does not fit into memory stays on disk"),
       "noeviction", "Always noeviction: nothing is thrown away.", mutable=True)
for _what in ("lazy-eviction", "lazy-expire", "lazy-server-del", "lazy-user-del",
              "lazy-user-flush"):
    memory(f"lazyfree-{_what}", YesNo(), "no",
           "Deleting is always a small write; space comes back in compaction.", accepted=True)

storage = _group("Storage engine")
storage("log-bytes-max", Memory(MIB), "512mb",
        "Log that is not yet in tables; bounds the time of a restart.", ours=True)
storage("block-bytes", Memory(512, 16 * MIB), "4kb",
        "Size at which a block of a table is closed.", ours=True)
storage("compression", Enum("zstd", "none"), "zstd", "Compression of table blocks.", ours=True)
storage("compression-level", Integer(1, 19), "1",
        "Zstandard level: higher is smaller and slower.", ours=True)
storage("compression-dictionary-bytes", Memory(0, MIB), "0",
        "Length of the Zstandard dictionary that a compaction trains for each table and keeps where "
        "that saves space: for small values that resemble each other, such as JSON. 0 trains none.",
        ours=True)
storage("bloom-bits-per-key", Integer(0, 64), "10",
        "Filter bits that spare a disk read for a missing key (10: about 1 % read in vain); "
        "0 makes no filters.", ours=True)
storage("table-bytes-max", Memory(MIB), "64mb",
        "Size at which a compaction starts its next table.", ours=True)
storage("compaction-rate-limit", Memory(), "0",
        "Bytes of keys and values a second that a compaction may merge; 0 is no limit.",
        mutable=True, ours=True)
storage("compaction-threads", Integer(1, 64), "1",
        "Threads for flushes and compactions.", ours=True)
storage("reader-threads", Integer(1, 64), "2",
        "Threads for reads that neither cache nor page cache can answer.", ours=True)

diagnostics = _group("Diagnostics")
diagnostics("slowlog-log-slower-than", Integer(-1, LONG_MAX), "10000",
            "Microseconds from which a command is noted in SLOWLOG; -1 notes none.", mutable=True)
diagnostics("slowlog-max-len", Integer(0, LONG_MAX), "128",
            "Entries that SLOWLOG keeps.", mutable=True)
diagnostics("latency-monitor-threshold", Integer(0, LONG_MAX), "0",
            "Milliseconds from which LATENCY notes an event; 0 notes none.", mutable=True)
diagnostics("latency-tracking", YesNo(), "yes",
            "Keep a latency histogram for each command.", mutable=True)
diagnostics("latency-tracking-info-percentiles", Percentiles("percentiles"), "50 99 99.9",
            "Percentiles that INFO latencystats shows.", mutable=True)
diagnostics("busy-reply-threshold", Integer(0, LONG_MAX), "5000",
            "There are no scripts that could run for long.", accepted=True)

cluster = _group("Cluster")
cluster("cluster-enabled", YesNo(), "no",
        "Be a node of a cluster: of the one that cluster-seeds names, or without seeds a cluster "
        "of this node alone.")
cluster("cluster-seeds", Addresses(), "",
        "Bus addresses of the nodes that found the cluster, this one among them; the same list "
        "on each.", ours=True)
cluster("cluster-secret", Kind(), "",
        "Text that every node of the cluster must know to be let in; empty: none is asked for.",
        ours=True)
cluster("cluster-port", Integer(0, 65535), "0", "Bus port; 0 is the client port plus 10000.")
cluster("cluster-node-timeout", Integer(0, LONG_MAX), "15000",
        "Milliseconds after which a silent node is suspected; for the cluster to come.",
        accepted=True)
cluster("cluster-partitions", Integer(1, 16384), "256",
        "Pieces that the slots are cut into, for placing and moving; fixed once the cluster is "
        "founded.", ours=True)
cluster("node-dc", Kind(), "dc1", "Data centre of this node.", ours=True)
cluster("node-rack", Kind(), "rack1",
        "Rack of this node; copies of a key are spread over racks.", ours=True)
cluster("node-weight", Weight(), "1",
        "Share of the data that this node takes, relative to the others.", ours=True)
cluster("node-server", Kind(), "",
        "Name of the machine under this node; nodes of one machine never hold copies of the same "
        "key. Empty: its address.", ours=True)
cluster("cluster-redirect", YesNo(), "no",
        "Answer MOVED for a key whose preferred coordinator is another node, instead of asking "
        "it.", mutable=True, ours=True)
cluster("cluster-announce-ip", Kind(), "",
        "Address that other nodes and clients are told; empty: the one a client came to.",
        mutable=True)
cluster("cluster-announce-hostname", Kind(), "", "Host name that clients are told.", mutable=True)
cluster("cluster-announce-port", Integer(0, 65535), "0",
        "Client port that is told; 0: the real one.", mutable=True)
cluster("cluster-announce-bus-port", Integer(0, 65535), "0",
        "Bus port that is told; 0: the real one.", mutable=True)
cluster("cluster-preferred-endpoint-type",
        Enum("ip", "hostname", "unknown-endpoint"), "ip",
        "What CLUSTER SLOTS and SHARDS name first.", mutable=True)
cluster("max-clock-drift", Integer(1, INT_MAX), "500",
        "Milliseconds by which another clock may be ahead before its writes are refused, and by which "
        "this one may be away from a majority's before the node goes by theirs.",
        ours=True)

copies = _group("Replication and consistency")
copies("replication-factor", Integer(1, COPIES_MAX), "3",
       "Copies of each key; fixed once the cluster is founded.", ours=True)
copies("read-consistency", Level(), "QUORUM",
       "Replicas that must answer a read, where neither request nor connection says otherwise.",
       mutable=True, ours=True)
copies("write-consistency", Level("ANY"), "QUORUM",
       "Replicas that must take a write before its OK; for ANY, a hint on any node will do.",
       mutable=True, ours=True)
copies("sloppy-quorum", YesNo(), "yes",
       "Let the next healthy node stand in for a replica that is down; no: such a request fails.",
       mutable=True, ours=True)
copies("hint-window", Integer(1, INT_MAX), "10800",
       "Seconds for which writes are kept for a replica that is down (hints); what it missed before "
       "is found by comparing replicas.", mutable=True, ours=True)
copies("hint-bytes-max", Memory(MIB), "1gb",
       "Bytes of hints that a node keeps for one other node.", mutable=True, ours=True)
copies("read-request-timeout", Integer(1, INT_MAX), "5000",
       "Milliseconds that a read waits for replicas.", mutable=True, ours=True)
copies("write-request-timeout", Integer(1, INT_MAX), "2000",
       "Milliseconds that a write waits for replicas.", mutable=True, ours=True)
copies("vector-clock-max-entries", Integer(1, 1000), "10",
       "Pairs that the vector clock of a key keeps; the oldest go first.", mutable=True, ours=True)
copies("siblings-max", Integer(1, 10_000), "100",
       "Concurrent versions of one key; a write that would add one more is refused.",
       mutable=True, ours=True)
copies("conflict-journal-max-len", Integer(0, LONG_MAX), "1000",
       "Overwritten concurrent versions that KV.CONFLICTS still shows.", ours=True)
copies("repair-rate-limit", Memory(), "8mb",
       "Bytes a second that anti-entropy may send and take in on this node; 0 is no limit.",
       mutable=True, ours=True)
copies("repair-interval", Integer(1, INT_MAX), "600",
       "Seconds between two comparisons of the replicas of a partition.", mutable=True, ours=True)
