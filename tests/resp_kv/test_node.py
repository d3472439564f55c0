def test_announced_addresses(rig):
    assert rig.node.announce == ("", 6379, 16379)
    rig.run("CONFIG", "SET", "cluster-announce-ip", "1.2.3.4", "cluster-announce-port", "7000")
    assert rig.node.announce == ("1.2.3.4", 7000, 16379)
    rig.run("CONFIG", "SET", "cluster-announce-bus-port", "7001")
    assert rig.node.announce == ("1.2.3.4", 7000, 7001)


def test_swapped_databases_are_handed_to_the_host(rig, monkeypatch):
    maps = []
    monkeypatch.setattr(rig.node.host, "database_map_changed", maps.append, raising=False)
    rig.run("SET", "a", "1")
    rig.node.swap_databases(0, 3)
    assert maps[0][:4] == [3, 1, 2, 0]
    assert rig.run("GET", "a") is None
    rig.run("SELECT", "3")
    assert rig.run("GET", "a") == b"1"


def test_config_set_reaches_the_compiled_path(rig):
    rig.run("CONFIG", "SET", "slowlog-log-slower-than", "77", "latency-tracking", "no",
            "client-query-buffer-limit", "2mb")
    traffic = rig.node.traffic
    assert (traffic.slow_usec, traffic.tracking, traffic.query_bytes_max) == (77, False, 2 << 20)
