"""The rules of CONFIG, with Redis's texts."""

import pytest

from conf.loader import ConfigurationError
from resp_kv import config as configuration
from resp_kv.config import Config
from resp_kv.errors import CommandError


def refusal(config, changes):
    with pytest.raises(CommandError) as caught:
        config.set(changes)
    return caught.value.text


def failed(name, reason):
    return f"ERR CONFIG SET failed (possibly related to argument '{name}') - {reason}"


def test_typed_values_and_texts():
    config = Config({"port": "7000", "bind": "a b", "memtable-bytes": "64mb", "save": "60 1"})
    assert config.get("port") == 7000
    assert config.get("bind") == ("a", "b")
    assert config.get("memtable-bytes") == 64 * 2**20
    assert config.get("protected-mode") is True
    assert config.get("save") == ((60, 1),)
    assert config.text("save") == "60 1"
    assert config.text("memtable-bytes") == "67108864"
    assert config.text("unixsocketperm") == "0"


@pytest.mark.parametrize(
    ("name", "shown"),
    [("save", ""), ("appendonly", "yes"), ("databases", "16"), ("maxmemory", "0"),
     ("maxmemory-policy", "noeviction"), ("latency-tracking-info-percentiles", "50 99 99.9"),
     ("client-output-buffer-limit",
      "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60")],
)
def test_what_clients_ask_for(name, shown):
    assert Config().match(name) == {name: shown}


def test_match():
    config = Config()
    assert config.match(b"MAXCLIENTS") == {"MAXCLIENTS": "10000"}
    assert config.match("SLOWLOG-*") == {
        "slowlog-log-slower-than": "10000", "slowlog-max-len": "128",
    }
    assert config.match("h?") == {"hz": "10"}
    assert config.match("[^a-gi-z]z") == {"hz": "10"}
    assert config.match("nothing") == {}
    assert len(config.match("*")) > 50


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("port", "1", "can't set immutable config"),
        ("databases", "3", "can't set immutable config"),
        ("maxclients", "abc", "argument couldn't be parsed into an integer"),
        ("maxclients", "010", "argument couldn't be parsed into an integer"),
        ("timeout", "-1", "argument must be between 0 and 2147483647 inclusive"),
        ("slowlog-max-len", "-1", "argument must be between 0 and 9223372036854775807 inclusive"),
        ("proto-max-bulk-len", "10",
         "argument must be between 1048576 and 9223372036854775807 inclusive"),
        ("max-pair-bytes", "1zz", "argument must be a memory value"),
        ("protected-mode", "maybe", "argument must be 'yes' or 'no'"),
        ("appendfsync", "foo",
         "argument(s) must be one of the following: everysec, always, no"),
        ("client-output-buffer-limit", "normal 1 2",
         "Wrong number of arguments in buffer limit configuration."),
        ("client-output-buffer-limit", "foo 1 2 3",
         "Invalid client class specified in buffer limit configuration."),
        ("client-output-buffer-limit", "normal a 2 3",
         "Error in hard, soft or soft_seconds setting in buffer limit configuration."),
        ("save", "1 2 3", "Invalid save parameters"),
        ("save", "a b", "Invalid save parameters"),
        ("appendonly", "no",
         "resp-kv always keeps its log; `appendfsync no` is the least durable choice"),
        ("read-consistency", "ANY", "argument must be one of ONE, TWO, THREE, QUORUM, ALL, "
         "LOCAL_ONE, LOCAL_QUORUM, EACH_QUORUM, or 1 to 16"),
        ("write-consistency", "0", "argument must be one of ONE, TWO, THREE, QUORUM, ALL, "
         "LOCAL_ONE, LOCAL_QUORUM, EACH_QUORUM, ANY, or 1 to 16"),
        ("write-consistency", "4",
         "write-consistency 4 can never be met with replication-factor 3"),
        ("cluster-redirect", "perhaps", "argument must be 'yes' or 'no'"),
        ("maxmemory", "100mb",
         "data is on disk, memory is bounded by memtable-bytes and block-cache-bytes"),
    ],
)
def test_refused(name, text, reason):
    config = Config()
    before = config.text(name)
    assert refusal(config, {name: text}) == failed(name, reason)
    assert config.text(name) == before


def test_levels_are_names_in_capitals_or_numbers():
    config = Config({"read-consistency": "local_quorum", "write-consistency": "any"})
    assert config.get("read-consistency") == "LOCAL_QUORUM"
    assert config.get("write-consistency") == "ANY"
    config.set({"read-consistency": "3"})
    assert config.get("read-consistency") == "3"
    with pytest.raises(ConfigurationError, match="read-consistency THREE can never be met with "
                                                 "replication-factor 2"):
        Config({"read-consistency": "THREE", "replication-factor": "2"})


def test_weights():
    assert Config({"node-weight": "0.5"}).get("node-weight") == 0.5
    assert Config({"node-weight": "2.0"}).text("node-weight") == "2"
    assert Config({"node-weight": "1000"}).text("node-weight") == "1000"
    assert Config({"node-weight": "0.000000001"}).text("node-weight") == "0.000000001"
    for text in ("0", "-1", "1001", "nan", "1e3", "", "0.0"):
        with pytest.raises(ConfigurationError, match="node-weight"):
            Config({"node-weight": text})


