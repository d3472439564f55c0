"""What is on disk after a stop, a torn log, a full disk, a failing fsync, and who may open it.

Kill -9 under load has a file of its own, test_kill.py.
"""

import os
import re
import resource
import shutil
import subprocess
import time

import pytest
import redis

from tests.e2e.server import Node, eventually, read_to_end
from tests.e2e.small_disk import small_disk
from tests.e2e.torture import Round
from tests.e2e.two_servers import TIMEOUT_S

MIB = 2**20
SMALL = ("--memtable-bytes", "1mb", "--block-cache-bytes", "2mb", "--log-bytes-max", "4mb")
FAILING_FSYNC = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <unistd.h>
static int broken(void) {
    const char *path = getenv("FAILING_FSYNC");
    return path && access(path, F_OK) == 0;
}
#define WRAP(name) int name(int fd) { \
    static int (*real)(int); \
    if (broken()) { errno = EIO; return -1; } \
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, #name); \
    return real(fd); }
WRAP(fsync)
WRAP(fdatasync)
"""


def fill(client, count, size=500, start=0):
    for first in range(start, start + count, 500):
        with client.pipeline(transaction=False) as pipeline:
            for i in range(first, min(first + 500, start + count)):
                pipeline.set(f"key:{i}", b"%d:" % i + b"v" * size)
            pipeline.execute()


def check(client, count, size=500):
    assert client.dbsize() == count
    for first in range(0, count, 500):
        numbers = range(first, min(first + 500, count))
        values = client.mget([f"key:{i}" for i in numbers])
        assert values == [b"%d:" % i + b"v" * size for i in numbers]


def newest_log(node):
    return max(node.data.glob("*.log"), key=lambda path: path.name)


# -- stopping -------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
def test_sigterm_keeps_everything_and_ends_with_0(make_node, policy):
    node = make_node(*SMALL, "--appendfsync", policy)
    fill(node.client(), 5000)
    assert node.stop() == 0
    assert "stopped" in node.log
    node.start()
    check(node.client(), 5000)


def test_sigterm_under_load(make_node):
    node = make_node(*SMALL)
    current = Round(node, {0: {}, 1: {}, 2: {}}, 5)
    current.load(1)
    assert node.stop() == 0, node.log[-2000:]
    current.end()
    node.start()
    current.compare()


def test_shutdown_commands(make_node):
    node = make_node()
    for words in (("SHUTDOWN",), ("SHUTDOWN", "NOSAVE"), ("SHUTDOWN", "SAVE", "NOW")):
        node.client().incr("n")
        with pytest.raises(redis.ConnectionError):
            node.client().execute_command(*words)
        assert node.process.wait(TIMEOUT_S) == 0
        node.start()
    assert node.client().get("n") == b"3"


def test_a_clean_stop_leaves_no_log_to_replay(make_node):
    node = make_node()
    fill(node.client(), 3000)
    assert node.stop() == 0
    assert sum(log.stat().st_size for log in node.data.glob("*.log")) < 1000
    assert list(node.data.glob("*.sst"))


# -- one owner ------------------------------------------------------------------------------------


def test_a_second_start_on_the_same_data_is_refused(make_node, tmp_path):
    first, second = make_node(), make_node(start=False)
    second.data = first.data
    second.start(wait=False)
    assert second.process.wait(TIMEOUT_S) == 1
    assert "Traceback" not in second.log
    assert f"{first.data} is open in another process" in second.log, second.log
    first.client().set("a", "1")
    first.kill()
    second.start()
    assert second.client().get("a") == b"1"


def test_a_taken_port_is_named(make_node):
    first, second = make_node(), make_node(start=False)
    second.port = first.port
    second.start(wait=False)
    assert second.process.wait(TIMEOUT_S) == 1
    assert f"port {first.port} is already in use" in second.log
    assert "make serve PORT=6380" in second.log
    assert "Traceback" not in second.log


# -- a damaged log --------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [1, 7, 100])
def test_a_torn_last_record_is_cut_and_logged(make_node, cut):
    node = make_node()
    client = node.client()
    for i in range(100):
        client.set(f"key:{i}", b"%d:" % i + b"v" * 500)
    node.kill()
    log = newest_log(node)
    whole = log.read_bytes().rstrip(b"\0")
    os.truncate(log, len(whole) - cut)
    before = len(node.log)
    node.start()
    check(node.client(), 99)
    said = node.log[before:]
    assert re.search(rf"# .*{log.name}.*\bcut off", said), said
    fill(node.client(), 100)
    node.kill()
    before = len(node.log)
    node.start()
    check(node.client(), 100)
    assert "cut off" not in node.log[before:]


def test_damage_before_the_tail_stops_the_start(make_node):
    node = make_node()
    client = node.client()
    for i in range(100):
        client.set(f"key:{i}", b"v" * 500)
    node.kill()
    log = newest_log(node)
    damaged = bytearray(log.read_bytes())
    damaged[len(damaged) // 3] ^= 0x40
    log.write_bytes(damaged)
    before = len(node.log)
    node.start(wait=False)
    assert node.process.wait(TIMEOUT_S) == 1
    said = node.log[before:]
    assert re.search(rf"{log.name} is damaged at byte \d+", said), said
    assert "Traceback" not in said


def test_a_damaged_table_fails_the_reads_that_need_it_and_no_others(make_node):
    """One wrong bit in one block of each table (some may be left over from a compaction)."""
    node = make_node("--compression", "none", *SMALL)
    fill(node.client(), 4000)
    assert node.stop() == 0
    tables = list(node.data.glob("*.sst"))
    for table in tables:
        damaged = bytearray(table.read_bytes())
        damaged[damaged.index(b"v" * 100)] ^= 1
        table.write_bytes(damaged)
    node.start()
    client = node.client()
    errors = found = 0
    for i in range(4000):
        try:
            assert client.get(f"key:{i}") == b"%d:" % i + b"v" * 500
            found += 1
        except redis.ResponseError as error:
            assert re.search(r"^IOERR .*\d+\.sst", str(error)), error
            errors += 1
    assert 0 < errors < 20 * len(tables) and found == 4000 - errors
    client.set("another", "1")
    assert client.get("another") == b"1"


# -- a full disk ----------------------------------------------------------------------------------


@pytest.fixture
def full_soon(tmp_path):
    with small_disk(tmp_path / "disk", 48) as folder:
        yield folder


def write_until_refused(client, acknowledged):
    """Fill the disk with values that do not compress; the error."""
    for i in range(len(acknowledged), 1_000_000):
        value = os.urandom(2000)
        try:
            client.set(f"key:{i}", value)
        except redis.ResponseError as error:
            return str(error)
        acknowledged[f"key:{i}"] = value
    raise AssertionError("the disk never got full")


def holds(client, acknowledged):
    names = list(acknowledged)
    for first in range(0, len(names), 200):
        part = names[first:first + 200]
        assert client.mget(part) == [acknowledged[name] for name in part]


def test_a_full_disk_refuses_writes_and_serves_reads(full_soon):
    ballast = full_soon / "ballast"
    ballast.write_bytes(bytes(16 * MIB))
    with Node(full_soon, *SMALL) as node:
        node.log_file = full_soon.parent / "log"
        client = node.client()
        acknowledged = {}
        error = write_until_refused(client, acknowledged)
        assert error.startswith("MISCONF") and "space" in error.lower(), error
        assert len(acknowledged) > 100
        assert client.ping()
        holds(client, acknowledged)
        assert write_until_refused(client, acknowledged).startswith("MISCONF")
        ballast.unlink()

        def works_again():
            try:
                return client.set("after", "1")
            except redis.ResponseError:
                return False

        eventually(works_again)
        acknowledged["after"] = b"1"
        more = len(acknowledged)
        write_until_refused(client, acknowledged)
        assert len(acknowledged) > more
        holds(client, acknowledged)
        node.kill()
        (full_soon / "reserve").unlink(missing_ok=True)
        node.start()
        holds(node.client(), acknowledged)


# -- a failing fsync ------------------------------------------------------------------------------


@pytest.fixture
def fsync_fault(tmp_path):
    """(environment for the node, a file whose presence makes every fsync fail)."""
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler for the preloaded fault (apt-get install build-essential)")
    source, library = tmp_path / "fault.c", tmp_path / "fault.so"
    source.write_text(FAILING_FSYNC)
    subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
    switch = tmp_path / "broken"
    return {**os.environ, "LD_PRELOAD": str(library), "FAILING_FSYNC": str(switch)}, switch


@pytest.mark.parametrize("policy", ["always", "everysec"])
def test_after_a_failed_fsync_writes_are_refused_until_a_restart(make_node, fsync_fault, policy):
    environment, switch = fsync_fault
    node = make_node("--appendfsync", policy, start=False)
    node.start(env=environment)
    client = node.client()
    client.set("before", "1")
    switch.touch()

    def refused():
        try:
            node.client().set("during", "1")
            return None
        except redis.ResponseError as error:
            return str(error)
        except redis.ConnectionError:
            return None

    error = eventually(refused)
    assert error.startswith("MISCONF") and "sync" in error, error
    assert node.client().get("before") == b"1"
    switch.unlink()
    assert refused() is not None, "a second fsync that succeeds proves nothing"
    assert node.client().ping()
    node.kill()
    node.start()
    assert node.client().get("before") == b"1"
    assert node.client().set("after", "1")


def test_always_acknowledges_nothing_while_fsync_fails(make_node, fsync_fault):
    environment, switch = fsync_fault
    node = make_node("--appendfsync", "always", start=False)
    node.start(env=environment)
    link = node.link()
    assert link.ask(b"SET", b"a", b"1") == b"+OK\r\n"
    switch.touch()
    assert link.ask(b"SET", b"a", b"2").startswith(b"-MISCONF")
    with pytest.raises(ConnectionError):
        link.ask(b"PING")


# -- files ----------------------------------------------------------------------------------------


def test_few_open_files_leave_room_for_the_data(make_node):
    """Clients get no more than their share, so that flushes can still open files."""
    node = make_node(*SMALL, start=False)
    node.start(preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64)))
    client = node.client()
    client.ping()
    sockets = [node.socket() for _ in range(100)]
    assert read_to_end(sockets[-1]) == b"-ERR max number of clients reached\r\n"
    fill(client, 5000)
    check(client, 5000)
    eventually(lambda: client.info("engine")["flushes"])
    assert "no more than 32 clients are let in" in node.log
    for sock in sockets:
        sock.close()
    eventually(lambda: answers(node))


def test_no_open_file_left_for_a_client(make_node):
    """It waits in the kernel; those inside are served, and the log is not flooded."""
    node = make_node()
    client = node.client()
    client.set("a", "1")
    soft, hard = resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE, (10, hard))
    began = time.monotonic()
    waiting = node.link()
    eventually(lambda: "cannot accept a client" in node.log)
    time.sleep(1.5)
    assert client.get("a") == b"1"
    assert node.log.count("cannot accept a client") < 10 + (time.monotonic() - began)
    resource.prlimit(node.process.pid, resource.RLIMIT_NOFILE, (soft, hard))
    assert waiting.ask(b"GET", b"a") == b"$1\r\n1\r\n"


def answers(node):
    try:
        return node.client().ping()
    except redis.ConnectionError:
        return False


def test_a_data_folder_that_vanishes_is_an_error_and_not_a_silence(make_node):
    node = make_node(*SMALL)
    client = node.client()
    client.set("a", "1")
    shutil.rmtree(node.data)
    with pytest.raises(redis.RedisError) as caught:
        fill(client, 100_000)
    assert "MISCONF" in str(caught.value), caught.value
    assert node.client().get("a") == b"1"
    assert "No such file" in str(caught.value)
