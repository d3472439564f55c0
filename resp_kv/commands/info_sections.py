"""The sections of INFO: each is a function of the node that gives (field, value) pairs.

Names and order are Redis 7.2's, so that exporters and dashboards work unchanged. A field whose
subject does not exist here (replicas, scripts, forks, eviction) is shown at rest. What only
resp-kv has stands in the sections Engine, Loop and Resp_kv.
"""

import functools
import os
import platform
import resource
import sys

from resp_kv import REDIS_VERSION
from resp_kv.commands.introspection import every_row

HUMAN_UNITS = ((1 << 40, "T"), (1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K"))
NO_REPLICATION_ID = "0" * 40


def server(node):
    uptime_s = (node.now_ms - node.started_ms) // 1000
    return [
        ("redis_version", REDIS_VERSION), ("resp_kv_version", node.version),
        ("redis_git_sha1", "00000000"), ("redis_git_dirty", 0), ("redis_build_id", "0"),
        ("redis_mode", "cluster" if node.cluster_enabled else "standalone"),
        *process(), ("process_id", os.getpid()), ("process_supervised", "no"),
        ("run_id", node.run_id), ("tcp_port", node.config.get("port")),
        ("server_time_usec", node.wall_ns() // 1000),
        ("uptime_in_seconds", uptime_s), ("uptime_in_days", uptime_s // 86400),
        ("hz", node.config.get("hz")), ("configured_hz", node.config.get("hz")),
        ("lru_clock", (node.now_ms // 1000) & 0xFFFFFF), ("executable", sys.executable),
        ("config_file", node.config.path or ""), ("io_threads_active", 0),
    ]


@functools.cache
def process():
    """What does not change while the process lives."""
    system = platform.uname()
    return [
        ("os", f"{system.system} {system.release} {system.machine}"),
        ("arch_bits", sys.maxsize.bit_length() + 1),
        ("monotonic_clock", "POSIX clock_gettime"), ("multiplexing_api", "epoll"),
        ("atomicvar_api", "c11-builtin"), ("gcc_version", platform.python_compiler()),
    ]


def clients(node):
    everybody = node.clients.values()
    return [
        ("connected_clients", len(node.clients)), ("cluster_connections", 0),
        ("maxclients", node.config.get("maxclients")),
        ("client_recent_max_input_buffer",
         max((client.query_buffer_bytes for client in everybody), default=0)),
        ("client_recent_max_output_buffer",
         max((client.output_bytes for client in everybody), default=0)),
        ("blocked_clients", sum(client.blocked for client in everybody)),
        ("tracking_clients", 0), ("clients_in_timeout_table", 0),
        ("total_blocking_keys", 0), ("total_blocking_keys_on_nokey", 0),
    ]


def memory(node):
    used = node.host.rss_bytes()
    peak = max(used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return [
        ("used_memory", used), ("used_memory_human", human(used)),
        ("used_memory_rss", used), ("used_memory_rss_human", human(used)),
        ("used_memory_peak", peak), ("used_memory_peak_human", human(peak)),
        ("used_memory_peak_perc", f"{100 * used / max(1, peak):.2f}%"),
        ("used_memory_overhead", 0), ("used_memory_startup", 0),
        ("used_memory_dataset", used), ("used_memory_dataset_perc", "100.00%"),
        ("allocator_allocated", used), ("allocator_active", used), ("allocator_resident", used),
        ("total_system_memory", total), ("total_system_memory_human", human(total)),
        *at_rest("used_memory_lua used_memory_vm_eval"), ("used_memory_lua_human", "0B"),
        *at_rest("used_memory_scripts_eval number_of_cached_scripts number_of_functions "
                 "number_of_libraries used_memory_vm_functions used_memory_vm_total"),
        ("used_memory_vm_total_human", "0B"),
        *at_rest("used_memory_functions used_memory_scripts"), ("used_memory_scripts_human", "0B"),
        ("maxmemory", 0), ("maxmemory_human", "0B"), ("maxmemory_policy", "noeviction"),
        ("allocator_frag_ratio", "1.00"), ("allocator_frag_bytes", 0),
        ("allocator_rss_ratio", "1.00"), ("allocator_rss_bytes", 0),
        ("rss_overhead_ratio", "1.00"), ("rss_overhead_bytes", 0),
        ("mem_fragmentation_ratio", "1.00"),
        *at_rest("mem_fragmentation_bytes mem_not_counted_for_evict mem_replication_backlog "
                 "mem_total_replication_buffers mem_clients_slaves"),
        ("mem_clients_normal", sum(
            client.query_buffer_capacity + client.output_capacity
            for client in node.clients.values())),
        *at_rest("mem_cluster_links mem_aof_buffer"), ("mem_allocator", "libc"),
        *at_rest("active_defrag_running lazyfree_pending_objects lazyfreed_objects"),
    ]


def persistence(node):
    """RDB is read as the tables, AOF as the log: those are what a save and a rewrite change here."""
    numbers = node.host.engine_stats()
    flushing = int(node.host.saving or numbers.get("sealed_bytes", 0) > 0)
    step = "err" if numbers.get("step_error") else "ok"
    return [
        *at_rest("loading async_loading current_cow_peak current_cow_size current_cow_size_age"),
        ("current_fork_perc", "0.00"),
        *at_rest("current_save_keys_processed current_save_keys_total"),
        ("rdb_changes_since_last_save", numbers.get("memtable_keys", 0)),
        ("rdb_bgsave_in_progress", flushing),
        ("rdb_last_save_time", node.host.last_save_ms // 1000), ("rdb_last_bgsave_status", step),
        ("rdb_last_bgsave_time_sec", -1), ("rdb_current_bgsave_time_sec", -1),
        ("rdb_saves", numbers.get("flushes", 0)),
        *at_rest("rdb_last_cow_size rdb_last_load_keys_expired rdb_last_load_keys_loaded"),
        ("aof_enabled", 1), ("aof_rewrite_in_progress", flushing), ("aof_rewrite_scheduled", 0),
        ("aof_last_rewrite_time_sec", -1), ("aof_current_rewrite_time_sec", -1),
        ("aof_last_bgrewrite_status", step),
        *at_rest("aof_rewrites aof_rewrites_consecutive_failures"),
        ("aof_last_write_status", "err" if numbers.get("refused") else "ok"),
        *at_rest("aof_last_cow_size module_fork_in_progress module_fork_last_cow_size"),
        ("aof_current_size", numbers.get("log_bytes", 0)),
        *at_rest("aof_base_size aof_pending_rewrite aof_buffer_length aof_pending_bio_fsync "
                 "aof_delayed_fsync"),
    ]


def stats(node):
    counts = node.stats
    return [
        ("total_connections_received", counts.total_connections_received),
        ("total_commands_processed", counts.total_commands_processed),
        ("instantaneous_ops_per_sec", counts.instantaneous_ops_per_sec),
        ("total_net_input_bytes", counts.total_net_input_bytes),
        ("total_net_output_bytes", counts.total_net_output_bytes),
        *at_rest("total_net_repl_input_bytes total_net_repl_output_bytes"),
        ("instantaneous_input_kbps", f"{counts.instantaneous_input_kbps:.2f}"),
        ("instantaneous_output_kbps", f"{counts.instantaneous_output_kbps:.2f}"),
        ("instantaneous_input_repl_kbps", "0.00"), ("instantaneous_output_repl_kbps", "0.00"),
        ("rejected_connections", counts.rejected_connections),
        *at_rest("sync_full sync_partial_ok sync_partial_err"),
        ("expired_keys", counts.expired_keys), ("expired_stale_perc", "0.00"),
        *at_rest("expired_time_cap_reached_count expire_cycle_cpu_milliseconds evicted_keys"),
        ("evicted_clients", counts.evicted_clients),
        *at_rest("total_eviction_exceeded_time current_eviction_exceeded_time"),
        ("keyspace_hits", counts.keyspace_hits), ("keyspace_misses", counts.keyspace_misses),
        *at_rest("pubsub_channels pubsub_patterns pubsubshard_channels latest_fork_usec "
                 "total_forks migrate_cached_sockets slave_expires_tracked_keys "
                 "active_defrag_hits active_defrag_misses active_defrag_key_hits "
                 "active_defrag_key_misses total_active_defrag_time current_active_defrag_time "
                 "tracking_total_keys tracking_total_items tracking_total_prefixes"),
        ("unexpected_error_replies", counts.unexpected_error_replies),
        ("total_error_replies", counts.total_error_replies), ("dump_payload_sanitizations", 0),
        ("total_reads_processed", counts.total_reads_processed),
        ("total_writes_processed", counts.total_writes_processed),
        *at_rest("io_threaded_reads_processed io_threaded_writes_processed reply_buffer_shrinks "
                 "reply_buffer_expands eventloop_cycles eventloop_duration_sum "
                 "eventloop_duration_cmd_sum instantaneous_eventloop_cycles_per_sec "
                 "instantaneous_eventloop_duration_usec acl_access_denied_auth "
                 "acl_access_denied_cmd acl_access_denied_key acl_access_denied_channel"),
    ]


def replication(node):
    return [
        ("role", "master"), ("connected_slaves", 0), ("master_failover_state", "no-failover"),
        ("master_replid", node.run_id), ("master_replid2", NO_REPLICATION_ID),
        ("master_repl_offset", 0), ("second_repl_offset", -1), ("repl_backlog_active", 0),
        ("repl_backlog_size", 0), ("repl_backlog_first_byte_offset", 0),
        ("repl_backlog_histlen", 0),
    ]


def cpu(node):
    system, user, child_system, child_user = node.host.cpu_times()
    return [(f"used_cpu_{name}", f"{seconds:.6f}") for name, seconds in (
        ("sys", system), ("user", user), ("sys_children", child_system),
        ("user_children", child_user), ("sys_main_thread", system), ("user_main_thread", user))]


def modules(node):
    return []


def commandstats(node):
    return [
        (f"cmdstat_{row.name}",
         f"calls={row.calls},usec={row.usec},usec_per_call={row.usec / max(1, row.calls):.2f},"
         f"rejected_calls={row.rejected_calls},failed_calls={row.failed_calls}")
        for row in every_row(node.commands)
        if row.calls or row.rejected_calls or row.failed_calls
    ]


def errorstats(node):
    return [(f"errorstat_{code}", f"count={count}") for code, count in node.stats.errors.items()]


def latencystats(node):
    if not node.config.get("latency-tracking"):
        return []
    percents = [float(percent) for percent in
                node.config.text("latency-tracking-info-percentiles").split()]
    return [
        (f"latency_percentiles_usec_{row.name}", ",".join(
            f"p{percent:g}={percentile(row.usec_buckets, percent):.3f}" for percent in percents))
        for row in every_row(node.commands) if any(row.usec_buckets)
    ]


def percentile(buckets, percent):
    """Microseconds below which `percent` of the calls are: the upper end of their bucket."""
    wanted, seen = sum(buckets) * percent / 100, 0
    for power, count in enumerate(buckets):
        seen += count
        if count and seen >= wanted:
            return float(1 << power)
    return 0.0


def cluster(node):
    """What this node has coordinated since it started, its clock, and anti-entropy (KV.REPAIR)."""
    lines = [("cluster_enabled", int(node.cluster_enabled))]
    if node.cluster is None or not node.cluster.ready:
        return lines
    coordinator = node.cluster.coordinator
    lines += [*coordinator.stats().items(), ("clock_correction_ms", node.cluster.timekeeper.correction_ms)]
    if coordinator.repairer is not None:
        lines += [(f"repair_{name}", number) for name, number in coordinator.repairer.progress().items()]
    return lines


def keyspace(node):
    """The numbers of a large store may be some minutes old; DBSIZE is exact (shell/census.py)."""
    counts = node.host.key_counts()
    if counts is None:
        return estimated_keyspace(node.host.engine_stats())
    shown = []
    for number, database in enumerate(node.keyspaces):
        keys, expires, ttl_ms = counts.get(database.database, (0, 0, 0))
        if keys:
            shown.append((f"db{number}", f"keys={keys},expires={expires},"
                                         f"avg_ttl={ttl_ms // expires if expires else 0}"))
    return shown


def estimated_keyspace(numbers):
    """Until the first count is done everything is shown as database 0."""
    keys = estimated_keys(numbers)
    return [("db0", f"keys={keys},expires=0,avg_ttl=0")] if keys else []


def estimated_keys(numbers):
    """All versions there are, less two for each tombstone."""
    entries = numbers.get("entries", 0) + numbers.get("memtable_keys", 0)
    return max(0, entries - 2 * numbers.get("tombstones", 0))


def engine(node):
    """What the engine counts; `levels` as tables:bytes of each level."""
    return [(name, shown(value)) for name, value in node.host.engine_stats().items()]


def shown(value):
    if isinstance(value, list):
        return ",".join(f"{tables}:{size}" for tables, size in value)
    if isinstance(value, float):
        return round(value, 3)
    return int(value) if isinstance(value, bool) else value


def loop(node):
    return list(node.host.loop_stats().items())


def resp_kv(node):
    return [("resp_kv_version", node.version), ("node_id", node.node_id),
            ("max_pair_bytes", node.config.get("max-pair-bytes")),
            ("appendfsync", node.config.get("appendfsync"))]


def at_rest(names):
    return [(name, 0) for name in names.split()]


def human(count):
    """Bytes as Redis shows them: 1.50M."""
    for size, unit in HUMAN_UNITS:
        if count >= size:
            return f"{count / size:.2f}{unit}"
    return f"{count}B"
