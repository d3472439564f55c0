"""Anti-entropy as an operator asks for it when all is well again: until every partition is proved.

    reach   all nodes run rounds (KV.REPAIR) until each has proved what was stored when it was asked for
    bury    the line rises above all that was written, and every table is compacted: what is deleted is
            gone from the disks, so whatever could bring it back has nothing in its way any more
"""

from tests.sim.checkers import Violation

PATIENCE_MS = 300_000
OLD_MS = 5_000                  # by then no proof leaves a write out
ROUNDS = 2                      # the line is what was proved a round before


class Agreement:
    def __init__(self, world):
        self.world, self.loop = world, world.loop

    @property
    def nodes(self):
        return [machine.node for machine in self.world.machines]

    def lose_hints(self):
        """Whatever hints tell is too old from now on."""
        self.world.options.hint_window_ms = -OLD_MS
        for node in self.nodes:
            if node is not None and node.hints is not None:
                node.hints.window_ms = -OLD_MS

    def reach(self):
        """Raises Violation."""
        since_hlc = min(machine.wall_ms for machine in self.world.machines) - OLD_MS << 16
        self.ask()
        self.loop.run(self.loop.now_ms + PATIENCE_MS, lambda: self.is_proved(since_hlc))
        if not self.is_proved(since_hlc):
            raise Violation(f"partitions are not proved: {self.complaint(since_hlc)}",
                            self.world.keys[0], [], self.loop.now_us)

    def ask(self):
        for node in self.nodes:
            node.deliver(node.repairer.repair)
        self.loop.run(self.loop.now_ms + 100)

    def is_proved(self, since_hlc):
        return all(part.round is None and not part.asked and part.verified_hlc >= since_hlc
                   for node in self.nodes for part in node.repairer.parts.values())

    def complaint(self, since_hlc):
        return "; ".join(
            f"node {node.number} partition {part.partition} is {part.state}, {part.error}, "
            f"{(part.verified_hlc >> 16) - (since_hlc >> 16)} ms"
            for node in self.nodes for part in node.repairer.parts.values()
            if part.round is not None or part.asked or part.verified_hlc < since_hlc)

    def bury(self):
        """Raises Violation."""
        written_hlc = max([dot[0] for key in self.world.keys for dot in key.bits], default=0)
        self.loop.run(self.loop.now_ms + OLD_MS)
        for _ in range(ROUNDS):
            self.reach()
        for node in self.nodes:
            for part in node.repairer.parts.values():
                if part.line_hlc <= written_hlc:
                    raise Violation(f"the line of partition {part.partition} does not rise",
                                    self.world.keys[0], [], self.loop.now_us)
            node.deliver(self.compact, node)
        self.loop.run(self.loop.now_ms + 100)

    def compact(self, node):
        node.engine.seal()
        node.engine.run_steps(*self.world.garbage(node))
