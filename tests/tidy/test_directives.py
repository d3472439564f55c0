"""Every directive is in conf/resp-kv.conf with its default, and obeyed by some code."""

import re
from pathlib import Path

from conf import loader
from resp_kv.config import Config, read
from resp_kv.directives import DIRECTIVES

ROOT = Path(__file__).parents[2]
DEFAULT_FILE = ROOT / "conf" / "resp-kv.conf"


def test_the_default_file_has_every_directive_and_no_other():
    named = {setting.name for setting in loader.read_file(str(DEFAULT_FILE))}
    assert sorted(named) == sorted(DIRECTIVES)


def test_the_default_file_changes_nothing():
    assert read([str(DEFAULT_FILE)]).match("*") == Config().match("*")


def test_live_directives_are_marked():
    """`[live]` ends the comment above each directive that CONFIG SET may change."""
    live, comment = set(), ""
    for line in DEFAULT_FILE.read_text().splitlines():
        if line.startswith("#"):
            comment += line
        elif not line:
            comment = ""
        elif comment.endswith("[live]"):
            live.add(line.split()[0])
    assert sorted(live) == sorted(row.name for row in DIRECTIVES.values() if row.mutable)


def test_each_directive_is_obeyed_or_said_to_be_accepted():
    code = "\n".join(
        path.read_text()
        for path in (ROOT / "resp_kv").rglob("*")
        if path.suffix in (".py", ".pyx")
        and path.name not in ("directives.py", "directive_kinds.py", "foreign_directives.py")
    )
    ignored = [
        row.name
        for row in DIRECTIVES.values()
        if not (row.accepted or row.kind.form.startswith("only "))
        and not re.search(rf"[\"']{row.name}[\"']", code)
    ]
    assert ignored == []
