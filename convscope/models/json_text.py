"""JSON that strangers wrote."""

import json
from typing import Any

_DEEPEST = 250


def value_of(text: str | bytes) -> Any:
    """What JSON says.

    Raises:
        ValueError: it is none, or nested deeper than any network's, and than can be walked through.
    """
    try:
        value = json.loads(text)
    except RecursionError:
        raise ValueError("too deep") from None
    level = [value]
    for _ in range(_DEEPEST):
        inner = [
            outer.values() if isinstance(outer, dict) else outer for outer in level if isinstance(outer, dict | list)
        ]
        level = [part for parts in inner for part in parts]
    if level:
        raise ValueError("too deep")
    return value
