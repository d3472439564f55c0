"""Numbers and options as Redis reads them from the words of a command.

Redis takes an integer only in the one form it would print itself: no blank, no plus sign, no
leading zero, no "-0", within 64 bits. So the test here is to print the number again and compare.
Whatever one word of a command can be wrong in is said with Redis's own error text, and in Redis's
order, because clients and tests look for it: a handler checks its words in the order in which the
Redis command of that name does.
"""

from resp_kv.errors import CommandError, NotAnInteger

INT64_MAX = (1 << 63) - 1
INT64_MIN = -(1 << 63)
INT32_MAX = (1 << 31) - 1
INT32_MIN = -(1 << 31)
INTEGER_DIGITS_MAX = 20  # '-9223372036854775808'


def integer_or_none(text):
    """The 64-bit integer that `text` spells in its one canonical form, else None."""
    if not 0 < len(text) <= INTEGER_DIGITS_MAX:
        return None
    try:
        number = int(text)
    except ValueError:
        return None
    if b"%d" % number != text or not INT64_MIN <= number <= INT64_MAX:
        return None
    return number


def integer(text, error=None):
    """The 64-bit integer in `text`; CommandError with `error` or Redis's usual text otherwise."""
    number = integer_or_none(text)
    if number is None:
        raise CommandError(error) if error else NotAnInteger()
    return number


def small_integer(text, error=None):
    """An integer of 32 bits, as database numbers are."""
    number = integer(text, error)
    if not INT32_MIN <= number <= INT32_MAX:
        raise CommandError(
            error or f"ERR value is out of range, value must between {INT32_MIN} and {INT32_MAX}"
        )
    return number


def database_index(client, text):
    """The number of an existing database."""
    index = small_integer(text)
    if not 0 <= index < len(client.node.keyspaces):
        raise CommandError("ERR DB index is out of range")
    return index


def clamped_range(start, end, length):
    """Redis's inclusive range over `length` units, negative numbers counting from the end.

    Gives (start, end) within the string, or None when nothing is left.
    """
    if start < 0:
        start += length
    if end < 0:
        end += length
    start, end = max(start, 0), min(max(end, 0), length - 1)
    return (start, end) if start <= end else None


def crossed(start, end):
    """Whether both count from the end and stand the wrong way round.

    GETRANGE and BITCOUNT then find nothing, also where clamping would leave the first unit of a
    short string; BITPOS does not ask.
    """
    return end < start < 0


def deadline(client, text, *, seconds, absolute, name):
    """The deadline in ms that EX, PX, EXAT, PXAT, SETEX or PSETEX mean; it must be positive."""
    number = integer(text)
    if number <= 0 or (seconds and number > INT64_MAX // 1000):
        raise invalid_expire_time(name)
    when_ms = number * 1000 if seconds else number
    if not absolute:
        when_ms += client.node.now_ms
    if when_ms > INT64_MAX:
        raise invalid_expire_time(name)
    return when_ms


def invalid_expire_time(name):
    return CommandError(f"ERR invalid expire time in '{name}' command")
