"""LCS: the longest common subsequence of two values.

The table is compiled and small (lcs_table.pyx). Redis's table has four bytes per cell and must fit
into proto-max-bulk-len; we refuse the same pairs with the same text, so that a client meets one
limit on both servers.
"""

from resp_kv.commands import parsing
from resp_kv.commands.lcs_table import Rows
from resp_kv.commands.table import arg, command
from resp_kv.errors import CommandError, SyntaxFault

REDIS_CELL_BYTES = 4


class Options:
    __slots__ = ("length_only", "runs", "run_bytes_min", "with_run_bytes")

    def __init__(self, words):
        self.length_only = self.runs = self.with_run_bytes = False
        self.run_bytes_min = 0
        words = iter(words)
        for word in words:
            token = word.upper()
            if token == b"IDX":
                self.runs = True
            elif token == b"LEN":
                self.length_only = True
            elif token == b"WITHMATCHLEN":
                self.with_run_bytes = True
            elif token == b"MINMATCHLEN":
                self._set_run_bytes_min(next(words, None))
            else:
                raise SyntaxFault()
        if self.runs and self.length_only:
            raise CommandError(
                "ERR If you want both the length and indexes, please just use IDX.")

    def _set_run_bytes_min(self, text):
        if text is None:
            raise SyntaxFault()
        self.run_bytes_min = max(parsing.integer(text), 0)


@command(
    "lcs", arity=-3, flags="readonly", keys=(1, 2, 1), group="string", since="7.0.0",
    acl_categories=("@read", "@string", "@slow"),
    complexity="O(N*M/64), N and M the lengths of the two values",
    summary="Finds the longest common subsequence of two values.",
    args=[
        arg("key1", "key", key_spec=0), arg("key2", "key", key_spec=0),
        arg("len", "pure-token", "LEN", flags=["optional"]),
        arg("idx", "pure-token", "IDX", flags=["optional"]),
        arg("min-match-len", "integer", "MINMATCHLEN", flags=["optional"]),
        arg("withmatchlen", "pure-token", "WITHMATCHLEN", flags=["optional"]),
    ],
)
def lcs(client, args):
    client.keyspace.need(args[1:3])
    records = [client.keyspace.get(key) for key in args[1:3]]
    left, right = [b"" if record is None else record.value for record in records]
    options = Options(args[3:])
    cells = (len(left) + 1) * (len(right) + 1)
    if cells * REDIS_CELL_BYTES > client.node.config.get("proto-max-bulk-len"):
        raise CommandError("ERR Insufficient memory, transient memory for LCS exceeds "
                           "proto-max-bulk-len")
    rows = Rows(left, right)
    if options.length_only:
        return rows.length
    common, runs = rows.path()
    return _run_map(rows.length, runs, options) if options.runs else common


def _run_map(length, runs, options):
    matches = []
    for a_start, a_end, b_start, b_end in runs:
        run_bytes = a_end - a_start + 1
        if run_bytes >= options.run_bytes_min:
            match = [[a_start, a_end], [b_start, b_end]]
            matches.append([*match, run_bytes] if options.with_run_bytes else match)
    return {"matches": matches, "len": length}
