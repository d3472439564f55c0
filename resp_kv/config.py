"""The configuration of a running server: typed values by directive name, and CONFIG's rules.

`read(arguments)` builds it from the command line of `resp-kv serve`; tests build `Config({...})`.
CONFIG SET is all or nothing: every value is read, then applied by whoever subscribed; when one of
them refuses (ValueError), all values go back to what they were and are applied again.
"""

import fnmatch

from conf import loader, rewrite
from conf.loader import ConfigurationError, Setting
from resp_kv.directive_kinds import Level
from resp_kv.directives import DIRECTIVES, Directive
from resp_kv.errors import CommandError
from resp_kv.foreign_directives import FOREIGN

PAIRS_IN_MEMORY_MIN = 8          # a cache or memtable of fewer of the largest pairs is of no use


class Config:
    """`settings` is a dict of name -> text, or a list of `conf.loader.Setting`."""

    def __init__(self, settings=(), path=None):
        self.path = path
        self._values = {row.name: _default(row) for row in DIRECTIVES.values()}
        self._defaults = dict(self._values)
        self._subscribers = {}
        if isinstance(settings, dict):
            settings = [Setting(name, (str(text),), name) for name, text in settings.items()]
        for setting in settings:
            self._start_with(setting)
        contradiction = _contradiction(self._values)
        if contradiction is not None:
            raise ConfigurationError(" ".join(contradiction))

    def get(self, name):
        """The typed value: int for numbers and memory, bool, str, tuple, or as its kind says."""
        return self._values[name]

    def text(self, name) -> str:
        """As CONFIG GET shows it."""
        return DIRECTIVES[name].kind.show(self._values[name])

    def match(self, pattern) -> dict[str, str]:
        """name -> text for a name or glob, whatever its case. A plain name comes back as typed."""
        pattern = _decoded(pattern)
        folded = pattern.lower()
        if not any(sign in pattern for sign in "*?["):
            return {pattern: self.text(folded)} if folded in DIRECTIVES else {}
        folded = folded.replace("[^", "[!")
        return {name: self.text(name) for name in DIRECTIVES if fnmatch.fnmatchcase(name, folded)}

    def set(self, changes) -> None:
        """CONFIG SET of {name: text} or of pairs: all of them, or CommandError and none."""
        pairs = changes.items() if isinstance(changes, dict) else changes
        new = {}
        for given, text in pairs:
            name = self._settable(_decoded(given), new)
            new[name] = _parsed(name, _decoded(given), _decoded(text), self._values[name])
        contradiction = _contradiction(self._values | new)
        if contradiction is not None:
            raise _failed(contradiction[0], " ".join(contradiction))
        before = {name: self._values[name] for name in new}
        self._values.update(new)
        try:
            self._apply(name for name in new if new[name] != before[name])
        except CommandError:
            self._values.update(before)
            self._apply(before)
            raise

    def subscribe(self, name, callback) -> None:
        """`callback(value)` runs after a change; it may refuse with ValueError(reason)."""
        self._subscribers.setdefault(name, []).append(callback)

    def rewrite(self) -> None:
        """CONFIG REWRITE; CommandError when there is no file or it cannot be written."""
        if self.path is None:
            raise CommandError("ERR The server is running without a config file")
        directives = {
            name: (row.kind.lines(self._values[name]), self._values[name] == self._defaults[name])
            for name, row in DIRECTIVES.items()
        }
        try:
            with open(self.path, encoding="utf-8", errors="surrogateescape") as file:
                text = file.read()
            rewrite.replace_file(self.path, rewrite.rewritten(text, directives))
        except OSError as error:
            raise CommandError(f"ERR Rewriting config file: {error.strerror}") from None

    def _start_with(self, setting):
        row = DIRECTIVES.get(setting.name)
        if row is None:
            raise ConfigurationError(f"{setting.where}: {_unknown(setting.name)}")
        try:
            self._values[row.name] = row.kind.parse(setting.words, self._values[row.name])
        except ValueError as error:
            raise ConfigurationError(f"{setting.where}: '{setting}': {error}") from None

    def _settable(self, given, seen):
        name = given.lower()
        if name not in DIRECTIVES:
            raise CommandError(
                f"ERR Unknown option or number of arguments for CONFIG SET - '{given}'"
            )
        if not DIRECTIVES[name].mutable:
            raise _failed(given, "can't set immutable config")
        if name in seen:
            raise _failed(given, "duplicate parameter")
        return name

    def _apply(self, names):
        for name in names:
            for callback in self._subscribers.get(name, ()):
                try:
                    callback(self._values[name])
                except ValueError as error:
                    raise _failed(name, error) from None


def read(arguments: list[str]) -> Config:
    """From `[FILE] [--directive value ...]`; ConfigurationError names what is wrong and where."""
    path, settings = loader.load(arguments)
    return Config(settings, path)


def _contradiction(values):
    """(name, what is wrong with it beside the others), or None."""
    for name in ("block-cache-bytes", "memtable-bytes"):
        # The largest pair has to pass through both.
        if values["max-pair-bytes"] > values[name] // PAIRS_IN_MEMORY_MIN:
            return ("max-pair-bytes", f"{values['max-pair-bytes']} is more than an eighth of "
                                      f"{name} {values[name]}")
    for name in ("read-consistency", "write-consistency"):
        if Level.least_copies(values[name]) > values["replication-factor"]:
            return name, (f"{values[name]} can never be met with replication-factor "
                          f"{values['replication-factor']}")
    return None


def _default(row: Directive):
    return row.kind.parse_text(row.default, {})


def _parsed(name, given, text, current):
    try:
        return DIRECTIVES[name].kind.parse_text(text, current)
    except ValueError as error:
        raise _failed(given, error) from None


def _failed(given, reason):
    return CommandError(
        f"ERR CONFIG SET failed (possibly related to argument '{given}') - {reason}"
    )


def _unknown(name):
    close = loader.nearest(name, DIRECTIVES)
    if name in FOREIGN:
        return f"'{name}' is a directive of Redis that resp-kv does not have (nearest: '{close}')"
    return f"unknown directive '{name}', did you mean '{close}'?"


def _decoded(text):
    return text.decode("utf-8", "surrogateescape") if isinstance(text, bytes) else text
