"""From the words of a command to its row, where the first word alone does not say it; and running a
row at once, to its end, as a transaction does."""

import logging
from time import monotonic_ns

from cluster.errors import StoreError
from resp_kv.errors import CommandError

log = logging.getLogger("resp_kv.connection")

HTTP_WORDS = (b"post", b"host:")     # what a browser sends before it comes to a hidden command


def resolve(client, row, args):
    """The row of a container's subcommand. Raises CommandError, as Redis words it, for what there is
    not; a client that speaks HTTP is closed."""
    if row is None:
        if args[0].lower() in HTTP_WORDS:
            client.close_after_reply()
            log.warning("client %d at %s speaks HTTP: closed. A web page may be trying to send "
                        "commands through somebody's browser", client.id, client.addr)
        raise CommandError(unknown_command(args))
    if len(args) < 2:
        if row.handler is not None:         # COMMAND, which also runs by itself
            return row
        row.rejected_calls += 1
        raise CommandError(f"ERR wrong number of arguments for '{row.name}' command")
    child = row.subcommands.get(args[1].lower())
    if child is None:
        shown = args[1][:128].decode("utf-8", "surrogateescape")
        raise CommandError(f"ERR unknown subcommand '{shown}'. Try {row.name.upper()} HELP.")
    return child


def call(client, row, args):
    """The row's reply value, or the CommandError that it ended in. Counted like any other call."""
    node, began = client.node, monotonic_ns()
    try:
        value = row.handler(client, args)
        if row.is_generator:
            value = run_to_end(value)
    except (CommandError, StoreError) as error:
        row.failed_calls += 1
        node.traffic.errors += 1
        node.stats.note_error(error.text.partition(" ")[0])
        value = CommandError(error.text)
    nsec = monotonic_ns() - began
    row.count(nsec)
    if 0 <= node.traffic.slow_usec <= nsec // 1000:
        node.note_slow(row, nsec // 1000, args, client)
    node.traffic.commands += 1
    return value


def run_to_end(generator):
    """What a long command answers, without pauses."""
    while True:
        try:
            next(generator)
        except StopIteration as stop:
            return stop.value


def unknown_command(args):
    """Redis's wording: the name and the first arguments, 128 characters of each at most."""
    shown = ""
    for word in args[1:]:
        if len(shown) >= 128:
            break
        shown += "'" + word[: 128 - len(shown)].decode("utf-8", "surrogateescape") + "' "
    name = args[0][:128].decode("utf-8", "surrogateescape")
    return f"ERR unknown command '{name}', with args beginning with: {shown}"
