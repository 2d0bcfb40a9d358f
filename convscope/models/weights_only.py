"""Files of weights without a network: which network of keras.applications they fit, by their shapes. Nothing heavy here."""

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

TABLE = Path(__file__).with_name("application_shapes.json")
Shape = tuple[int, ...]


def digest(shapes: Iterable[Shape]) -> str:
    """A digest of a set of shapes, whatever their order."""
    return hashlib.sha256(json.dumps(sorted(map(list, shapes))).encode()).hexdigest()[:16]


def shapes_in(opened: Any) -> list[Shape]:
    """Shapes of the arrays of an HDF5 file of weights; an optimizer's are left out."""
    import h5py

    found: list[Shape] = []

    def look(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and name.split("/")[0] not in (
            "optimizer",
            "optimizer_weights",
            "_optimizer",
        ):
            found.append(tuple(item.shape))

    opened.visititems(look)
    return found


def fitting_networks(opened: Any) -> str:
    """What to say of an HDF5 file without a network: what its weights fit, and what to type."""
    shapes = shapes_in(opened)
    names, classes = match(shapes)
    if names:
        name = names[0]
        which = f"the application {name}" if len(names) == 1 else f"the applications {' and '.join(names)}"
        if classes is None:
            return (
                f"holds weights alone, which fit {which} without its classifier; save the whole classifier that they belong to with "
                "model.save('model.keras')"
            )
        named = "" if classes == 1000 else f" and classes: with its {classes} names"
        return (
            f"holds weights alone; they fit {which} with {classes} classes: source: application, application: {name}, "
            f"weights: this file{named}"
        )
    return (
        f"holds no Keras model: weights only, {len(shapes)} arrays that fit no network of keras.applications; load them into their "
        "network and save the whole with model.save('model.keras')"
    )


def match(shapes: list[Shape]) -> tuple[list[str], int | None]:
    """Names of the applications that shapes fit, and the number of classes; None for those without a classifier."""
    table = json.loads(TABLE.read_text(encoding="utf-8"))
    whole = digest(shapes)
    if found := sorted(name for name, (_, bare) in table.items() if bare == whole):
        return found, None
    for kernel in sorted({shape for shape in shapes if len(shape) in (2, 4)}):
        if (kernel[-1],) not in shapes:
            continue
        rest = list(shapes)
        rest.remove(kernel)
        rest.remove((kernel[-1],))
        known = digest([*rest, kernel[:-1]])
        if found := sorted(name for name, (top, _) in table.items() if top == known):
            return found, kernel[-1]
    return [], None
