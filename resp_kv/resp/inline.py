"""Words of a line as redis-cli and telnet users write them: the grammar of a configuration line."""

from conf.words import UnbalancedQuotes, split_words


def split_line(line: bytes) -> list[bytes] | None:
    """The words of `line`, or None if its quotes do not balance."""
    try:
        words = split_words(line.decode("utf-8", "surrogateescape"))
    except UnbalancedQuotes:
        return None
    return [word.encode("utf-8", "surrogateescape") for word in words]
