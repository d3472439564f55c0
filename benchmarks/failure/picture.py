"""One fault as an SVG: throughput above, p99 below on a logarithmic scale, a line where it strikes."""

import math

from benchmarks.failure import measure

WIDTH, HEIGHT, LEFT, TOP, GAP = 800, 180, 70, 40, 50
BIN_S = 0.25


def picture(title, slow, fast, victim):
    """`slow` and `fast` are (result, second of the fault, second of the end)."""
    above = measure.throughput(fast[0], fast[2], BIN_S)
    below = [measure.latency(slow[0], at * BIN_S, (at + 1) * BIN_S, victim)["p99"]
             for at in range(int(slow[2] / BIN_S))]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH + LEFT + 20}" '
        f'height="{2 * HEIGHT + TOP + GAP + 30}" font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="15">{title}</text>',
        *panel("commands a second, closed loop", above, fast[1], TOP, linear(above)),
        *panel("p99 in ms, fixed rate", below, slow[1], TOP + HEIGHT + GAP, logarithmic(below)),
        "</svg>", ""])


def linear(values):
    top = max(values, default=0) or 1
    return (lambda value: value / top), [(0, "0"), (top / 2, f"{top / 2:.0f}"), (top, f"{top:.0f}")]


def logarithmic(values):
    """From a tenth of a millisecond."""
    top = max(1, math.ceil(math.log10(max(values, default=1) or 1)))
    return (lambda value: (math.log10(max(value, 0.1)) + 1) / (top + 1)), [
        (10.0 ** power, f"{10.0 ** power:g}") for power in range(-1, top + 1)]


def panel(name, values, fault_s, top, scale):
    height_of, ticks = scale

    def x(second):
        return LEFT + WIDTH * second / (len(values) * BIN_S)

    def y(value):
        return top + HEIGHT * (1 - height_of(value))

    points = " ".join(f"{x((at + 0.5) * BIN_S):.1f},{y(value):.1f}" for at, value in enumerate(values))
    yield f'<text x="{LEFT}" y="{top - 6}">{name}</text>'
    for value, text in ticks:
        yield (f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{y(value):.1f}" y2="{y(value):.1f}" '
               f'stroke="#ddd"/><text x="{LEFT - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{text}</text>')
    for second in range(0, int(len(values) * BIN_S) + 1, 5):
        yield f'<text x="{x(second):.1f}" y="{top + HEIGHT + 16}" text-anchor="middle">{second} s</text>'
    yield f'<polyline fill="none" stroke="#1f5fa8" stroke-width="1.5" points="{points}"/>'
    yield (f'<line x1="{x(fault_s):.1f}" x2="{x(fault_s):.1f}" y1="{top}" y2="{top + HEIGHT}" '
           'stroke="#c00" stroke-dasharray="4 3"/>')
