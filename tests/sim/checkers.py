"""What a Dynamo store owes its clients, demanded of a history. Each violation is one sentence.

N replicas; W and R are how many answers an operation asked for. `holders` is W less the replicas that
may have forgotten the write: with `appendfsync always` and after kills it is W itself; with everysec
a power loss between the write and the sync that covers it takes one away. Demanded is:

    found      a read sees every acknowledged write with R + holders > N that was acknowledged before
               the read began: among what it returns, or covered by something that it returns. After
               healing every key is read at ALL, so there it is demanded of every write that has
               a holder left
    order      a blind write that began after another one was acknowledged, quorums overlapping,
               replaces it: clocks that are off do not turn the order of writes round. A write
               that ended in TIMEOUT or NOQUORUM with acknowledgements may take effect at any time
    siblings   no version is returned together with one that has it in its past
    deadlines  a version that is read has the deadline that its own write gave it, or that an EXPIRE or
               PERSIST of just this dot did. Where `found` would be demanded of a write it is of an
               acknowledged annotation: that one is in force, or a later one, or of one moment one with a
               later deadline. When one was acknowledged before the other began, quorums overlapping, the
               other one is the later
    honesty    what was refused as "nothing was done" is never read; whatever is read was written; OK
               at W is not told before W replicas have taken it (or something that covers it)
    accepted   in a steady time what has its quorum is accepted, and nothing else is; in calm weather an
               EXPIRE is, whatever overtakes it
    converged  after healing the replicas hold equal states: after one read of each key at ALL, or after
               anti-entropy alone, hints being lost. What a replica may purge counts as purged
    proved     anti-entropy proves every partition then, and what is deleted can be purged: a second
               judgement follows when it has been

What is deleted stays deleted. A tombstone, or a version past its deadline, is a version like any other
until it may have been purged; then a read may lack it, and what it covers, but never show what it covers.
So what an EXPIRE of something overwritten brings back is found, and what a PERSIST of something expired does:
its deadline is one that may be in force for as long as no acknowledged annotation has undone it in time.

With a sloppy quorum quorums overlap only while everybody sees the same members as down. There `found` is
demanded of the last reads, and both it and `order` in a `steady` time of a named scenario; OK at W says
that W replicas or keepers of their hints have it, of which one at least is a replica.
Not demanded: that R + W <= N sees anything; that concurrent blind writes keep an order.
"""

from cluster.hints import hint_key
from cluster.versions import State
from tests.sim.clock import EPOCH_MS
from tests.sim.history import CLOCKS_US, NO, OK
from tests.sim.stored import state_of

SLOW_MS = 250                   # cold reads and slow messages may add up to so much


class Violation(AssertionError):
    def __init__(self, what, key, operations, at_us):
        self.what, self.key, self.operations, self.at_us = what, key, operations, at_us
        super().__init__(f"{what}: key {key.name}; " + "; ".join(map(repr, operations)))


def check_key(key):
    """Raise Violation if a read of this key shows what it must not."""
    acknowledged = [w for w in key.writes if w.result == OK]
    for read in key.reads:
        if read.result == OK:
            check_written(key, read)
            check_siblings(key, read)
            check_found(key, read, acknowledged)
            check_order(key, read, acknowledged)
            check_deadlines(key, read)


def check_written(key, read):
    for dot, operation in read.siblings:
        if operation is None:
            raise Violation(f"read a version that nobody wrote, {dot}", key, [read], read.end_us)
        if operation.result == NO:
            raise Violation("read what was refused as not done", key, [read, operation], read.end_us)


def check_siblings(key, read):
    for one in read.siblings:
        for other in read.siblings:
            if one is not other and key.covers(one, other[0]):
                raise Violation("one sibling has another one in its past", key,
                                [read, one[1], other[1]], read.end_us)


def check_found(key, read, acknowledged):
    surely = annotations_found(key, read)
    gone = [w for w in key.writes if w.may_be_gone(read.end_us, surely)]
    for write in acknowledged:
        if write.end_us >= read.start_us or not promised(key, write, read):
            continue
        if not any(operation is write or key.covers((dot, operation), write.dot)
                   for dot, operation in read.siblings) and not is_purged(key, write, read, gone):
            shown = [operation for _, operation in read.siblings]
            raise Violation("an acknowledged write is not found", key, [write, read, *shown],
                            read.end_us)


def promised(key, write, read):
    """Whether the read's quorum meets the write's."""
    if key.holders(write) + read.need <= len(key.replicas):
        return False
    options = key.options
    return not options.sloppy or read.final or (options.is_steady(write) and options.is_steady(read))


def is_purged(key, write, read, gone):
    """Whether the write, or something that covers it, may have been purged; then nothing that this
    covers may be there."""
    for one in gone:
        for dot in one.dots:
            if (one is write or key.covers((dot, one), write.dot)) and not any(
                    key.covers((dot, one), other) for other, _ in read.siblings):
                return True
    return False


def check_order(key, read, acknowledged):
    replicas = len(key.replicas)
    for _, old in read.siblings:
        if old.result != OK:
            continue
        for write in acknowledged:
            if (write is not old and write.blind and old.end_us < write.start_us
                    and write.end_us < read.start_us
                    and key.holders(old) + write.need > replicas
                    and promised(key, write, read) and (
                        not key.options.sloppy
                        or (key.options.is_steady(old) and key.options.is_steady(write)))):
                raise Violation("an overwritten version is read", key, [old, write, read], read.end_us)


def annotations_found(key, read):
    """The annotations that were acknowledged where this read must see it."""
    return [one for one in key.annotations if one.result == OK and one.annotation
            and one.end_us < read.start_us and promised(key, one, read)]


