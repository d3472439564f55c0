"""The command table: every family file adds its rows here with `@command`.

A handler is `def handler(client, args)`: `args` is the whole command as a list of bytes, name
first, arity already checked. It returns a reply value (resp/values.py) or raises CommandError.

Rules a handler keeps, because a coordinator may run it again:
  * it reads what it needs first and writes last; a read may raise NeedsDisk, then the handler is
    run again from its first line once the rows are in memory;
  * so nothing but the keyspace may be changed before its last read;
  * work that grows with the whole keyspace is a generator that yields between portions: `yield`
    lets other clients go first, `yield 5` sleeps for five milliseconds.
"""

from resp_kv.commands.row import Command

COMMANDS: dict[bytes, Command] = {}


def arg(name, kind, token=None, *, flags=(), args=(), key_spec=None, since=None, display=None):
    """One argument of a command as COMMAND DOCS describes it.

    kind: key string integer double pattern unix-time pure-token oneof block
    flags: optional, multiple, multiple_token
    """
    return {
        "name": name, "type": kind, "token": token, "flags": tuple(flags), "arguments": tuple(args),
        "key_spec_index": key_spec, "since": since, "display_text": display,
    }


def command(name, *, arity, flags="", keys=(0, 0, 0), args=(), **documentation):
    """Add a row. `name` is lower case; 'client|id' is the subcommand ID of the container CLIENT.

    flags: Redis's own words, separated by blanks (write readonly denyoom admin fast loading stale
    no_auth no_multi skip_slowlog movablekeys ...).
    """

    def register(handler):
        parent, _, child = name.partition("|")
        row = Command(name, handler=handler, arity=arity, flags=tuple(flags.split()), keys=keys,
                      arguments=args, parent=parent if child else "", **documentation)
        if child:
            COMMANDS[parent.encode()].subcommands[child.encode()] = row
        else:
            COMMANDS[name.encode()] = row
        return handler

    return register


def container(name, *, arity=-2, flags="", **documentation):
    """Add a command that has only subcommands, such as CLIENT."""
    row = Command(name, arity=arity, flags=tuple(flags.split()), **documentation)
    row.is_container = True
    COMMANDS[name.encode()] = row
