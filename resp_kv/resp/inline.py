"""Words of a line as redis-cli and telnet users write them: blanks, quotes, escapes.

"..." takes \\n \\r \\t \\b \\a \\xHH and \\<any character>; '...' takes only \\'. A closing quote must be
followed by a blank or the end of the line. The configuration file has the same grammar.
"""

import re

BLANKS = b" \t\n\r\v\f\0"
ESCAPES = {ord("n"): 10, ord("r"): 13, ord("t"): 9, ord("b"): 8, ord("a"): 7}
HEX = re.compile(rb"x[0-9a-fA-F]{2}")


def split_line(line: bytes) -> list[bytes] | None:
    """The words of `line`, or None if its quotes do not balance."""
    words = []
    at = 0
    while True:
        while at < len(line) and line[at] in BLANKS:
            at += 1
        if at == len(line):
            return words
        word, at = _word(line, at)
        if word is None:
            return None
        words.append(word)


def _word(line, at):
    word = bytearray()
    while at < len(line) and line[at] not in BLANKS:
        if line[at] in b"\"'":
            at = _quoted(line, at, word)
            if at is None or (at < len(line) and line[at] not in BLANKS):
                return None, at
        else:
            word.append(line[at])
            at += 1
    return bytes(word), at


def _quoted(line, at, word):
    """Append the text of the quotation that opens at `at`; return the position behind it."""
    quote = line[at]
    at += 1
    while at < len(line) and line[at] != quote:
        if line[at] == 0x5C and at + 1 < len(line):
            at = _escape(line, at + 1, word, quote)
        else:
            word.append(line[at])
            at += 1
    return at + 1 if at < len(line) else None


def _escape(line, at, word, quote):
    if quote == 0x27:
        if line[at] == quote:
            word.append(quote)
            return at + 1
        word.append(0x5C)
        return at
    if HEX.match(line, at):
        word.append(int(line[at + 1 : at + 3], 16))
        return at + 3
    word.append(ESCAPES.get(line[at], line[at]))
    return at + 1
