"""Errors that a client is told about.

    Exception
      +- CommandError        the reply to one command: the text after '-', code word first
      |    +- WrongType, NotAnInteger, NotAFloat, SyntaxFault, OutOfRange   Redis's standing texts
      +- ProtocolError       the bytes are not RESP: the reply, then the connection closes

"Not found" is never an error here; it is None.
"""


class CommandError(Exception):
    """`text` is the whole error line without '-' and line end, e.g. 'ERR syntax error'."""

    def __init__(self, text):
        super().__init__(text)
        self.text = text


class SyntaxFault(CommandError):
    def __init__(self, text="ERR syntax error"):
        super().__init__(text)


class NotAnInteger(CommandError):
    def __init__(self, text="ERR value is not an integer or out of range"):
        super().__init__(text)


class NotAFloat(CommandError):
    def __init__(self, text="ERR value is not a valid float"):
        super().__init__(text)


class ProtocolError(Exception):
    """`text` as Redis words it, e.g. 'Protocol error: invalid bulk length'."""
