"""The kinds of values that a directive can have: how they are read, shown and written back.

Each kind turns words into a typed value (`parse`), the value into what CONFIG GET shows (`show`)
and into the lines of a file (`lines`). ValueError carries Redis's own text for a bad value, which
CONFIG SET and the start of the server both quote. CONFIG SET gives one text (`parse_text`); kinds
of several words split it at blanks.
"""

import os
import re

from conf.words import quoted

INT_MAX = 2**31 - 1
LONG_MAX = 2**63 - 1
COPIES_MAX = 16                  # of one key; more would make each write wait for a crowd
_INTEGER = re.compile(r"0|-?[1-9][0-9]{0,18}")
_MEMORY = re.compile(r"([0-9]{1,19})(|b|k|kb|m|mb|g|gb)", re.IGNORECASE)
_UNITS = {"": 1, "b": 1, "k": 10**3, "kb": 2**10, "m": 10**6, "mb": 2**20, "g": 10**9, "gb": 2**30}


class Kind:
    """One word, kept as it is. `form` is for the documentation."""

    form = "text"

    def parse(self, words, current):
        """The value; `current` is the one before, for kinds that are set in parts."""
        if len(words) != 1:
            raise ValueError("wrong number of arguments")
        return self.parse_word(words[0])

    def parse_text(self, text, current):
        return self.parse_word(text)

    def parse_word(self, word):
        return word

    def show(self, value) -> str:
        return str(value)

    def lines(self, value) -> list[str]:
        return [quoted(self.show(value))]


class Integer(Kind):
    parse_error = "argument couldn't be parsed into an integer"

    def __init__(self, least, most):
        self.least, self.most = least, most
        self.form = f"{least} to {most}" if most < INT_MAX else f"{least} or more"

    def parse_word(self, word):
        if not _INTEGER.fullmatch(word):
            raise ValueError(self.parse_error)
        return self.bounded(int(word))

    def bounded(self, value):
        if not self.least <= value <= self.most:
            raise ValueError(
                f"argument must be between {self.show(self.least)} and {self.show(self.most)}"
                " inclusive"
            )
        return value


class Weight(Kind):
    """A share: a decimal number over zero, kept as a float and shown without idle zeros."""

    most = 1000
    form = f"over 0 to {most}"

    def parse_word(self, word):
        if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", word):
            raise ValueError("argument must be a decimal number such as 2 or 0.5")
        if not 0 < float(word) <= self.most:
            raise ValueError(f"argument must be greater than 0 and at most {self.most}")
        return float(word)

    def show(self, value):
        return f"{value:.9f}".rstrip("0").rstrip(".")


class Octal(Integer):
    def parse_word(self, word):
        if not re.fullmatch("[0-7]{1,9}", word):
            raise ValueError("argument couldn't be parsed as an octal number")
        return self.bounded(int(word, 8))

    def show(self, value):
        return f"{value:o}"


class Memory(Integer):
    """Bytes, with Redis's units: 1k is 1000, 1kb is 1024. Shown in bytes."""

    def __init__(self, least=0, most=LONG_MAX):
        super().__init__(least, most)
        self.form = f"bytes, at least {least}" if least else "bytes"

    def parse_word(self, word):
        match = _MEMORY.fullmatch(word)
        if match is None:
            raise ValueError("argument must be a memory value")
        return self.bounded(int(match[1]) * _UNITS[match[2].lower()])


class YesNo(Kind):
    form = "yes or no"

    def parse_word(self, word):
        if word.lower() not in ("yes", "no"):
            raise ValueError("argument must be 'yes' or 'no'")
        return word.lower() == "yes"

    def show(self, value):
        return "yes" if value else "no"


class Enum(Kind):
    def __init__(self, *choices):
        self.choices = choices
        self.form = ", ".join(choices)

    def parse_word(self, word):
        if word.lower() not in self.choices:
            raise ValueError(
                "argument(s) must be one of the following: " + ", ".join(self.choices)
            )
        return word.lower()


class Level(Kind):
    """How many replicas must answer: a name in capitals or a number; the text of either.

    What a name means for a number of replicas is the cluster's knowledge; `least_copies` has what
    the start of a node must know: whether so many can exist at all.
    """

    names = ("ONE", "TWO", "THREE", "QUORUM", "ALL", "LOCAL_ONE", "LOCAL_QUORUM", "EACH_QUORUM")

    def __init__(self, *further):
        self.names = (*self.names, *further)
        self.form = ", ".join(self.names) + f", or 1 to {COPIES_MAX}"

    def parse_word(self, word):
        if word.upper() in self.names:
            return word.upper()
        if not re.fullmatch("[1-9][0-9]?", word) or int(word) > COPIES_MAX:
            raise ValueError(f"argument must be one of {self.form}")
        return word

    @staticmethod
    def least_copies(level):
        """Replicas that must exist for this level, as far as it counts them itself."""
        return {"TWO": 2, "THREE": 3}.get(level) or (int(level) if level.isdigit() else 1)