def check_deadlines(key, read):
    surely = annotations_found(key, read)
    for dot, write in read.siblings:
        deadline_ms, annotation = read.deadlines[dot]
        given = [one for one in [write, *key.annotations_of(write)]
                 if one.annotation == annotation and stored_deadline(one) == deadline_ms
                 and (one is write or one.dot == dot)]
        if not given:
            raise Violation(f"read a deadline that nobody set, {deadline_ms} at {annotation}", key,
                            [write, read], read.end_us)
        for later in surely:
            in_force = (annotation, deadline_ms) >= (later.annotation, stored_deadline(later))
            if later.dot == dot and (not in_force or any(
                    came_before(key, one, later) for one in given)):
                raise Violation("an acknowledged annotation is not in force", key,
                                [write, *given, later, read], read.end_us)


def stored_deadline(operation):
    return EPOCH_MS + operation.deadline_ms if operation.deadline_ms else 0


def came_before(key, one, later):
    """Whether the later annotation has seen this one."""
    options = key.options
    return (one.annotates and one is not later and one.result == OK and one.end_us < later.start_us
            and key.holders(one) + quorum_of(key) > len(key.replicas)
            and (not options.sloppy or (options.is_steady(one) and options.is_steady(later))))


def quorum_of(key):
    return len(key.replicas) // 2 + 1


def check_steady(key, options):
    """While nobody comes or goes: what must be accepted, and what must not."""
    living = sum(machine.number not in options.down for machine in key.replicas)
    for operation in key.writes + key.reads + key.annotations:
        if not options.is_steady(operation) or operation.node in options.down or (
                operation.level != "QUORUM" or operation.timeout_ms < SLOW_MS):
            continue
        if operation.result == OK and living < operation.need and not options.sloppy:
            raise Violation("a minority accepted it", key, [operation], operation.end_us)
        if operation.result != OK and living >= (1 if options.sloppy else operation.need):
            raise Violation("enough are there, and it is not accepted", key, [operation],
                            operation.end_us)


def check_alive(operation, seen, now_us):
    """What an EXPIRE or PERSIST has found to annotate had neither been deleted nor expired by every clock."""
    passed = seen.deadline_ms > 0 and (seen.deadline_ms - EPOCH_MS) * 1000 + CLOCKS_US < now_us
    if seen.tombstone or passed:
        raise Violation("something expired is annotated", operation.key, [operation], now_us)


def check_calm(key):
    """Where nothing fails an annotation is not refused because a write came in between."""
    for operation in key.annotations:
        if (operation.text or "").startswith("NOQUORUM"):
            raise Violation("nothing is wrong, and it is not accepted", key, [operation], operation.end_us)


def check_taken(key, operation, machines, at_us):
    """At the moment of an OK: count the replicas that have it. Those that went down or came up since
    the operation began get the benefit of the doubt."""
    taken = hinted = 0
    for machine in key.replicas:
        if has_it(machine, key.stored, operation):
            taken += 1
        elif key.options.sloppy and any(
                has_it(keeper, hint_key(machine.number, key.stored), operation) for keeper in machines):
            hinted += 1
    if taken + hinted < operation.need or not taken:
        raise Violation(f"OK at {operation.need} replicas, but only {taken} have taken it"
                        + f", and {hinted} hints" * key.options.sloppy, key, [operation], at_us)


def has_it(machine, stored, operation):
    if machine.node is None or machine.started_us > operation.start_us:
        return True
    state = state_of(machine.node.record(stored))
    return state.covers(*operation.dot) and all(
        sibling.annotation >= operation.annotation for sibling in state.siblings
        if (sibling.hlc, sibling.actor) == operation.dot)


def check_converged(key, at_us):
    """What is below the highest line of a replica may be purged on each."""
    line_hlc = max(machine.node.line_of(key.stored) for machine in key.replicas)
    states = [unless_ripe(state_of(machine.node.record(key.stored)), line_hlc)
              for machine in key.replicas]
    if any(state != states[0] for state in states):
        raise Violation("replicas differ after repair: " + " | ".join(map(repr, states)), key,
                        key.reads[-1:], at_us)


def unless_ripe(state, line_hlc):
    """Nothing, if the state is deleted or expired, all of it below the line."""
    for sibling in state.siblings:
        expired = 0 < sibling.deadline_ms <= line_hlc >> 16
        if max(sibling.hlc, sibling.annotation) >= line_hlc or not (sibling.tombstone or expired):
            return state
    return State()


def check_counter(key):
    """Where nothing fails and all agree who coordinates, INCR is exact."""
    done = [w for w in key.writes if w.result == OK]
    perhaps = [w for w in key.writes if w.result not in (OK, NO)]
    numbers = [int(w.reply) for w in done]
    if len(set(numbers)) != len(numbers) or max(numbers, default=0) > len(done) + len(perhaps):
        raise Violation(f"a counter gave {sorted(numbers)}", key, done, 0)


def check_poisoned(world):
    """No clock was dragged further into the future than the permitted drift, and no proof reaches there."""
    for machine in world.machines:
        clock = machine.node.clock
        ahead_ms = (clock.last >> 16) - machine.wall_ms
        if machine.number != world.options.fast_clock and ahead_ms > clock.drift_ms_max:
            raise Violation(f"the clock of node {machine.number} is {ahead_ms} ms ahead", world.keys[0],
                            [], world.loop.now_us)
        for part in machine.node.repairer.parts.values():
            if (part.verified_hlc >> 16) - machine.wall_ms > clock.drift_ms_max:
                raise Violation(f"node {machine.number} has a proof of what is yet to be written",
                                world.keys[0], [], world.loop.now_us)
