"""The HDF5 layout of the kinds of reasons of an image set."""

from pathlib import Path
from typing import Any

import numpy as np

from convscope.storage import store
from convscope.strategies.report import NEAREST, Strategies


def save(path: str | Path, found: Strategies, ids: list[str], **attributes: Any) -> None:
    """Write what was found.

    Layout: `id`, `kind` (from 1; 0 without heat), `class` (a place in `class_name`) and `place` (x, y in 0..1 on the map of its
    class) by image; `class_name`, `class_words`, `class_chance` (p-value), `class_empty` and `eigenvalue` (NaN beyond those
    computed) by class; `group/...` by kind of each class: `class`, `kind`, `pictures`, `mean` (group, height, width), its mean map,
    and `central` (group, nearest), rows of the images nearest to it, -1 where there are fewer.
    """
    groups = [(place, group) for place, entry in enumerate(found.classes) for group in entry.groups]
    most = max((len(entry.eigenvalues) for entry in found.classes), default=0)
    values = np.full((len(found.classes), most), np.nan)
    for row, entry in zip(values, found.classes, strict=True):
        row[: len(entry.eigenvalues)] = entry.eigenvalues
    central = np.full((len(groups), NEAREST), -1, np.int32)
    for line, (_, group) in zip(central, groups, strict=True):
        line[: len(group.central)] = group.central
    with store.create(path, **attributes) as file:
        store.write_array(file, "id", ids, ("image",), dtype=store.TEXT)
        store.write_array(file, "kind", found.kind, ("image",))
        store.write_array(file, "class", found.explained, ("image",))
        store.write_array(file, "place", found.places, ("image", "axis"))
        texts = {"class_name": [c.name for c in found.classes], "class_words": [c.words for c in found.classes]}
        for name, words in texts.items():
            store.write_array(file, name, words, ("class",), dtype=store.TEXT)
        store.write_array(file, "class_chance", [c.chance for c in found.classes], ("class",), dtype=np.float64)
        store.write_array(file, "class_empty", [c.empty for c in found.classes], ("class",), dtype=np.int32)
        store.write_array(file, "eigenvalue", values, ("class", "number"))
        numbers = {
            "class": [place for place, _ in groups],
            "kind": [group.row.kind for _, group in groups],
            "pictures": [group.row.pictures for _, group in groups],
        }
        for name, column in numbers.items():
            store.write_array(file, f"group/{name}", column, ("group",), dtype=np.int32)
        mean = np.stack([group.mean for _, group in groups]) if groups else np.zeros((0, 1, 1), np.float32)
        store.write_array(file, "group/mean", mean, ("group", "height", "width"))
        store.write_array(file, "group/central", central, ("group", "nearest"))
