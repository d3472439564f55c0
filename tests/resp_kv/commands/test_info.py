from resp_kv.shell.census import Census
from tests.resp_kv.commands.replies import fields, run_all


def titles(text):
    return [line[2:] for line in text.decode().splitlines() if line.startswith("# ")]


def test_default_sections(rig):
    assert titles(rig.run("INFO")) == [
        "Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Modules",
        "Errorstats", "Cluster", "Keyspace"]


def test_all_sections(rig):
    everything = [
        "Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Modules",
        "Commandstats", "Errorstats", "Latencystats", "Cluster", "Keyspace", "Engine", "Loop",
        "Resp_kv"]
    assert titles(rig.run("INFO", "all")) == everything
    assert titles(rig.run("INFO", "EVERYTHING")) == everything


def test_chosen_sections_come_once_and_in_order(rig):
    assert titles(rig.run("INFO", "cpu", "Server", "cpu")) == ["Server", "CPU"]
    assert titles(rig.run("INFO", "default", "loop"))[-1] == "Loop"
    assert rig.run("INFO", "nosuch") == b""


def test_form(rig):
    text = rig.run("INFO", "server", "cluster")
    assert text.startswith(b"# Server\r\nredis_version:7.2.5\r\n")
    assert text.endswith(b"\r\n\r\n# Cluster\r\ncluster_enabled:0\r\n")
    rig.run("HELLO", "3")
    assert rig.send("INFO", "cluster") == b"=34\r\ntxt:# Cluster\r\ncluster_enabled:0\r\n\r\n"


def test_versions_and_times(rig):
    rig.advance(90_061_000)
    shown = fields(rig.run("INFO", "server"))
    assert shown["redis_version"] == "7.2.5"
    assert shown["resp_kv_version"] == rig.node.version
    assert (shown["uptime_in_seconds"], shown["uptime_in_days"]) == ("90061", "1")
    assert shown["run_id"] == rig.node.run_id
    assert shown["redis_mode"] == "standalone"


def test_counters(rig):
    run_all(rig, "CONFIG RESETSTAT", "SET a 1", "GET a", "GET b", "GET c", "NOSUCH", "INCR a b")
    shown = fields(rig.run("INFO", "all"))
    assert (shown["keyspace_hits"], shown["keyspace_misses"]) == ("1", "2")
    assert shown["total_error_replies"] == "2"
    assert shown["errorstat_ERR"] == "count=2"
    assert shown["connected_clients"] == "1"
    assert int(shown["total_commands_processed"]) >= 4
    assert int(shown["total_net_input_bytes"]) > 0
    assert shown["cmdstat_get"].startswith("calls=3,usec=")
    assert shown["cmdstat_incr"]== (
        "calls=0,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0")
    assert shown["latency_percentiles_usec_get"].startswith("p50=")


def test_blocked_clients_are_those_that_wait(rig):
    other = rig.new_client()
    rig.run("CLIENT", "PAUSE", "1000", "WRITE")
    assert fields(rig.run("INFO", "clients"))["blocked_clients"] == "0"
    assert other.send("SET", "a", "1") == b""
    assert fields(rig.run("INFO", "clients"))["blocked_clients"] == "1"


def test_percentiles_follow_the_configuration(rig):
    rig.run("CONFIG", "SET", "latency-tracking-info-percentiles", "10 90")
    rig.run("PING")
    shown = fields(rig.run("INFO", "latencystats"))["latency_percentiles_usec_ping"]
    assert [part.split("=")[0] for part in shown.split(",")] == ["p10", "p90"]


def test_keyspace(rig, monkeypatch):
    census = Census(rig.engine, None, rig.clock)
    monkeypatch.setattr(rig.node.host, "key_counts", census.latest, raising=False)
    assert fields(rig.run("INFO", "keyspace")) == {}
    run_all(rig, "MSET a 1 b 2", "SELECT 3", "SET c 3 PX 100")
    assert fields(rig.run("INFO", "keyspace")) == {
        "db0": "keys=2,expires=0,avg_ttl=0", "db3": "keys=1,expires=1,avg_ttl=100"}
    rig.advance(100)
    assert "db3" not in fields(rig.run("INFO", "keyspace"))
    rig.run("SWAPDB", "0", "7")
    assert fields(rig.run("INFO", "keyspace")) == {"db7": "keys=2,expires=0,avg_ttl=0"}


def test_keyspace_is_an_estimate_until_the_first_count(rig, monkeypatch):
    numbers = {"entries": 100, "memtable_keys": 7, "tombstones": 10}
    monkeypatch.setattr(rig.node.host, "engine_stats", lambda: numbers, raising=False)
    assert fields(rig.run("INFO", "keyspace")) == {"db0": "keys=87,expires=0,avg_ttl=0"}


def test_clients_section_counts(rig):
    rig.new_client()
    assert fields(rig.run("INFO", "clients"))["connected_clients"] == "2"


def test_fields_that_tools_read_are_there(rig):
    shown = fields(rig.run("INFO", "all"))
    for name in ("used_memory used_memory_rss used_memory_peak maxmemory total_system_memory "
                 "mem_fragmentation_ratio rdb_last_save_time rdb_bgsave_in_progress aof_enabled "
                 "loading instantaneous_ops_per_sec evicted_keys expired_keys role "
                 "connected_slaves master_repl_offset used_cpu_sys used_cpu_user "
                 "cluster_enabled tcp_port process_id").split():
        assert name in shown, name
