"""One node: the real coordinator, replica and engine, in an environment of virtual things.

A turn is what the shell's driver does in one round of its loop: take what has arrived, append all of it
to the log with one write, and only then let frames and replies leave. With `appendfsync always`
whatever answers somebody waits for the sync that covers the turn; requests to others may leave.

What the shell wires together (resp_kv/shell/cluster_shell.py) is wired the same way here: hints, the
repairer, its line as what a compaction may leave out, and a lost disk that is noted before anybody is
answered. A walk's scan is done at once, since a snapshot does not change; its result comes later.
"""

from cluster.anti_entropy import Options, Repairer
from cluster.coordinator import Coordinator
from cluster.environment import Environment
from cluster.execution import Locks
from cluster.hints import Hints
from cluster.hlc import Clock
from cluster.replica import Replica
from cluster.watermarks import note_lost_disk
from resp_kv.shell.store import EngineStore
from tests.sim import commands
from tests.sim.gossip import Gossip
from tests.sim.stored import record_of

TICK_MS, IDLE_TICK_MS = 10, 50  # the latter while no request is under way
SYNC_MS = 1000
HINTS_MS = 1000
WALK_MS = 5


class Node(Environment):
    def __init__(self, world, machine, engine):
        self.world, self.machine, self.engine = world, machine, engine
        self.number, self.generation = machine.number, machine.generation
        self.random = world.stream(f"node {self.number} generation {self.generation}")
        self.clock = Clock(machine.wall_ms)
        self.clock.recover(engine.greatest_hlc)
        self.store = EngineStore(engine)
        if machine.emptied:
            self.note_lost_disk()
        self.monotonic_ms = world.loop.now_ms
        self.replica = Replica(self.store, self.clock)
        self.actor = (self.number + 1) << 32 | self.generation << 1
        self.coordinator = Coordinator(self, self.replica, world.members, self.number, self.actor,
                                       world.plans_of(self.number))
        self.coordinator.wait_for_sync = world.options.always
        self.coordinator.sloppy = world.options.sloppy
        self.coordinator.write_timeout_ms = world.options.write_ms
        self.coordinator.executor = self
        self.locks = Locks()
        self.hints_ms = 0.0
        self.inbox, self.frames, self.answers, self.replies = [], [], [], []
        self.held = []                     # (log position, answers and replies) until it is synced
        self.writing = {}                  # client's operation -> its Request, to learn its dots
        self.waking = self.loading = self.stopped = False
        self.syncing = None
        self.tick_ms = self.monotonic_ms
        self.hints = Hints(self.coordinator, window_ms=world.options.hint_window_ms,
                           bytes_max=1 << 30) if world.options.hints else None
        self.repairer = self.make_repairer() if world.options.repair else None
        self.gossip = Gossip(self, world.document) if world.options.gossip else None
        world.canary.started(self)
        self.call_later(self.random.uniform(0, TICK_MS), self.tick)
        if not world.options.always:
            self.call_later(self.random.uniform(0, SYNC_MS), self.sync_every_second)

    def note_lost_disk(self):
        self.store.has_room()
        note_lost_disk(self.store, self.clock)
        self.engine.commit()
        self.engine.sync()

    def make_repairer(self):
        options = self.world.options
        repairer = Repairer(self.coordinator, Options(options.repair_rate, options.repair_interval_ms))
        if self.hints is not None:
            repairer.hold_back = lambda partition: self.hints.oldest_hlc()
        for part in repairer.parts.values():
            # The product lets clients have the first ten seconds for themselves; a run is that long.
            part.due_ms = self.monotonic_ms + self.random.uniform(0, options.repair_interval_ms)
        return repairer

    def stop(self):
        self.stopped = True
        self.world = self.store = self.replica = self.coordinator = self.engine = None
        self.hints = self.repairer = self.gossip = None
        self.inbox, self.held, self.writing, self.locks, self.syncing = [], [], {}, None, None

    # -- the doors of Environment --------------------------------------------------------------

    def send_frame(self, member, frame):
        link = self.world.network.link(self.number, member)
        if link is None:
            return False
        self.frames.append((link, frame))
        return True

    def answer_frame(self, link, frame):
        self.answers.append((link, frame))

    def load_soon(self):
        if not self.loading:
            self.loading = True
            self.call_later(self.random.uniform(0.1, self.world.options.load_ms), self.deliver,
                            self.loaded)
        return 0

    def walk(self, walk, done):
        work = self.store.walk(walk)
        work.run()
        work.close()
        self.call_later(self.random.uniform(0.1, WALK_MS), self.deliver, done, walk)

    def call_later(self, delay_ms, callback, *args):
        return self.world.loop.call_later(delay_ms, self.guarded, callback, args)

    def guarded(self, callback, args):
        if not self.stopped:
            callback(*args)

    # -- turns ---------------------------------------------------------------------------------

    def deliver(self, action, *args):
        """Something has arrived: a frame, a client's command, the end of a read or a sync."""
        self.inbox.append((action, args))
        self.wake()

    def wake(self):
        if not self.waking and not self.machine.paused and self.inbox:
            self.waking = True
            self.call_later(self.random.uniform(0.01, 0.2), self.turn)

    def turn(self):
        self.waking = False
        if self.machine.paused:
            return
        self.clock.now_ms = self.machine.wall_ms
        self.monotonic_ms = self.world.loop.now_ms
        inbox, self.inbox = self.inbox, []
        self.engine.write_room()
        for action, args in inbox:
            action(*args)
        self.end_turn()

    def end_turn(self):
        self.engine.commit()
        self.coordinator.committed(self.engine.written_position)
        if self.engine.dirty():            # a write that was stamped again: the next turn's
            self.deliver(self.nothing)
        for operation, request in self.writing.items():
            operation.stamped(request.hlc, request.actor)
        self.world.watch_turn(self)
        frames, self.frames = self.frames, []
        for link, frame in frames:
            self.world.network.send(link, frame)
        self.let_answers_leave()
        self.run_steps()

    def nothing(self):
        pass

    def let_answers_leave(self):
        position = self.engine.written_position
        answers, self.answers, replies, self.replies = self.answers, [], self.replies, []
        if self.world.options.always and self.world.answers_wait(self, position):
            self.held.append((position, answers, replies))
            self.begin_sync()
            return
        self.leave(answers, replies)

    def leave(self, answers, replies):
        for link, frame in answers:
            self.world.network.answer(link, frame)
        for operation, outcome in replies:
            self.world.reply(self, operation, outcome)

    def run_steps(self):
        if self.random.random() < self.world.options.seal_chance:
            self.engine.seal()
        garbage = self.world.garbage(self)
        if self.engine.step_wanted(*garbage):
            self.engine.run_steps(*garbage)

    def garbage(self):
        """(ms, hlc): what a compaction may leave out."""
        return (self.clock.now_ms, 0) if self.repairer is None else self.repairer.garbage()

    def tick(self):
        if not self.machine.paused:
            self.deliver(self.coordinator_tick)
        self.call_later(TICK_MS if self.coordinator.pending else IDLE_TICK_MS, self.tick)

    def coordinator_tick(self):
        self.coordinator.tick(self.world.loop.now_ms)
        if self.hints is not None and self.world.loop.now_ms >= self.hints_ms:
            self.hints_ms = self.world.loop.now_ms + HINTS_MS
            self.hints.retry()
        if self.repairer is not None:
            self.repairer.tick()

    # -- what arrives --------------------------------------------------------------------------

    def frame_arrives(self, member, link, frame):
        if self.world.tampers(self, member, link, frame):
            return
        self.coordinator.receive_bytes(member, link, frame)

    def gossip_arrives(self, member, payload):
        self.gossip.arrives(member, payload)

    def gossip_is_refused(self, member):
        self.gossip.refused(member)

    def member_is(self, member, alive):
        if self.gossip is not None:
            self.gossip.connection_is(member, alive)
            return
        self.coordinator.set_gone(member, True)
        self.coordinator.set_alive(member, alive)

    def loaded(self):
        self.loading = False
        work = self.store.take_work()
        if work is not None:
            work.run()
            self.store.install(work)
        self.coordinator.retry_cold()

    def command_arrives(self, operation):
        self.world.trace.note(f"node {self.number}", f"client: {operation}")
        commands.begin(self, operation)

    def execute(self, member, link, request_id, header, key, body):
        """The executor's door: a command that another node sent here."""
        commands.execute_for(self, link, request_id, header, body)

    def reply(self, operation, outcome):
        request = self.writing.pop(operation, None)
        if request is not None:
            operation.stamped(request.hlc, request.actor)
        self.replies.append((operation, outcome))

    # -- syncing the log -----------------------------------------------------------------------

    def sync_every_second(self):
        self.begin_sync()
        self.call_later(SYNC_MS, self.sync_every_second)

    def begin_sync(self):
        if self.syncing is not None or self.machine.paused:
            return
        sync = self.engine.take_sync()
        if sync is not None:
            self.syncing = sync
            slow = self.random.random() < self.world.options.slow_syncs
            self.call_later(self.random.uniform(20, 200) if slow else self.random.uniform(0.2, 4),
                            self.sync_runs, sync, self.world.loop.now_us)

    def sync_runs(self, sync, taken_us):
        sync.run()
        self.machine.synced_us = taken_us
        self.deliver(self.sync_ends, sync)

    def sync_ends(self, sync):
        self.syncing = None
        self.engine.finish_sync(sync)
        position = self.engine.synced_position
        if self.world.options.always:
            self.coordinator.synced(position)
            while self.held and self.held[0][0] <= position:
                _, answers, replies = self.held.pop(0)
                self.leave(answers, replies)
            if self.held:
                self.begin_sync()

    # -- for the checkers ----------------------------------------------------------------------

    def line_of(self, stored):
        plan = self.coordinator.plan_for(stored)
        return self.repairer.marks.line(plan.partition) if self.repairer is not None else 0

    def record(self, stored):
        return record_of(self.engine, stored)