def test_seeds_are_addresses():
    seeds = Config({"cluster-seeds": "10.0.0.1:16379  n2.example:16379 [::1]:1"}).get("cluster-seeds")
    assert seeds == ("10.0.0.1:16379", "n2.example:16379", "[::1]:1")
    assert Config().get("cluster-seeds") == ()
    for text in ("10.0.0.1", "10.0.0.1:", ":1", "::1:16379", "a:65536", "a:0", "[]:1"):
        with pytest.raises(ConfigurationError, match="is no address such as 10.0.0.1:16379"):
            Config({"cluster-seeds": text})


def test_unknown_and_doubled():
    config = Config()
    assert refusal(config, [("foo", "1")]) == (
        "ERR Unknown option or number of arguments for CONFIG SET - 'foo'"
    )
    assert refusal(config, [(b"hz", b"10"), (b"HZ", b"11")]) == failed("HZ", "duplicate parameter")


def test_all_or_nothing():
    config = Config()
    refusal(config, {"hz": "50", "timeout": "x"})
    assert config.get("hz") == 10
    config.set({"HZ": "50", "timeout": "5"})
    assert (config.get("hz"), config.get("timeout")) == (50, 5)


def test_same_value_of_a_fixed_directive_is_fine():
    Config().set({"appendonly": "yes", "maxmemory": "0", "maxmemory-policy": "noeviction"})


def test_subscribers_hear_changes_and_may_refuse():
    config = Config()
    heard = []

    def refuse(value):
        if value > 100:
            raise ValueError("too many")

    config.subscribe("hz", heard.append)
    config.subscribe("maxclients", refuse)
    config.set({"hz": "10"})
    assert heard == []
    assert refusal(config, {"hz": "20", "maxclients": "101"}) == failed("maxclients", "too many")
    assert heard == [20, 10]
    assert (config.get("hz"), config.get("maxclients")) == (10, 10000)


def test_output_limits_of_one_class():
    config = Config()
    config.set({"client-output-buffer-limit": "pubsub 1mb 1kb 2"})
    assert config.get("client-output-buffer-limit")["pubsub"] == (2**20, 2**10, 2)
    assert config.get("client-output-buffer-limit")["normal"] == (0, 0, 0)


def test_rewrite_without_a_file():
    with pytest.raises(CommandError, match="ERR The server is running without a config file"):
        Config().rewrite()


def test_rewrite_and_read_again(tmp_path):
    path = tmp_path / "node.conf"
    path.write_text("# my node\nport 7000\nsave 60 1\nsave 30 2\n")
    config = configuration.read([str(path), "--hz", "20"])
    config.set({"requirepass": 'a "b" \\', "save": "", "appendfsync": "always"})
    config.rewrite()
    assert path.read_text().startswith('# my node\nport 7000\nsave ""\n')
    again = configuration.read([str(path)])
    assert again.match("*") == config.match("*")


def test_rewrite_that_cannot_write(tmp_path):
    path = tmp_path / "node.conf"
    path.write_text("")
    config = configuration.read([str(path)])
    path.unlink()
    with pytest.raises(CommandError, match="ERR Rewriting config file: No such file or directory"):
        config.rewrite()


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("prot 7000", "line 2: unknown directive 'prot', did you mean 'port'?"),
        ("port", "line 2: 'port': wrong number of arguments"),
        ("port 1 2", "line 2: 'port 1 2': wrong number of arguments"),
        ("port x", "line 2: 'port x': argument couldn't be parsed into an integer"),
        ("port 65536", "line 2: 'port 65536': argument must be between 0 and 65535 inclusive"),
        ("unixsocketperm 9", "argument couldn't be parsed as an octal number"),
        ("appendonly no", "resp-kv always keeps its log"),
        ("daemonize yes", "resp-kv stays in the foreground"),
        ("hash-max-listpack-entries 5", "is a directive of Redis that resp-kv does not have"),
    ],
)
def test_start_is_refused_with_the_place(tmp_path, line, told):
    path = tmp_path / "node.conf"
    path.write_text(f"hz 10\n{line}\n")
    with pytest.raises(ConfigurationError) as caught:
        configuration.read([str(path)])
    assert str(path) in str(caught.value)
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_largest_pair_fits_the_memory_it_passes_through():
    with pytest.raises(ConfigurationError, match="max-pair-bytes 1048576 is more than an eighth of "
                                                 "block-cache-bytes 4194304"):
        Config({"max-pair-bytes": "1mb", "block-cache-bytes": "4mb"})
    config = Config({"block-cache-bytes": "4mb"})
    with pytest.raises(CommandError, match="max-pair-bytes.*an eighth of block-cache-bytes"):
        config.set({"max-pair-bytes": "1mb"})
    assert config.get("max-pair-bytes") == 10_000