class Folder(Kind):
    """A path, made absolute when it is read: the working directory may change later."""

    form = "path"

    def parse_word(self, word):
        if not word:
            raise ValueError("argument must be a path")
        return os.path.abspath(word)


class Words(Kind):
    """A list of words, such as addresses; a tuple. One quoted word may hold them all."""

    def __init__(self, form):
        self.form = form

    def parse(self, words, current):
        if not words:
            raise ValueError("wrong number of arguments")
        return self.parse_text(" ".join(words), current)

    def parse_text(self, text, current):
        return tuple(text.split())

    def show(self, value):
        return " ".join(value)

    def lines(self, value):
        return [" ".join(map(quoted, value)) or '""']


class Addresses(Words):
    """A list of HOST:PORT; an IPv6 address stands in brackets. A tuple of the words as given."""

    form = "host:port ..."

    def __init__(self):
        pass

    def parse_text(self, text, current):
        words = super().parse_text(text, current)
        for word in words:
            host, _, port = word.rpartition(":")
            bracketed = host.startswith("[") and host.endswith("]")
            if not host.strip("[]") or (":" in host and not bracketed) or not _is_port(port):
                raise ValueError(f"'{word}' is no address such as 10.0.0.1:16379")
        return words


class Percentiles(Words):
    def parse_text(self, text, current):
        values = super().parse_text(text, current)
        for word in values:
            if not re.fullmatch(r"\d+(\.\d+)?", word) or float(word) > 100:
                raise ValueError(
                    "latency-tracking-info-percentiles should be between 0.0 and 100.0"
                )
        return tuple(float(word) for word in values)

    def show(self, value):
        return " ".join(f"{percentile:g}" for percentile in value)

    def lines(self, value):
        return [self.show(value) or '""']


class SavePoints(Kind):
    """Pairs (seconds, changes). A file gives them line by line; an empty text clears them."""

    form = 'seconds changes ..., or ""'

    def parse(self, words, current):
        pairs = self.parse_text(" ".join(words), ())
        return (*current, *pairs) if pairs else ()

    def parse_text(self, text, current):
        words = text.split(" ") if text else []
        if len(words) % 2 or not all(_INTEGER.fullmatch(word) for word in words):
            raise ValueError("Invalid save parameters")
        numbers = list(map(int, words))
        pairs = tuple(zip(numbers[::2], numbers[1::2], strict=True))
        if any(seconds < 1 or changes < 0 for seconds, changes in pairs):
            raise ValueError("Invalid save parameters")
        return pairs

    def show(self, value):
        return " ".join(f"{seconds} {changes}" for seconds, changes in value)

    def lines(self, value):
        return [f"{seconds} {changes}" for seconds, changes in value] or ['""']


class OutputLimits(Kind):
    """Client class -> (hard bytes, soft bytes, soft seconds). Set for some classes, kept for the
    others; a replica is called `slave` in replies, as in Redis."""

    form = "class hard soft seconds ..."
    _bytes = Memory()
    _classes = {"normal": "normal", "slave": "slave", "replica": "slave", "pubsub": "pubsub"}

    def parse(self, words, current):
        return self.parse_text(" ".join(words), current)

    def parse_text(self, text, current):
        words = text.split()
        if not words or len(words) % 4:
            raise ValueError("Wrong number of arguments in buffer limit configuration.")
        limits = dict(current)
        for name, *numbers in (words[at : at + 4] for at in range(0, len(words), 4)):
            if name.lower() not in self._classes:
                raise ValueError("Invalid client class specified in buffer limit configuration.")
            limits[self._classes[name.lower()]] = self._limit(*numbers)
        return limits

    def _limit(self, hard, soft, seconds):
        try:
            limit = (*map(self._bytes.parse_word, (hard, soft)), int(seconds))
        except ValueError:
            limit = (0, 0, -1)
        if limit[2] < 0:
            raise ValueError(
                "Error in hard, soft or soft_seconds setting in buffer limit configuration."
            )
        return limit

    def show(self, value):
        return " ".join(f"{name} {' '.join(map(str, limit))}" for name, limit in value.items())

    def lines(self, value):
        return [f"{name} {' '.join(map(str, limit))}" for name, limit in value.items()]


class Only(Kind):
    """A directive of Redis that has one possible value here; `why` answers whoever asks for
    another one."""

    def __init__(self, kind, value, why):
        self.kind, self.value, self.why = kind, value, why
        self.form = f"only {kind.show(value) or 'empty'}"

    def parse_word(self, word):
        if self.kind.parse_word(word) != self.value:
            raise ValueError(self.why)
        return self.value

    def show(self, value):
        return self.kind.show(value)


def _is_port(text):
    return _INTEGER.fullmatch(text) is not None and 1 <= int(text) <= 65535
