"""The kinds of reasons of a model by one method, as a page shows them: a map of pictures, and what each kind goes by."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.cams.names import METHODS as CAMS
from convscope.gallery.tables import existing, read_table
from convscope.jobs.job import check
from convscope.storage import store

_LEVELS = 255  # a mean heatmap is kept in so many steps


@dataclass(frozen=True)
class Reasons:
    """The kinds of reasons on an image set by one method.

    Attributes:
        classes: name, what is said of it and how many kinds, for each class that is explained.
        ids, kind, of_class, places: by picture, as `strategies.store` has them.
        kinds: a row a kind: its class's place, and the columns of the table.
        means: (kinds, h * w) in 0..255, each by its largest value.
        central: rows of the pictures nearest to each kind's mean.
    """

    image_set: str
    method: str
    title: str
    classes: tuple[tuple[str, str, int], ...]
    ids: tuple[str, ...]
    kind: tuple[int, ...]
    of_class: tuple[int, ...]
    places: tuple[tuple[float, float] | None, ...]
    kinds: tuple[Mapping[str, Any], ...]
    shape: tuple[int, int]
    means: tuple[tuple[int, ...], ...]
    central: tuple[tuple[int, ...], ...]
    figure: Path | None
    files: tuple[Path, ...]

    @property
    def several(self) -> list[str]:
        """The classes that have several kinds."""
        return [name for name, _, count in self.classes if count > 1]

    @property
    def warned(self) -> list[Mapping[str, Any]]:
        """The kinds that look like wrong reasons."""
        return [row for row in self.kinds if row["warning"]]


def title_of(method: str) -> str:
    """The name of a method for people."""
    return CAMS.get(method) or ATTRIBUTIONS[method].title


def reasons(folder: Path, method: str) -> Reasons:
    """Read what `strategies/<model>/<image set>` has of a method.

    Raises:
        UserError: a file is damaged.
    """
    path = folder / f"{method}.h5"
    check([path])
    rows = read_table(folder / f"{method}.csv", ("explained", "kind", "lies_on", "warning"))
    with store.open_file(path) as file:
        names, words = store.read_text(file["class_name"]), store.read_text(file["class_words"])
        owner = file["group/class"][()].tolist()
        mean, central = file["group/mean"][()], file["group/central"][()]
        places = file["place"][()]
        ids, kind, of_class = store.read_text(file["id"]), file["kind"][()].tolist(), file["class"][()].tolist()
    highest = mean.max(axis=(1, 2), initial=1e-12, keepdims=True)
    levels = np.round(_LEVELS * mean / highest).astype(int)
    counts = [owner.count(place) for place in range(len(names))]
    return Reasons(
        image_set=folder.name,
        method=method,
        title=title_of(method),
        classes=tuple(zip(names, words, counts, strict=True)),
        ids=tuple(ids),
        kind=tuple(kind),
        of_class=tuple(of_class),
        places=tuple(None if math.isnan(x) else (round(x, 4), round(y, 4)) for x, y in places.astype(float).tolist()),
        kinds=tuple({**row, "class": place} for place, row in zip(owner, rows, strict=True)),
        shape=(int(mean.shape[1]), int(mean.shape[2])),
        means=tuple(tuple(values.ravel().tolist()) for values in levels),
        central=tuple(tuple(k for k in line if k >= 0) for line in central.tolist()),
        figure=existing(folder / f"{method}.png"),
        files=tuple(file for name in ("csv", "h5") if (file := folder / f"{method}.{name}").is_file()),
    )
