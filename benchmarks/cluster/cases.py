"""What is measured, in groups: the first case of a group is what the others are compared with.

    plain       redis-benchmark, all clients at one node, which forwards and gathers
    --cluster   redis-benchmark --cluster: a thread per node. Its keys are of one slot per node only
    generator   generator.c, because redis-benchmark cannot send WAIT: both sides with the same one
    routed      generator.c, each key to the node that owns it: a smart client on all slots

SET with WAIT 1 is Redis's nearest thing to W=2: the answer comes when the primary and a replica have
it. A pipeline of pairs blocks at each WAIT; `one WAIT` sends a single one behind the whole pipeline,
which is how somebody who wants it fast would use it.
"""

from dataclasses import dataclass

LEVELS = ("ONE", "QUORUM", "ALL")
PIPELINES = (1, 16)
CLIENTS, VALUE_BYTES = 50, 100


@dataclass(frozen=True)
class Case:
    """`tool` is plain, --cluster, generator or routed; `level` is None for Redis; `wait` none,
    each or once."""

    store: str
    kind: str
    pipeline: int
    tool: str = "plain"
    level: str | None = None
    wait: str = "none"

    @property
    def name(self):
        words = {"none": "", "each": " + WAIT 1", "once": " one WAIT 1"}[self.wait]
        tool = "" if self.tool == "plain" else f" {self.tool}"
        return f"{self.store} {self.level or self.kind.upper() + words}{tool}"

    @property
    def mode(self):
        """generator.c's word for it."""
        return self.kind + {"none": "", "each": "-wait", "once": "s-wait"}[self.wait]


def groups():
    """{title: [Case]}"""
    found = {}
    for pipeline in PIPELINES:
        for kind in ("set", "get"):
            found[f"{kind.upper()} P={pipeline}, redis-benchmark"] = [
                Case("redis", kind, pipeline),
                *(Case("resp-kv", kind, pipeline, tool, level)
                  for tool in ("plain", "--cluster") for level in LEVELS)]
    for pipeline in PIPELINES:
        found[f"SET on two of three P={pipeline}, generator.c"] = [
            Case("redis", "set", pipeline, "generator", wait="each"),
            *([Case("redis", "set", pipeline, "generator", wait="once")] if pipeline > 1 else []),
            Case("redis", "set", pipeline, "generator"),
            Case("resp-kv", "set", pipeline, "generator", "QUORUM"),
            Case("resp-kv", "set", pipeline, "routed", "QUORUM")]
    return found
