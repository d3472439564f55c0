"""The names of the files in an engine's directory.

    NNNNNN.log   a segment of the commit log        NNNNNN.sst        a table
    MANIFEST-NNNNNN, named by CURRENT: which tables and segments count
    LOCK         held by the process that has the directory open

All numbers come from one counter, so a greater number is a younger file.
"""

import re

CURRENT = "CURRENT"
LOCK = "LOCK"
NUMBERED = re.compile(r"(?:MANIFEST-)?(\d{6,})(?:\.log|\.sst)?$")


def segment_name(number):
    return f"{number:06d}.log"


def table_name(number):
    return f"{number:06d}.sst"


def manifest_name(number):
    return f"MANIFEST-{number:06d}"


def number_of(name):
    """The number in a file's name, 0 if it has none."""
    match = NUMBERED.match(name)
    return int(match[1]) if match else 0


def numbers_of(names, suffix):
    """The numbers of all files with that suffix, ascending."""
    return sorted(number_of(name) for name in names if name.endswith(suffix) and number_of(name))
