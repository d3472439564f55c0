"""Outcomes of the store that a request cannot go on from.

    Exception
      +- NeedsDisk       not an error: run the request again once the missing blocks are loaded
      +- StoreError      the text goes to the client as it is
           +- PairTooLarge      key plus value over max-pair-bytes: nothing was stored
           +- WriteRefused      disk full, failed fsync, ...: nothing was stored, reads go on
           +- DamagedStore      a stored block is damaged: file and offset are named
      +- Stalled         no room in memory until a flush is done: run the request again then
"""


class NeedsDisk(Exception):
    pass


class Stalled(Exception):
    pass


class StoreError(Exception):
    """`text` is the whole error line, code word first."""

    def __init__(self, text):
        super().__init__(text)
        self.text = text


class PairTooLarge(StoreError):
    def __init__(self, pair_bytes, limit_bytes):
        super().__init__(
            f"ERR key plus value are {pair_bytes} bytes, the limit is {limit_bytes} "
            "(directive max-pair-bytes); nothing was stored"
        )


class WriteRefused(StoreError):
    pass


class DamagedStore(StoreError):
    pass
