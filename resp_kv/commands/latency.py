"""LATENCY: events that took long (resp_kv/latency.py), and histograms of every command."""

from functools import partial

from resp_kv.commands.help import help_command
from resp_kv.commands.introspection import every_row, row_named
from resp_kv.commands.table import arg, command, container
from resp_kv.errors import CommandError
from resp_kv.resp.values import Verbatim

container("latency", group="server", since="2.8.13", complexity="Depends on subcommand.",
          acl_categories=("@slow",), summary="Commands about what took long.")

latency_command = partial(command, group="server", flags="admin noscript loading stale",
                          since="2.8.13", acl_categories=("@admin", "@slow", "@dangerous"))
REPORTED = ("nondeterministic_output", "request_policy:all_nodes", "response_policy:special")
EVENT = [arg("event", "string")]
BAR_COLUMNS = 60
ADVICE = {
    "command": "Commands themselves took long: SLOWLOG GET names them.",
    "turn": "A turn of the event loop took long: see section Loop of INFO.",
    "fsync": "The disk was slow to sync: `appendfsync everysec` keeps clients from waiting for it.",
    "flush": "Moving the memtable to disk took long: a larger memtable-bytes makes it rarer.",
    "compaction": "A compaction step took long: compaction-rate-limit makes room for others.",
}


@latency_command("latency|latest", arity=2, tips=REPORTED,
                 summary="Newest and worst sample of every event.")
def latest(client, args):
    return [[name, event.samples[-1].time_s, event.samples[-1].ms, event.max_ms]
            for name, event in client.node.latency.events.items()]


@latency_command("latency|history", arity=3, tips=REPORTED, args=EVENT,
                 summary="Time and milliseconds of the samples of one event.")
def history(client, args):
    event = client.node.latency.events.get(text_of(args[2]))
    return [list(sample) for sample in event.samples] if event else []


@latency_command("latency|reset", arity=-2,
                 tips=("request_policy:all_nodes", "response_policy:all_succeeded"),
                 args=[arg("event", "string", flags=["optional", "multiple"])],
                 summary="Forgets the samples of these events, or of all; how many it forgot.")
def reset(client, args):
    names = [text_of(word) for word in args[2:]] or None
    return client.node.latency.reset(names)


@latency_command("latency|graph", arity=3, tips=REPORTED, args=EVENT,
                 summary="Draws the samples of one event.")
def graph(client, args):
    name = text_of(args[2])
    event = client.node.latency.events.get(name)
    if event is None:
        raise CommandError(f"ERR No samples available for event '{name}'")
    now_s = client.node.now_ms // 1000
    low = min(sample.ms for sample in event.samples)
    lines = [f"{name} - high {event.max_ms} ms, low {low} ms (all time high {event.max_ms} ms)"]
    for sample in event.samples:
        bar = "#" * max(1, sample.ms * BAR_COLUMNS // max(1, event.max_ms))
        lines.append(f"{now_s - sample.time_s:>8} s ago {sample.ms:>8} ms {bar}")
    return Verbatim("\n".join(lines) + "\n")


@latency_command("latency|doctor", arity=2, tips=REPORTED,
                 summary="Says in words what took long and what may help.")
def doctor(client, args):
    monitor = client.node.latency
    if monitor.threshold_ms == 0:
        return Verbatim(
            "Latency monitoring is off. CONFIG SET latency-monitor-threshold <milliseconds> "
            "turns it on.\n")
    if not monitor.events:
        return Verbatim(f"No event took {monitor.threshold_ms} ms or longer so far.\n")
    lines = []
    for name, event in monitor.events.items():
        times = [sample.ms for sample in event.samples]
        lines.append(f"{name}: {len(times)} samples, {sum(times) / len(times):.0f} ms on average, "
                     f"{event.max_ms} ms at worst. {ADVICE.get(name, '')}".rstrip())
    return Verbatim("\n".join(lines) + "\n")


@latency_command(
    "latency|histogram", arity=-2, since="7.0.0", tips=REPORTED,
    complexity="O(N) where N is the number of commands with latency information being retrieved.",
    args=[arg("command", "string", flags=["optional", "multiple"])],
    summary="How many calls of each command took at most 1, 2, 4, ... microseconds.",
)
def histogram(client, args):
    if len(args) == 2:
        rows = every_row(client.node.commands)
    else:
        rows = (row for name in args[2:] for row in with_subcommands(row_named(name)))
    return {row.name: cumulative(row) for row in rows if any(row.usec_buckets)}


def with_subcommands(row):
    return [] if row is None else [row, *row.subcommands.values()]


def cumulative(row):
    counts, calls = {}, 0
    for power, count in enumerate(row.usec_buckets):
        if count:
            calls += count
            counts[1 << power] = calls
    return {"calls": calls, "histogram_usec": counts}


def text_of(word):
    return word.decode("utf-8", "surrogateescape")


help_command("latency", since="2.8.13", acl_categories=("@slow",))
