"""The one way in which a command of the command line fails."""


class Failure(Exception):
    """One line for the person at the terminal; the exit code is 1."""
