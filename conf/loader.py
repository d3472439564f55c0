"""From a configuration file and a command line to a list of settings.

Files have the syntax of redis.conf: one directive and its words in a line, `#` starts a comment
line, `include` reads other files at that place (a glob may name none). The command line is what
redis-server takes:

    [FILE | -] [--directive value ...] ...        `-` reads standard input

and comes after the file, so it wins. A value that itself begins with `--` is taken as a value when
it directly follows its directive. What the directives mean is not known here: the caller checks
names and values, and uses `Setting.where` to say which line was wrong.
"""

import difflib
import glob
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from conf.words import UnbalancedQuotes, quoted, split_words

INCLUDE_DEPTH_MAX = 16


class ConfigurationError(Exception):
    """One line for the operator: where, what is wrong, and what would be right."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One use of a directive. `name` is lower case; `where` is 'FILE, line N' or the option."""

    name: str
    words: tuple[str, ...]
    where: str

    def __str__(self):
        return " ".join([self.name, *map(quoted, self.words)])


def load(arguments: list[str]) -> tuple[str | None, list[Setting]]:
    """The file that the command line names (None without one), and all settings in order."""
    path, settings = None, []
    if arguments and not arguments[0].startswith("--"):
        first, *arguments = arguments
        if first == "-":
            settings += parse(sys.stdin.read().splitlines(), "standard input")
        else:
            path = first
            settings += read_file(path)
    return path, settings + list(parse_arguments(arguments))


def read_file(path: str, depth: int = 0) -> list[Setting]:
    """The settings of a file and of what it includes; ConfigurationError when it is unreadable."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            lines = file.read().split("\n")
    except OSError as error:
        raise ConfigurationError(
            f"cannot read the configuration file {path}: {error.strerror}"
        ) from None
    return list(parse(lines, path, depth))


def parse(lines: Iterable[str], source: str, depth: int = 0) -> Iterator[Setting]:
    for number, line in enumerate(lines, 1):
        where = f"{source}, line {number}"
        words = _words_of(line, where)
        if words and words[0].lower() == "include":
            yield from _included(words[1:], where, depth + 1)
        elif words:
            yield Setting(words[0].lower(), tuple(words[1:]), where)


def parse_arguments(arguments: list[str]) -> Iterator[Setting]:
    name = None
    words: list[str] = []
    for position, argument in enumerate(arguments):
        if argument.startswith("--") and not _is_value(name, words, position, arguments):
            if name:
                yield _from_arguments(name, words)
            # A shell that quoted too much: "--port 7000" in one word is taken apart.
            name, *words = _words_of(argument[2:], argument) or [""]
        elif name is None:
            raise ConfigurationError(
                f"'{argument}' is neither a configuration file nor a --directive"
            )
        else:
            words.append(argument)
    if name is not None:
        yield _from_arguments(name, words)


def nearest(name: str, known: Iterable[str]) -> str:
    """The name that a typing error was most likely meant to be."""
    names = sorted(known)
    return (difflib.get_close_matches(name, names, 1, cutoff=0.0) or names)[0]


def _words_of(line, where):
    stripped = line.strip(" \t\r\n")
    if stripped.startswith("#"):
        return []
    try:
        return split_words(stripped)
    except UnbalancedQuotes as error:
        raise ConfigurationError(f"{where}: {error} in '{stripped}'") from None


def _included(patterns, where, depth):
    if len(patterns) != 1:
        raise ConfigurationError(f"{where}: include takes one file or glob")
    if depth > INCLUDE_DEPTH_MAX:
        raise ConfigurationError(
            f"{where}: more than {INCLUDE_DEPTH_MAX} nested includes: does a file include itself?"
        )
    pattern = patterns[0]
    paths = sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern]
    for path in paths:
        yield from read_file(path, depth)


def _is_value(name, words, position, arguments):
    """The word right after its directive is its value even if it begins with `--`; but `--save`
    may stand alone, which clears the save points."""
    return name is not None and not words and name.lower() != "save" and position > 0


def _from_arguments(name, words):
    if name.lower() == "save" and not words:
        words = [""]
    return Setting(name.lower(), tuple(words), f"command line, --{name}")
