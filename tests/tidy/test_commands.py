"""Every command row is documented, and some test names it."""

import importlib
import pkgutil
import re
from pathlib import Path

import resp_kv.commands
from resp_kv.commands.table import COMMANDS

ROOT = Path(__file__).parents[2]


def rows():
    """(what a client types, row) for every command and subcommand."""
    for module in pkgutil.iter_modules(resp_kv.commands.__path__, "resp_kv.commands."):
        importlib.import_module(module.name)
    for row in COMMANDS.values():
        yield row.name.upper(), row
        for child in row.subcommands.values():
            yield child.name.replace("|", " ").upper(), child


def test_every_row_is_documented():
    bare = [
        name for name, row in rows()
        if not row.is_container and not (row.summary and row.group and row.since)
    ]
    assert bare == []


def test_summaries_are_one_sentence():
    odd = [
        f"{name}: {row.summary}" for name, row in rows()
        if "\n" in row.summary or len(row.summary) > 120
    ]
    assert odd == []


def test_some_test_names_every_command():
    tests = "\n".join(
        path.read_text() for path in (ROOT / "tests").rglob("*.py") if path.parent.name != "tidy"
    )
    # Quoted words, or a quoted line of them: "CLIENT", "KILL" and "client kill id 5" both count.
    quoted = re.findall(r"[\"']([a-zA-Z][a-zA-Z0-9_.| -]*)", tests)
    words = {word for line in quoted for word in re.split("[ |]", line.upper())}
    untested = [name for name, _ in rows() if not set(name.split()) <= words]
    assert untested == []
