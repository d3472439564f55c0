"""Tables out of samples: medians, ratios to the first case of each group, and what was wanted."""

from benchmarks.cluster.cases import PIPELINES
from benchmarks.server.compare import latency, median, ratio
from benchmarks.server.load import PERCENTILES

THROUGHPUT_WANTED = 1.0       # of Redis with WAIT 1, or more
CPU_WANTED = 1.5              # of Redis's three processes, or less
GOALS = (
    ("rate", "resp-kv QUORUM generator", "redis SET + WAIT 1 generator"),
    ("rate", "resp-kv QUORUM generator", "redis SET one WAIT 1 generator"),
    ("rate", "resp-kv QUORUM routed", "redis SET + WAIT 1 generator"),
    ("rate", "resp-kv QUORUM routed", "redis SET one WAIT 1 generator"),
    ("cpu_usec", "resp-kv QUORUM", "redis SET"),
    ("cpu_usec", "resp-kv QUORUM generator", "redis SET generator"),
    ("cpu_usec", "resp-kv QUORUM routed", "redis SET generator"),
)
WIDTHS = tuple(zip(PERCENTILES, (9, 9, 10)))


def report(samples):
    for title, by_case in samples.items():
        first = next(iter(by_case.values()))
        print(f"\n{title:42}{'thousand/s':>10}{'ratio':>7}{'CPU us/op':>11}{'ratio':>7}"
              f"{'by process':>20}{'p50 ms':>9}{'p99 ms':>9}{'p99.9 ms':>10}{'load CPU':>10}")
        for case, found in by_case.items():
            print(f"{case.name:42}{median(found, 'rate') / 1e3:10.1f}"
                  f"{ratio(found, first, 'rate'):7.2f}"
                  f"{median(found, 'cpu_usec'):11.2f}{ratio(found, first, 'cpu_usec'):7.2f}"
                  f"{by_process(found):>20}"
                  f"{''.join(f'{latency(found, share):{width}.2f}' for share, width in WIDTHS)}"
                  f"{median(found, 'generator_share'):10.0%}{complaint(found)}")
    print("\nRatios are to the first line of each table. By process: node 1 (or the primary), the "
          "other two. Load CPU:\nthe load generator's share of one core.")
    print("\n".join(wanted(samples)))


def by_process(found):
    count = len(found[0].cpu_usec_by_process)
    middle = len(found) // 2
    return " ".join(f"{sorted(sample.cpu_usec_by_process[i] for sample in found)[middle]:.1f}"
                    for i in range(count))


def complaint(found):
    errors = sum(sample.errors for sample in found)
    misses = sum(sample.misses or 0 for sample in found)
    return (f"  {errors} ERRORS" if errors else "") + (f"  {misses} MISSES" if misses else "")


def wanted(samples):
    """One line for each goal that these samples can tell of."""
    sets = {(case.pipeline, case.name): found for by_case in samples.values()
            for case, found in by_case.items() if case.kind == "set"}
    for pipeline in PIPELINES:
        for field, mine, other in GOALS:
            a, b = sets.get((pipeline, mine)), sets.get((pipeline, other))
            if a and b:
                yield goal(f"P={pipeline}: {mine} / {other}", field, ratio(a, b, field))


def goal(what, field, value):
    if field == "rate":
        return line(value >= THROUGHPUT_WANTED, f"throughput at {what}", value,
                    f">= {THROUGHPUT_WANTED}")
    return line(value <= CPU_WANTED, f"CPU at {what}", value, f"<= {CPU_WANTED}")


def line(is_met, what, value, limit):
    return f"{'met' if is_met else 'NOT MET':8}{what}: {value:.2f}, wanted {limit}"
