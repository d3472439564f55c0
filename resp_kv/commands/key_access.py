"""What each command does with its keys, in the words of Redis's key specifications.

    RO RW OW RM   reads, reads and writes, overwrites, removes the value
    access        the value itself is seen or copied        insert   a value may be made
    update        the value may change                      delete   the key may go

A command whose keys are used in one way has one specification, taken from its row; those that use
several keys differently are listed here with the positions of each.
"""

from typing import NamedTuple


class KeySpec(NamedTuple):
    """Keys from position `first` to `last` (negative: from the end), every `step`-th."""

    flags: tuple
    first: int
    last: int
    step: int

    def keys_of(self, args):
        last = self.last if self.last >= 0 else len(args) + self.last
        return args[self.first:last + 1:self.step]

    def as_reply(self):
        relative_last = self.last - self.first if self.last >= 0 else self.last
        return {
            "begin_search": {"type": "index", "spec": {"index": self.first}},
            "find_keys": {"type": "range", "spec": {
                "lastkey": relative_last, "keystep": self.step, "limit": 0}},
        }


READ = ("RO", "access")
LOOK = ("RO",)
SOURCE, TARGET = ("RW", "access", "delete"), ("OW", "update")

VARIABLE = ("RW", "access", "update", "variable_flags")

SEVERAL = {
    "bitop": (KeySpec(TARGET, 2, 2, 1), KeySpec(READ, 3, -1, 1)),
    "copy": (KeySpec(READ, 1, 1, 1), KeySpec(TARGET, 2, 2, 1)),
    "rename": (KeySpec(SOURCE, 1, 1, 1), KeySpec(TARGET, 2, 2, 1)),
    "renamenx": (KeySpec(SOURCE, 1, 1, 1), KeySpec(("OW", "insert"), 2, 2, 1)),
}
ONE = {
    **dict.fromkeys(("exists", "strlen", "touch", "type", "watch", "memory|usage",
                     "object|encoding", "object|freq", "object|idletime", "object|refcount",
                     "kv.where"), LOOK),
    **dict.fromkeys(("del", "unlink", "kv.del"), ("RM", "delete")),
    **dict.fromkeys(("mset", "psetex", "setex", "restore", "kv.set"), TARGET),
    **dict.fromkeys(("msetnx", "setnx"), ("OW", "insert")),
    **dict.fromkeys(("expire", "expireat", "pexpire", "pexpireat", "persist", "setrange"),
                    ("RW", "update")),
    **dict.fromkeys(("set", "bitfield"), VARIABLE),
    "append": ("RW", "insert"),
    "getdel": ("RW", "access", "delete"),
    "move": ("RW", "access", "update"),
}


def specs_of(row):
    """The KeySpecs of a row; () for a command without keys."""
    if row.first_key == 0:
        return ()
    if row.name in SEVERAL:
        return SEVERAL[row.name]
    flags = ONE.get(row.name) or (("RW", "access", "update") if row.is_write else READ)
    return (KeySpec(flags, row.first_key, row.last_key, row.key_step),)


def flags_in(spec, words):
    """The flags of a specification in one whole command: SET and BITFIELD depend on the options."""
    if spec.flags is not VARIABLE:
        return spec.flags
    options = {word.upper() for word in words[2:]}
    if words[0].upper() == b"SET":
        return ("RW", "access", "update") if b"GET" in options else TARGET
    return ("RW", "access", "update") if options & {b"SET", b"INCRBY"} else READ
