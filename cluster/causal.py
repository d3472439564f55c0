"""Small values around versions, for a node alone (keyspace.pyx) and for a cluster (view.py)."""

from typing import NamedTuple

from cluster.errors import StoreError
from cluster.hlc import ClockDrift
from cluster.versions import State, context_of, from_record


class Copy(NamedTuple):
    """What one replica has of a key. `state` None: it did not tell, `reason` says why."""

    member: int
    state: State | None
    reason: str


def observe(clock, context):
    """A dot must be greater than all that its writer has seen: take in a context's greatest hlc.

    Raises StoreError for a context that was made by a clock too far ahead."""
    take_in(clock, context.hlc_max, "the context")


def observe_state(clock, state):
    """The same for what is stored already: a version that a clock too far ahead made is not built on."""
    take_in(clock, state.seen.hlc_max, "what is there")


def observe_annotations(clock, state):
    """An annotation must be later than those that its writer has seen, else it would have no effect."""
    take_in(clock, max([sibling.annotation for sibling in state.siblings], default=0), "the deadline")


def take_in(clock, hlc, what):
    if hlc > clock.last:
        try:
            clock.observe(hlc)
        except ClockDrift as error:
            raise StoreError(f"ERR {what} was made by a clock that is wrong: {error}") from None


class LateContext:
    """The context that a blind write answers with, known when the write has ended: until then the
    coordinator may stamp it again, past something newer that it meets."""

    __slots__ = ("key", "state")

    def __init__(self, key, state):
        self.key, self.state = key, state

    def settle(self, written, changes):
        """`written`: stored key -> State as the command left it; `changes`: what was stored."""
        if written.get(self.key) is not self.state:
            return                         # a later command of the transaction wrote over it
        for key, *version in changes:
            if key == self.key:
                self.state = from_record(*version)

    @property
    def context(self):
        return context_of(self.state)


def settled(reply):
    """A reply, or the elements of a transaction's, with contexts in place of LateContexts."""
    if isinstance(reply, LateContext):
        return reply.context
    if isinstance(reply, list):
        return [each.context if isinstance(each, LateContext) else each for each in reply]
    return reply
