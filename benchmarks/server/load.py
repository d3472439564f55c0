"""The load: redis-benchmark, with its whole latency table read, and a loader of known pairs."""

import os
import re
import resource
import subprocess
import time

PERCENTILES = (50.0, 99.0, 99.9)


class Result:
    """requests, seconds, generator_cpu_seconds, and latency_ms {percentile: milliseconds}."""

    def __init__(self, requests, seconds, generator_cpu_seconds, latency_ms):
        self.requests, self.seconds = requests, seconds
        self.generator_cpu_seconds, self.latency_ms = generator_cpu_seconds, latency_ms


def run(port, test, requests, *, pipeline, clients, value_bytes, keys):
    """One redis-benchmark run. Raises RuntimeError with its words when it fails."""
    command = ["redis-benchmark", "-p", str(port), "-t", test, "-n", str(requests),
               "-P", str(pipeline), "-c", str(clients), "-d", str(value_bytes), "-r", str(keys)]
    before = generator_cpu()
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True)
    seconds = time.monotonic() - began
    if done.returncode or "throughput summary" not in done.stdout:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout[-500:]}{done.stderr[-500:]}")
    rate = float(re.search(r"throughput summary: ([\d.]+)", done.stdout)[1])
    if rate > 0:
        seconds = requests / rate
    return Result(requests, seconds, generator_cpu() - before, percentiles(done.stdout))


def generator_cpu():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def percentiles(text):
    """{percentile: ms} out of the lines '99.902% <= 1.234 milliseconds': the first at or above."""
    section = text.partition("Latency by percentile distribution:")[2].partition("Cumulative")[0]
    rows = [(float(share), float(ms))
            for share, ms in re.findall(r"([\d.]+)% <= ([\d.]+) milliseconds", section)]
    found = {wanted: next((ms for share, ms in rows if share >= wanted - 0.001), float("nan"))
             for wanted in PERCENTILES}
    summary = text.partition("latency summary (msec):")[2].split("\n")
    if len(summary) > 2:                      # exact where redis-benchmark says so itself
        names, values = summary[1].split(), summary[2].split()
        for wanted, name in ((50.0, "p50"), (99.0, "p99")):
            found[wanted] = float(values[names.index(name)])
    return found


def key(number):
    """The key that redis-benchmark makes of a random number."""
    return b"key:%012d" % number


def value(number, size):
    """A value that only this key has, that does not compress to nothing."""
    seed = (number * 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
    head = b"%016x:" % seed
    start = number % (len(NOISE) - size) if size else 0
    return (head + NOISE[start:start + size])[:size]


NOISE = os.urandom(1 << 20)


def fill(server, keys, value_bytes, batch=500):
    """Store key(0) .. key(keys - 1); returns seconds."""
    began = time.monotonic()
    with server.connect() as sock:
        for start in range(0, keys, batch):
            numbers = range(start, min(start + batch, keys))
            sock.sendall(b"".join(
                b"*3\r\n$3\r\nSET\r\n$16\r\n%b\r\n$%d\r\n%b\r\n"
                % (key(number), value_bytes, value(number, value_bytes)) for number in numbers))
            expect(sock, b"+OK\r\n" * len(numbers))
    return time.monotonic() - began


def read_back(server, keys, value_bytes, batch=500, order=None):
    """Read all of fill's pairs and compare; returns seconds. Raises RuntimeError at a wrong one."""
    began = time.monotonic()
    order = order or range(keys)
    with server.connect() as sock:
        for start in range(0, keys, batch):
            numbers = order[start:start + batch]
            sock.sendall(b"".join(b"*2\r\n$3\r\nGET\r\n$16\r\n%b\r\n" % key(number)
                                  for number in numbers))
            wanted = b"".join(b"$%d\r\n%b\r\n" % (value_bytes, value(number, value_bytes))
                              for number in numbers)
            got = receive(sock, len(wanted))
            if got != wanted:
                complain(got, numbers, value_bytes)
    return time.monotonic() - began


def complain(got, numbers, value_bytes):
    """Name the first answer that differs; behind it the stream may be out of step."""
    size = len(b"$%d\r\n\r\n" % value_bytes) + value_bytes
    for place, number in enumerate(numbers):
        answer = got[place * size:(place + 1) * size]
        if answer != b"$%d\r\n%b\r\n" % (value_bytes, value(number, value_bytes)):
            raise RuntimeError(f"{key(number)} answered {answer[:80]!r}")


def expect(sock, wanted):
    got = receive(sock, len(wanted))
    if got != wanted:
        raise RuntimeError(f"expected {wanted[:40]!r}..., got {got[:200]!r}")


def receive(sock, size):
    parts, missing = [], size
    while missing:
        part = sock.recv(min(missing, 1 << 20))
        if not part:
            raise RuntimeError("the server closed the connection")
        parts.append(part)
        missing -= len(part)
        if parts[0][:1] == b"-":
            break
    return b"".join(parts)
