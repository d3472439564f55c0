"""How long the event loop is busy in one turn while flush and compaction run all the time.

Writes random pairs through several pipelined connections with a small memtable, so that a flush or
a compaction is under way nearly always, reads some back meanwhile, and prints INFO's histogram of
turns. Wanted: no turn above 10 ms. The machine has its say: a turn is measured by the wall clock, so
one in which the kernel gave the core to another process counts in full; `stolen` shows how long
the server's main thread stood ready without a core (schedstat), to tell one from the other. On a machine
with other work, --realtime (needs root) gives the main thread a core whenever it wants one.
"""

import argparse
import json
import os
import subprocess
import time

from benchmarks.server.servers import Server, free_port, resp_kv

COUNTED_USEC = 8192          # INFO's turns_over_10ms counts from this bound of the histogram on


def main(arguments=None):
    options = parse(arguments)
    command = resp_kv("--memtable-bytes", options.memtable, "--block-cache-bytes", options.memtable,
                      *options.directives)
    with Server("resp-kv", command, free_port()) as server:
        if options.realtime:
            os.sched_setscheduler(server.process.pid, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK,
                                  os.sched_param(1))
        server.ask("CONFIG RESETSTAT")
        before, waited = steps(server), stood_ready(server)
        seconds = drive(server, options)
        loop, after = server.info("loop"), steps(server)
        report(loop, after, before, seconds, stood_ready(server) - waited)
    if options.json:
        with open(options.json, "a", encoding="utf-8") as file:
            file.write(json.dumps({"time": time.strftime("%Y-%m-%d %H:%M:%S"), "loop": loop}) + "\n")


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--memtable", default="16mb")
    parser.add_argument("--value-bytes", type=int, default=1000)
    parser.add_argument("--keys", type=int, default=500_000)
    parser.add_argument("--realtime", action="store_true", help="SCHED_FIFO for the main thread")
    parser.add_argument("--json", metavar="FILE", help="append one line")
    parser.add_argument("directives", nargs="*", help="for resp-kv, after --")
    return parser.parse_args(arguments)


def drive(server, options):
    """SETs and GETs side by side for a while; returns seconds."""
    began = time.monotonic()
    shared = ["-p", str(server.port), "-r", str(options.keys), "-d", str(options.value_bytes),
              "-n", "1000000000", "-q"]
    loads = [subprocess.Popen(["redis-benchmark", "-t", test, "-P", depth, "-c", clients, *shared],
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
             for test, depth, clients in (("set", "16", "20"), ("get", "4", "10"))]
    time.sleep(options.seconds)
    for load in loads:
        load.kill()
        load.wait()
    return time.monotonic() - began


def steps(server):
    """The numbers of INFO that tell of flushes and compactions."""
    return {name: int(text) for name, text in server.info("everything").items()
            if text.isdigit() and any(word in name for word in ("flushes", "compactions"))}


def stood_ready(server):
    """Seconds that the main thread could have run and did not."""
    path = f"/proc/{server.process.pid}/task/{server.process.pid}/schedstat"
    with open(path, encoding="ascii") as file:
        return int(file.read().split()[1]) / 1e9


def report(loop, after, before, seconds, stolen):
    buckets = [tuple(map(int, item.split("=")))
               for item in loop["turn_usec_histogram"].split(",") if item]
    total = sum(count for _, count in buckets) or 1
    print(f"{seconds:.0f} s of SET and GET on {os.cpu_count()} cores; "
          + ", ".join(f"{name} {after[name] - before.get(name, 0)}" for name in after))
    print(f"{'busy below':>12} {'turns':>10} {'share':>9}")
    for bound, count in buckets:
        print(f"{written(bound):>12} {count:10} {count / total:9.4%} {'#' * round(50 * count / total)}")
    print(f"\nlongest turn    {int(loop['longest_turn_usec']) / 1000:.1f} ms")
    print(f"above {written(COUNTED_USEC)}    {loop['turns_over_10ms']} of {loop['turns']}")
    print(f"stolen          {stolen:.2f} s in which the main thread stood ready without a core")


def written(usec):
    return f"{usec} us" if usec < 1024 else f"{usec / 1000:.1f} ms"


if __name__ == "__main__":
    main()
