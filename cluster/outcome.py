"""How a request ended, as the text of an error: the one place where outcomes become words.

    NOQUORUM   not enough replicas answered. A read: nothing is known. A write: with nothing taken it
               certainly did not happen; otherwise the text says that it may have
    TIMEOUT    a write that may or may not have happened; never retried by the server
    CLUSTERDOWN  no node of the cluster could serve the key at all; clients repeat it by themselves
"""


def no_quorum(request, writing):
    """`request` ended without enough replicas."""
    needed, got = request.need.total, request.need.counted(request.acks)
    text = f"NOQUORUM {counted(needed, 'response was', 'responses were')} required but only " \
           f"{counted(got, 'replica', 'replicas')} responded"
    if writing and (request.touched or request.forwarded):
        text += "; the write may still take effect"
    if request.text:
        text += f" ({request.text})"
    return text


def refused_at_once(needed, alive):
    return (f"NOQUORUM {counted(needed, 'response is', 'responses are')} required but only "
            f"{counted(alive, 'replica is', 'replicas are')} alive; nothing was done")


def overtaken_for_ever(rounds):
    return (f"NOQUORUM the write was stamped {counted(rounds + 1, 'time', 'times')} and something newer was "
            "there each time; it may still take effect")


def timed_out(request, writing):
    needed, got = request.need.total, request.need.counted(request.acks)
    what = "the outcome of the write is unknown" if writing else "the read was given up"
    directive = "write-request-timeout" if writing else "read-request-timeout"
    return (f"TIMEOUT {what}: {counted(needed, 'response was', 'responses were')} required and "
            f"{counted(got, 'replica', 'replicas')} responded within {request.timeout_ms} ms "
            f"(directive {directive})")


def unknown_fate(member):
    return (f"TIMEOUT the outcome is unknown: the connection to the coordinator, {member}, broke "
            "while it ran the command")


def counted(number, one, many):
    return f"{number} {one if number == 1 else many}"
