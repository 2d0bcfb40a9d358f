"""The order of a dataset's classes: that of the config, of a class_indices.json beside the pictures, or of the names."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from convscope.data.folders import natural_key
from convscope.data.groups import composed
from convscope.errors import UserError, nearest

FILE = "class_indices.json"


def class_indices(folder: Path) -> list[tuple[str, ...]] | None:
    """What a folder's class_indices.json says: for each label the names of its class; None where there is none.

    It is Keras's {"cat": 0, "dog": 1}, or the other way round {"0": "cat", "1": "dog"}, or with a WordNet number
    {"0": ["n02123045", "tabby"]}.

    Raises:
        UserError: it is there and says nothing of the kind, or leaves a label out.
    """
    path = folder / FILE
    if not path.is_file():
        return None
    try:
        found = _by_label(json.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError, TypeError, AttributeError, RecursionError):
        raise UserError(
            f'{path}: no order of classes; it is {{"cat": 0, "dog": 1}} or {{"0": "cat", "1": "dog"}}'
        ) from None
    if sorted(found) != list(range(len(found))):
        raise UserError(f"{path}: the labels are not 0 to {len(found) - 1}, each once")
    return [found[label] for label in range(len(found))]


def _by_label(value: Any) -> dict[int, tuple[str, ...]]:
    found: dict[int, tuple[str, ...]] = {}
    names: tuple[Any, ...]
    for key, entry in value.items():
        if isinstance(entry, int) and not isinstance(entry, bool):
            label, names = entry, (key,)
        else:
            label, names = int(key), tuple(entry) if isinstance(entry, list) else (entry,)
        if label in found or not names or not all(isinstance(name, str) for name in names):
            raise ValueError(label)
        found[label] = tuple(map(composed, names))
    if not found:
        raise ValueError("empty")
    return found


def ordered(present: Collection[str], listed: Sequence[str] | None, folder: Path) -> list[str]:
    """Class names in the order of their labels.

    Args:
        present: the classes that there are.
        listed: the config's `classes`, which come first.
        folder: where a class_indices.json may lie; all its classes count, those without a picture, too.

    Raises:
        UserError: a class is not in the class_indices.json, is that of two labels, or is listed twice.
    """
    if listed:
        names = [composed(name) for name in listed]
        if twice := [name for name, times in Counter(names).items() if times > 1]:
            raise UserError(f"classes: '{twice[0]}' is named twice; each class has one label")
        return names
    if (labels := class_indices(folder)) is None:
        return sorted(present, key=natural_key)
    result = [next((name for name in names if name in present), names[0]) for names in labels]
    times = Counter(result)
    for name in sorted(present, key=natural_key):
        if name not in times:
            known = [name for names in labels for name in names]
            raise UserError(f"{folder / FILE}: no class '{name}', of which there are pictures; {nearest(name, known)}")
        if times[name] > 1:
            raise UserError(f"{folder / FILE}: '{name}' is the class of two labels; rename one of them")
    return result
