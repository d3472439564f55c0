"""One measured run of a case: redis-benchmark as it is, or generator.c, compiled when first needed."""

import contextlib
import json
import os
import re
import shutil
import subprocess
import tempfile
import time

from benchmarks.cluster.cases import CLIENTS, VALUE_BYTES
from benchmarks.server.load import PERCENTILES, expect, generator_cpu, percentiles, value

SOURCE = os.path.join(os.path.dirname(__file__), "generator.c")


class Result:
    """operations, seconds, generator_cpu_seconds, errors, misses (None: not known), latency_ms."""

    def __init__(self, operations, seconds, generator_cpu_seconds, errors, misses, latency_ms):
        self.operations, self.seconds = operations, seconds
        self.generator_cpu_seconds, self.latency_ms = generator_cpu_seconds, latency_ms
        self.errors, self.misses = errors, misses


class Load:
    """`keys` random keys. In a `with` block: the compiled generator goes at its end."""

    def __init__(self, keys):
        self.keys, self.seed = keys, 0
        self.directory = tempfile.mkdtemp(prefix="bench-generator-")
        self.program = os.path.join(self.directory, "generator")
        subprocess.run([os.environ.get("CC", "cc"), "-O2", "-Wall", "-o", self.program, SOURCE],
                       check=True)

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        shutil.rmtree(self.directory, ignore_errors=True)

    def run(self, case, store, operations):
        """Raises RuntimeError when the load generator fails; error replies are in the result."""
        if case.tool in ("plain", "--cluster"):
            return self.redis_benchmark(case, store, operations)
        return self.generator(case, store, operations)

    def redis_benchmark(self, case, store, operations):
        # Every node has its own tag in its keys, so a third of the numbers makes as many keys.
        keys = self.keys // len(store.servers) if case.tool == "--cluster" else self.keys
        command = ["redis-benchmark", "-p", str(store.port), "-t", case.kind, "-e",
                   "-n", str(operations), "-P", str(case.pipeline), "-c", str(CLIENTS),
                   "-d", str(VALUE_BYTES), "-r", str(keys)]
        if case.tool == "--cluster":
            command.append("--cluster")
        errors, cpu = store.errors(), generator_cpu()
        done = subprocess.run(command, capture_output=True, text=True)
        found = re.search(r"throughput summary: ([\d.]+)", done.stdout)
        if done.returncode or not found or float(found[1]) <= 0:
            raise RuntimeError(f"{' '.join(command)}: {done.stdout[-500:]}{done.stderr[-500:]}")
        return Result(operations, operations / float(found[1]), generator_cpu() - cpu,
                      store.errors() - errors, None, percentiles(done.stdout))

    def generator(self, case, store, operations):
        self.seed += 1
        routed = case.tool == "routed"
        command = [self.program, case.mode, "-n", str(operations), "-c", str(CLIENTS),
                   "-P", str(case.pipeline), "-d", str(VALUE_BYTES), "-r", str(self.keys),
                   "-s", str(self.seed), *(["-o"] if routed else []),
                   *map(str, store.ports if routed else store.ports[:1])]
        done = subprocess.run(command, capture_output=True, input=store.owners() if routed else b"")
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.decode()}")
        found = json.loads(done.stdout)
        return Result(found["operations"], found["seconds"], found["cpu_seconds"], found["errors"],
                      found["misses"], {share: found["latency_ms"][f"{share}"]
                                        for share in PERCENTILES})


def fill(store, names, batch=500):
    """Store a value under every name; returns seconds. `names` yields bytes."""
    began, names = time.monotonic(), iter(names)
    with contextlib.closing(store.servers[0].connect()) as sock:
        number = 0
        while part := [name for _, name in zip(range(batch), names)]:
            sock.sendall(b"".join(
                b"*3\r\n$3\r\nSET\r\n$%d\r\n%b\r\n$%d\r\n%b\r\n"
                % (len(name), name, VALUE_BYTES, value(number + i, VALUE_BYTES))
                for i, name in enumerate(part)))
            expect(sock, b"+OK\r\n" * len(part))
            number += len(part)
    return time.monotonic() - began
