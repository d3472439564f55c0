"""Codecs: how the values of an application become bytes, and back.

A codec that writes equal values as equal bytes keeps two clients that store the same thing from
looking different; JSON is therefore written with sorted keys, and a set as a sorted array.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Codec:
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def _to_json(value):
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def _set_to_json(items):
    return _to_json(sorted(items, key=_to_json))


RAW = Codec(bytes, bytes)
TEXT = Codec(str.encode, bytes.decode)
JSON = Codec(_to_json, json.loads)
JSON_SET = Codec(_set_to_json, lambda text: set(json.loads(text)))    # of texts, numbers, booleans
