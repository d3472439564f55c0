"""The system clock of one of three nodes is set wrong, and right again: clients notice nothing.

A small library in front of libc shifts CLOCK_REALTIME by what stands in a file.
"""

import os
import shutil
import struct
import subprocess

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.load import Load
from tests.e2e.server import eventually

pytestmark = pytest.mark.slow
HOUR_MS = 3_600_000
SHIFTED = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
static volatile int64_t *shift_ms;
static int (*real)(clockid_t, struct timespec *);
__attribute__((constructor)) static void begin(void) {
    int file = open(getenv("CLOCK_SHIFT"), O_RDONLY);
    shift_ms = mmap(0, 8, PROT_READ, MAP_SHARED, file, 0);
}
int clock_gettime(clockid_t id, struct timespec *now) {
    if (!real)
        real = dlsym(RTLD_NEXT, "clock_gettime");
    int result = real(id, now);
    if (result == 0 && id == CLOCK_REALTIME && shift_ms)
        now->tv_sec += *shift_ms / 1000;
    return result;
}
"""


class Clock:
    """The system clock of the processes that are started with `environment`."""

    def __init__(self, folder):
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler for the preloaded clock (apt-get install build-essential)")
        source, library, self.file = folder / "clock.c", folder / "clock.so", folder / "shift"
        source.write_text(SHIFTED)
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        self.file.write_bytes(bytes(8))
        self.environment = {**os.environ, "LD_PRELOAD": str(library), "CLOCK_SHIFT": str(self.file)}

    def shift(self, ms):
        with open(self.file, "r+b") as file:
            file.write(struct.pack("=q", ms))


@pytest.fixture
def clock(tmp_path):
    return Clock(tmp_path)


@pytest.fixture
def cluster(tmp_path, clock):
    with Cluster(tmp_path, start=False) as made:
        for number, node in enumerate(made.nodes):
            node.start(wait=False, env=clock.environment if number == 2 else None)
        for node in made.nodes:
            node.wait_until_up()
        made.wait_for("ok")
        yield made


def correction_ms(node):
    return int(node.client().info("cluster")["clock_correction_ms"])


def assert_unharmed(cluster, load):
    assert load.errors == [], cluster.logs
    for node in cluster.nodes:
        load.check(node.client())


def near(value, wanted, within=1500):
    return abs(value - wanted) <= within


def test_it_jumps_under_load(cluster, clock):
    clients = [node.client() for node in cluster.nodes]
    with Load(cluster, writers=[0, 1, 2], readers=[2, 1, 0]) as load:
        for shift_ms in (HOUR_MS, 0, -HOUR_MS, 2 * HOUR_MS, 0):
            load.go_on(300)
            clock.shift(shift_ms)
            load.go_on(300)
            assert near(correction_ms(cluster[2]), -shift_ms)
            for number, client in enumerate(clients):
                client.set(f"expiring:{number}", shift_ms, ex=100)
                assert all(90_000 < other.pttl(f"expiring:{number}") <= 101_000 for other in clients)
    assert_unharmed(cluster, load)


@pytest.mark.parametrize("shift_ms", [HOUR_MS, -HOUR_MS])
def test_it_starts_with_a_wrong_clock(cluster, clock, shift_ms):
    cluster.kill(2)
    clock.shift(shift_ms)
    cluster[2].start(wait=False, env=clock.environment)
    cluster[2].wait_until_up()
    cluster.wait_for("ok")
    assert near(correction_ms(cluster[2]), -shift_ms)
    with Load(cluster, writers=[0, 1, 2], readers=[2, 1, 0]) as load:
        load.go_on(500)
        clock.shift(0)
        load.go_on(300)
    eventually(lambda: correction_ms(cluster[2]) == 0)
    assert_unharmed(cluster, load)
