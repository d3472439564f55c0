"""Consistency levels: names and numbers, and what each asks of the replicas of one key.

    ONE TWO THREE, 1 2 3 ...   so many replicas, wherever they are
    QUORUM                     more than half of all
    ALL                        every one
    LOCAL_ONE LOCAL_QUORUM     one, or more than half, of those in the coordinator's data centre
    EACH_QUORUM                more than half in every data centre
    ANY                        writes only: a hint for a replica that is down is enough

A level travels between nodes as a small number (`code`): 1 to 99 is that many replicas, the names
have the codes below. Cassandra's words and meanings.
"""

from cluster.quorum import Need

NAMES = {
    "ONE": 1, "TWO": 2, "THREE": 3, "QUORUM": 100, "ALL": 101, "LOCAL_ONE": 102,
    "LOCAL_QUORUM": 103, "EACH_QUORUM": 104, "ANY": 105,
}
TEXTS = {code: name for name, code in reversed(NAMES.items())}
QUORUM, ALL, LOCAL_ONE, LOCAL_QUORUM, EACH_QUORUM, ANY = range(100, 106)
LOCAL = (LOCAL_ONE, LOCAL_QUORUM)
REPLICAS_MAX = 32


class BadLevel(ValueError):
    """No such level, or not possible with the replicas there are; the text says which."""


def code_of(word, *, writing):
    """The code of a level as a client writes it, in any case: a name or a number."""
    text = word.decode("ascii", "replace") if isinstance(word, bytes) else str(word)
    if text.isascii() and text.isdecimal() and 1 <= int(text) <= REPLICAS_MAX:
        return int(text)
    code = NAMES.get(text.upper())
    if code is None:
        raise BadLevel(f"unknown consistency level '{text[:32]}': use one of "
                       f"{' '.join(NAMES)} or a number of replicas")
    if code == ANY and not writing:
        raise BadLevel("level ANY is for writes: no hint can answer a read")
    return code


def text_of(code):
    """The name of a level, or its number as text."""
    return TEXTS.get(code, str(code))


def need(code, places, here):
    """The Need of a level for one key.

    places  the data centre of each replica, in the order of the replicas
    here    the coordinator's data centre
    """
    everywhere = (1 << len(places)) - 1
    if code == EACH_QUORUM:
        return Need([(mask, majority(mask)) for mask in masks_by_place(places).values()])
    if code in LOCAL:
        mask = masks_by_place(places).get(here, 0)
        if mask == 0:
            raise BadLevel(f"level {text_of(code)}: no replica of this key is in data centre {here}")
        return Need([(mask, 1 if code == LOCAL_ONE else majority(mask))])
    wanted = {QUORUM: majority(everywhere), ALL: len(places), ANY: 1}.get(code, code)
    if wanted > len(places):
        raise BadLevel(f"level {text_of(code)} cannot be met: this key has {len(places)} replicas")
    return Need([(everywhere, wanted)], code == ANY)


def masks_by_place(places):
    """Data centre -> its replicas as bits, in the order of first appearance."""
    masks = {}
    for position, place in enumerate(places):
        masks[place] = masks.get(place, 0) | 1 << position
    return masks


def majority(mask):
    return mask.bit_count() // 2 + 1
