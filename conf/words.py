r"""Words of a configuration line, quoted and escaped as redis.conf does it.

    line   = word *( blanks word )
    word   = plain | '"' *( char | escape ) '"' | "'" *( char | "\'" ) "'"
    escape = \n \r \t \b \a | \xHH | \ and any other character, which then stands for itself

A closing quote must be followed by a blank or by the end of the line. Lines are text decoded with
`surrogateescape`, so that a byte that is no UTF-8 (a binary password, "\xff") comes out unharmed.
"""

import re

_ESCAPES = {"n": b"\n", "r": b"\r", "t": b"\t", "b": b"\b", "a": b"\a"}
_BLANKS = " \t\r\n\v\f\0"
_DOUBLE = re.compile(r'"((?:[^"\\]|\\.)*)"(?=[\s\0]|$)', re.DOTALL)
_SINGLE = re.compile(r"'((?:[^'\\]|\\'|\\(?!'))*)'(?=[\s\0]|$)", re.DOTALL)
_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})|\\(.)", re.DOTALL)
_PLAIN_WORD = re.compile(r"[!$-&(-\[\]-~]+")


class UnbalancedQuotes(ValueError):
    """A quote that does not close, or that closes in the middle of a word."""


def split_words(line: str) -> list[str]:
    """The words of one line; raises UnbalancedQuotes."""
    words = []
    at = 0
    while True:
        while at < len(line) and line[at] in _BLANKS:
            at += 1
        if at == len(line):
            return words
        word, at = _next_word(line, at)
        words.append(word)


def quoted(word: str) -> str:
    """`word` as it can stand in a file: bare where that is safe, else in double quotes."""
    if _PLAIN_WORD.fullmatch(word):
        return word
    return '"' + "".join(map(_escaped, word.encode("utf-8", "surrogateescape"))) + '"'


def _next_word(line, at):
    word = ""
    while at < len(line) and line[at] not in _BLANKS:
        if line[at] == '"':
            match = _closed(_DOUBLE, line, at)
            return word + _unescaped(match[1]), match.end()
        if line[at] == "'":
            match = _closed(_SINGLE, line, at)
            return word + match[1].replace("\\'", "'"), match.end()
        word += line[at]
        at += 1
    return word, at


def _closed(quotes, line, at):
    match = quotes.match(line, at)
    if match is None:
        raise UnbalancedQuotes("unbalanced quotes")
    return match


def _unescaped(text):
    def byte(match):
        if match[1]:
            return bytes([int(match[1], 16)])
        return _ESCAPES.get(match[2], match[2].encode("utf-8", "surrogateescape"))

    # Bytes, not characters: "\xc3\xa9" is two escapes and one letter.
    raw = bytearray()
    end = 0
    for match in _ESCAPE.finditer(text):
        raw += text[end : match.start()].encode("utf-8", "surrogateescape") + byte(match)
        end = match.end()
    raw += text[end:].encode("utf-8", "surrogateescape")
    return raw.decode("utf-8", "surrogateescape")


def _escaped(byte):
    for letter, plain in _ESCAPES.items():
        if byte == plain[0]:
            return "\\" + letter
    if byte in b'"\\':
        return "\\" + chr(byte)
    return chr(byte) if 32 <= byte < 127 else f"\\x{byte:02x}"
