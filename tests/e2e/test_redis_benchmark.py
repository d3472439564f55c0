"""redis-benchmark must come through: every run of its tests that a stranger would try first."""

import re
import subprocess

import pytest

TESTS = "ping_inline,ping_mbulk,set,get,incr,mset"


def run(redis_benchmark, node, *options, tests=TESTS, count=20_000):
    """{test: requests a second}; fails on any error that the program reports."""
    done = subprocess.run(
        [redis_benchmark, "-p", str(node.port), "-t", tests, "-n", str(count), "-q", *options],
        capture_output=True, timeout=240, text=True)
    output = done.stdout.replace("\r", "\n") + done.stderr
    assert done.returncode == 0, output
    assert "rror" not in output, output
    return {name.strip(): float(rate) for name, rate in
            re.findall(r"^([A-Z_ ()0-9a-z]+): ([\d.]+) requests per second", output, re.MULTILINE)}


@pytest.mark.parametrize("options", [
    [], ["-P", "16"], ["-c", "500"], ["--threads", "2"], ["-d", "3", "-r", "10000"],
    ["-P", "16", "-d", "100", "-r", "100000"], ["-c", "1", "-P", "1000"], ["-3"], ["-k", "0"],
], ids=" ".join)
def test_every_test_gives_a_rate(redis_benchmark, node, options):
    count = 1000 if options == ["-k", "0"] else 20_000 if "-P" in options else 5000
    rates = run(redis_benchmark, node, *options, count=count)
    assert len(rates) == 6 and all(rates.values()), rates


def test_values_of_9000_bytes(redis_benchmark, node):
    rates = run(redis_benchmark, node, "-d", "9000", "-P", "4", tests="set,get,mset", count=3000)
    assert len(rates) == 3, rates


def test_the_counter_is_exact(redis_benchmark, node):
    run(redis_benchmark, node, "-P", "8", tests="incr", count=30_000)
    assert node.client().get("counter:__rand_int__") == b"30000"


def test_as_a_cluster(redis_benchmark, cluster_node):
    """It understands our CLUSTER NODES and then wants at least two nodes."""
    done = subprocess.run([redis_benchmark, "-p", str(cluster_node.port), "--cluster", "-t", "set"],
                          capture_output=True, timeout=240, text=True)
    assert "Invalid cluster: 1 node(s)" in done.stdout + done.stderr
    rates = run(redis_benchmark, cluster_node, "-P", "4", tests="set,get", count=5000)
    assert len(rates) == 2, rates


def test_a_command_of_ones_own(redis_benchmark, node):
    done = subprocess.run(
        [redis_benchmark, "-p", str(node.port), "-n", "5000", "-q", "-r", "1000", "-P", "10",
         "setrange", "key:__rand_int__", "5", "xyz"], capture_output=True, timeout=240, text=True)
    assert done.returncode == 0 and "rror" not in done.stdout + done.stderr
    assert 900 < node.client().dbsize() <= 1000
