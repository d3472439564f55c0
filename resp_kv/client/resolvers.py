"""Resolvers: from the concurrent values of a key, its siblings, to the one that shall hold.

    resolver(values) -> value

`values` come decoded, the latest write first (as the cluster orders writes that did not know of each
other); None stands for a delete. The answer None means that the key shall be absent.
"""


def last_write(values):
    """The latest write, be it a delete. What plain GET shows; the others are given up."""
    return values[0]


def union(values):
    """All items of all sets, so that no concurrent addition is lost. A concurrent removal is: the item
    that one client removed while another wrote the set is back."""
    present = [value for value in values if value is not None]
    return set().union(*present) if present else None
