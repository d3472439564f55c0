"""redis-cli as people use it: one command, a script on standard input, and its tools."""

import re
import subprocess

import pytest

from tests.resp_kv.rig import encode


@pytest.fixture
def cli(redis_cli, node):
    return Cli(redis_cli, node.port)


@pytest.fixture
def cluster_cli(redis_cli, cluster_node):
    cli = Cli(redis_cli, cluster_node.port)
    cli("flushall")
    return cli


class Cli:
    def __init__(self, path, port):
        self.path, self.port = path, port

    def __call__(self, *words, stdin=b"", timeout=240):
        """What redis-cli prints, without the last line end."""
        done = self.run(*words, stdin=stdin, timeout=timeout)
        return done.stdout.decode().rstrip("\n")

    def run(self, *words, stdin=b"", timeout=240):
        return subprocess.run([self.path, "-p", str(self.port), *words], input=stdin,
                              capture_output=True, timeout=timeout)


def test_one_command(cli):
    assert cli("set", "a", "1") == "OK"
    assert cli("get", "a") == "1"
    assert cli("--no-raw", "get", "a") == '"1"'
    assert cli("--no-raw", "incr", "a") == "(integer) 2"
    assert cli("--no-raw", "get", "none") == "(nil)"
    assert cli("--no-raw", "mget", "a", "none") == '1) "2"\n2) (nil)'
    assert cli("-n", "5", "dbsize") == "0"


def test_errors_come_back_as_errors(cli):
    done = cli.run("-e", "incr", "a", "b")
    assert done.returncode == 1
    assert b"ERR wrong number of arguments for 'incr' command" in done.stdout + done.stderr


def test_a_session_on_standard_input(cli):
    session = b'SET greeting "hello\\tworld"\nGET greeting\nSELECT 2\nDBSIZE\nSELECT 0\nSTRLEN greeting\n'
    assert cli(stdin=session) == "OK\nhello\tworld\nOK\n0\nOK\n11"


def test_a_transaction_on_standard_input(cli):
    session = b"MULTI\nSET a 1\nINCR a\nEXEC\n"
    assert cli(stdin=session) == "OK\nQUEUED\nQUEUED\nOK\n2"


def test_resp3(cli):
    assert re.search(r"proto\W+3\b", cli("-3", "hello"))
    cli("set", "a", "1")
    assert cli("-3", "get", "a") == "1"
    assert cli("-3", "--no-raw", "get", "none") == "(nil)"


def test_a_binary_value_from_standard_input(cli):
    value = bytes(range(256)) * 10
    assert cli("-x", "set", "blob", stdin=value) == "OK"
    assert cli("strlen", "blob") == "2560"
    assert cli.run("get", "blob").stdout == value + b"\n"


def test_scan_lists_every_key(cli):
    cli("mset", *(word for i in range(500) for word in (f"key:{i}", "v")))
    keys = cli("--scan").splitlines()
    assert sorted(keys) == sorted(f"key:{i}" for i in range(500))
    assert sorted(cli("--scan", "--pattern", "key:1?").splitlines()) == [
        f"key:{i}" for i in range(10, 20)]


@pytest.mark.parametrize("option", ["--bigkeys", "--memkeys"])
def test_the_key_samplers(cli, option):
    cli("set", "small", "x")
    cli("set", "large", "x" * 5000)
    report = cli(option)
    assert re.search("Biggest string found .*large", report), report
    assert "Sampled 2 keys in the keyspace" in report


def test_mass_insertion(cli):
    """20,000 commands through --pipe, which ends with an ECHO and counts the replies."""
    commands = b"".join(encode("SET", f"key:{i}", i) for i in range(20_000))
    report = cli("--pipe", stdin=commands)
    assert "errors: 0, replies: 20000" in report
    assert cli("get", "key:19999") == "19999"
    assert cli("dbsize") == "20000"


def test_mass_insertion_counts_errors(cli):
    commands = encode("SET", "a", "x") + encode("INCR", "a") + encode("SET", "b", "1")
    assert "errors: 1, replies: 3" in cli("--pipe", stdin=commands)


def test_latency_sampling(cli):
    sample = cli("--latency", "--raw", "-i", "0.1")
    least, most, mean, count = sample.split()[:4]
    assert 0 <= float(least) <= float(mean) <= float(most)
    assert int(count) > 0


def test_stat_lines(cli):
    cli("set", "a", "1")
    done = subprocess.Popen([cli.path, "-p", str(cli.port), "--stat", "-i", "0.1"],
                            stdout=subprocess.PIPE)
    try:
        lines = [done.stdout.readline() for _ in range(4)]
    finally:
        done.kill()
        done.wait()
        done.stdout.close()
    assert b"keys" in lines[1] and b"clients" in lines[1]
    assert lines[2].split()[0].isdigit()


@pytest.mark.parametrize("words", [
    ["monitor"], ["subscribe", "a"], ["psync", "?", "-1"], ["eval", "return 1", "0"],
    ["lpush", "list", "a"], ["hset", "hash", "a", "1"], ["client", "tracking", "on"],
])
def test_what_does_not_exist_is_refused_at_once(cli, words):
    done = cli.run("-e", *words)
    assert done.returncode == 1, done.stdout
    assert b"ERR" in done.stdout + done.stderr


def test_help_comes_from_the_server(cli):
    assert "CLIENT <subcommand>" in cli("client", "help")
    docs = cli("command", "docs", "set")
    assert "summary" in docs and "complexity" in docs


def test_following_redirections_where_there_are_none(cluster_cli):
    assert cluster_cli("-c", "set", "foo", "1") == "OK"
    assert cluster_cli("-c", "get", "foo") == "1"
    assert cluster_cli("cluster", "keyslot", "foo") == "12182"


def test_cluster_check(cluster_cli):
    done = cluster_cli.run("--cluster", "check", f"127.0.0.1:{cluster_cli.port}")
    assert b"[OK] All 16384 slots covered." in done.stdout, done.stdout
    assert b"[OK] All nodes agree about slots configuration." in done.stdout
    assert done.returncode == 0


def test_cluster_info(cluster_cli):
    cluster_cli("set", "a", "1")
    report = cluster_cli("--cluster", "info", f"127.0.0.1:{cluster_cli.port}")
    assert "1 keys | 16384 slots" in report
    assert "[OK] 1 keys in 1 masters" in report


def test_cluster_call(cluster_cli):
    address = f"127.0.0.1:{cluster_cli.port}"
    assert f"{address}: PONG" in cluster_cli("--cluster", "call", address, "ping")


def test_a_single_node_refuses_cluster_commands_as_redis_does(cli):
    assert cli("cluster", "info") == "ERR This instance has cluster support disabled"
