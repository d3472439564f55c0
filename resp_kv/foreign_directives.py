"""Directives of Redis that have no meaning here, so that the error for them can say so."""

FOREIGN = frozenset(
    """
    acl-pubsub-default aclfile acllog-max-len active-defrag-cycle-max active-defrag-cycle-min
    active-defrag-ignore-bytes active-defrag-max-scan-fields active-defrag-threshold-lower
    active-defrag-threshold-upper active-expire-effort activedefrag activerehashing
    aof-load-truncated aof-rewrite-incremental-fsync aof-timestamp-enabled aof-use-rdb-preamble
    aof_rewrite_cpulist appenddirname appendfilename auto-aof-rewrite-min-size
    auto-aof-rewrite-percentage bgsave_cpulist bind-source-addr bio_cpulist
    cluster-allow-pubsubshard-when-down cluster-allow-reads-when-down
    cluster-allow-replica-migration cluster-announce-human-nodename cluster-announce-tls-port
    cluster-config-file cluster-link-sendbuf-limit cluster-migration-barrier
    cluster-replica-no-failover cluster-replica-validity-factor cluster-require-full-coverage
    crash-log-enabled crash-memcheck-enabled dbfilename disable-thp dynamic-hz
    enable-debug-command enable-module-command enable-protected-configs
    hash-max-listpack-entries hash-max-listpack-value hash-max-ziplist-entries
    hash-max-ziplist-value hll-sparse-max-bytes ignore-warnings io-threads io-threads-do-reads
    jemalloc-bg-thread lfu-decay-time lfu-log-factor list-compress-depth
    list-max-listpack-size list-max-ziplist-size loadmodule locale-collate lua-time-limit
    masterauth masteruser maxmemory-clients maxmemory-eviction-tenacity maxmemory-samples
    min-replicas-max-lag min-replicas-to-write no-appendfsync-on-rewrite notify-keyspace-events
    oom-score-adj oom-score-adj-values proc-title-template propagation-error-behavior
    rdb-del-sync-files rdb-save-incremental-fsync rdbchecksum rdbcompression rename-command
    repl-backlog-size repl-backlog-ttl repl-disable-tcp-nodelay repl-diskless-load
    repl-diskless-sync repl-diskless-sync-delay repl-diskless-sync-max-replicas
    repl-ping-replica-period repl-timeout replica-announce-ip replica-announce-port
    replica-announced replica-ignore-disk-write-errors replica-ignore-maxmemory
    replica-lazy-flush replica-priority replica-read-only replica-serve-stale-data replicaof
    sanitize-dump-payload server_cpulist set-max-intset-entries set-max-listpack-entries
    set-max-listpack-value set-proc-title shutdown-on-sigint shutdown-on-sigterm shutdown-timeout
    slaveof socket-mark-id stop-writes-on-bgsave-error stream-node-max-bytes
    stream-node-max-entries supervised syslog-enabled syslog-facility syslog-ident
    tls-auth-clients tls-ca-cert-dir tls-ca-cert-file tls-cert-file tls-ciphers tls-ciphersuites
    tls-client-cert-file tls-client-key-file tls-cluster tls-dh-params-file tls-key-file tls-port
    tls-prefer-server-ciphers tls-protocols tls-replication tls-session-caching
    tracking-table-max-keys user zset-max-listpack-entries zset-max-listpack-value
    zset-max-ziplist-entries zset-max-ziplist-value
    """.split()
)
