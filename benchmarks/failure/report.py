"""The table of the faults, what was wanted, and throughput as a line of text."""

BACK_S_WANTED, RATIO_WANTED = 2.0, 10.0
BARS = "▁▂▃▄▅▆▇█"
COLUMNS = (("nodes", 6), ("fault", 7), ("lost", 6), ("stale", 6), ("errors", 7), ("in flight", 10),
           ("before/s", 9), ("lowest/s", 9), ("capacity/s", 11), ("back s", 7), ("below s", 8),
           ("p99 ms", 14), ("p99.9 ms", 16),
           ("ratio", 6))


def heading():
    return "".join(f"{name:>{width}}" for name, width in COLUMNS)


def line(row):
    normal, fault = row["normal_ms"], row["fault_ms"]
    back = "never" if row["back_s"] is None else f"{row['back_s']:.1f}"
    texts = (row["nodes"], row["fault"], row["lost"], len(row["stale"]), len(row["errors"]), row["own"],
             f"{row['before']:.0f}", f"{row['lowest']:.0f}", f"{row['capacity']:.0f}", back,
             f"{row['below_s']:.1f}",
             f"{normal['p99']:.1f} -> {fault['p99']:.1f}", f"{normal['p99.9']:.1f} -> {fault['p99.9']:.1f}",
             f"{ratio(row):.1f}")
    return "".join(f"{text:>{width}}" for text, (_, width) in zip(texts, COLUMNS))


def ratio(row):
    return row["fault_ms"]["p99.9"] / max(row["normal_ms"]["p99.9"], 0.001)


def missed(row):
    """What of this row is not as wanted, in words."""
    found = []
    if row["lost"]:
        found.append(f"{row['lost']} acknowledged writes lost")
    if row["stale"]:
        found.append(f"{len(row['stale'])} reads of less than was acknowledged")
    if row["errors"]:
        found.append(f"{len(row['errors'])} errors, the first: {row['errors'][0]}")
    if row["back_s"] is None or row["back_s"] > BACK_S_WANTED:
        found.append(f"not above 90 % of the capacity within {BACK_S_WANTED} s")
    if ratio(row) >= RATIO_WANTED:
        found.append(f"p99.9 is {ratio(row):.1f} times the normal one")
    return found


def sparkline(values, mark):
    """One character for each value; a bar stands where the fault begins."""
    top = max(values, default=0) or 1
    drawn = [BARS[min(len(BARS) - 1, int(value / top * len(BARS)))] for value in values]
    return "".join(drawn[:mark]) + "|" + "".join(drawn[mark:])
