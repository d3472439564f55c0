"""The table of the faults, what was wanted, and throughput as a line of text."""

BACK_S_WANTED, RATIO_WANTED = 2.0, 10.0
REPAIR_SHARE_WANTED, COST_WANTED = 0.05, 0.10
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


def handover_lines(row):
    """The case hints or refill."""
    numbers = "; ".join(
        f"{before:.0f} before, {with_it:.0f} with, {after:.0f} after ({seconds:.1f} s)"
        for before, with_it, after, seconds in zip(row["before"], row["with"], row["after"], row["seconds"]))
    return f"{row['case']}, {row['keys']} keys, commands a second: {numbers}; it costs {row['cost']:.1%}"


def repair_line(row):
    return (f"repair, 1 % of {row['keys']} keys differs: {row['sent_bytes'] / 1e6:.2f} MB sent, "
            f"{row['share']:.2%} of {row['data_bytes'] / 1e6:.0f} MB, in {row['seconds']:.1f} s "
            f"(filled in {row['fill_s']:.0f} s); {row['missing']} keys still missing")


def missed_case(row):
    """The same for a row of the other cases."""
    if row["case"] == "repair":
        found = [f"{row['missing']} keys were not repaired"] if row["missing"] else []
        if row["share"] >= REPAIR_SHARE_WANTED:
            found.append(f"{row['share']:.1%} of the data's bytes were sent")
        return found
    return [f"it costs {row['cost']:.0%} of the throughput"] if row["cost"] >= COST_WANTED else []


def sparkline(values, mark):
    """One character for each value; a bar stands where the fault begins."""
    top = max(values, default=0) or 1
    drawn = [BARS[min(len(BARS) - 1, int(value / top * len(BARS)))] for value in values]
    return "".join(drawn[:mark]) + "|" + "".join(drawn[mark:])
