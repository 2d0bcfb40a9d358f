"""Every method's map of a picture on one scale: how many times the share of all heat that a pixel of an even map would have.

Each picture of a map is scaled by its own largest value, so that all look alike, however flat they are. Here a value is the share of a
map's total absolute relevance, times the number of pixels: 1 is what an even map has everywhere, and maps of all methods compare.
"""

import base64
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from convscope.attributions.names import METHODS as ATTRIBUTIONS
from convscope.errors import UserError
from convscope.gallery.explained import Explanations
from convscope.gallery.heatmaps import Heatmaps
from convscope.gallery.image_pages import ImagePages
from convscope.gallery.records import Model
from convscope.jobs.job import check
from convscope.storage import store
from convscope.strategies.grids import area_means, heat_of

# Cells of a side: as fine as maps are told apart side by side, at two kilobytes a map in the page.
SIDE, _LEVELS, _BLOCK = 28, 127, 32
# The end of the scale, the same for all pictures: a map that has all its relevance in a cell would make all others pale.
TOP = 16


@dataclass(frozen=True)
class ScaledMap:
    """A map: relevance in units of that of an even map, negative where it speaks against the class; (h, w) float32."""

    method: str
    title: str
    values: np.ndarray


def in_even_units(maps: np.ndarray, side: int = SIDE) -> np.ndarray:
    """Means over equal areas, in units of an even map: (N, h, w) -> (N, <= side, <= side) float32; 0 without relevance.

    The total is that of the map as it is, of absolute values: where for and against lie side by side, their mean is small.
    """
    whole = np.asarray(np.nan_to_num(maps, nan=0.0, posinf=0.0, neginf=0.0), np.float64)
    mean = np.abs(whole).mean(axis=(1, 2), keepdims=True)
    shape = min(side, whole.shape[1]), min(side, whole.shape[2])
    return np.divide(area_means(whole, shape), mean, out=np.zeros((len(whole), *shape)), where=mean > 0).astype(
        np.float32
    )


def one_scale(model: Model, pages: ImagePages) -> dict[str, list[tuple[str, list[ScaledMap]]]]:
    """The maps of a set's pictures: id -> for each class explained, its name and every method's map.

    Raises:
        UserError: a file of maps is damaged.
    """
    shown = {
        (image.id, part.class_name, entry.method): entry.title
        for image in pages.images
        for part in image.evidence
        for entry in part.maps
    }
    every: list[Heatmaps | Explanations] = [*model.heatmaps, *model.explained]
    sources = [entry for entry in every if entry.image_set == pages.image_set]
    found: dict[tuple[str, str], list[ScaledMap]] = {}
    for path in (path for entry in sources for path in entry.files if path.suffix == ".h5"):
        for identity, name, values in _maps(path):
            title = shown.get((identity, name, path.stem))
            # Grad-CAM may be made twice, as a class activation map and as an attribution: the first is the one shown.
            known = found.setdefault((identity, name), [])
            if title is not None and path.stem not in {entry.method for entry in known}:
                known.append(ScaledMap(path.stem, title, values))
    return {
        image.id: [
            (part.class_name, maps)
            for part in image.evidence
            if len(maps := found.get((image.id, part.class_name), [])) > 1
        ]
        for image in pages.images
    }


def _maps(path: Path) -> Iterable[tuple[str, str, np.ndarray]]:
    """(id, class, map in units of an even one) of each map of a file; none of a file without maps."""
    check([path])
    try:
        with store.open_file(path) as file:
            if not {"maps", "targets", "id"} <= set(file):
                return
            names = [str(name) for name in json.loads(file.attrs.get("classes", "[]"))]
            ids, targets = store.read_text(file["id"]), np.asarray(file["targets"][()])
            for start in range(0, len(ids), _BLOCK):
                block = file["maps"][start : start + _BLOCK]
                for place in range(block.shape[1]):
                    scaled = in_even_units(heat_of(path.stem, block[:, place]))
                    for k, values in enumerate(scaled, start):
                        target = int(targets[k, place])
                        yield ids[k], names[target] if 0 <= target < len(names) else "", values
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: not readable ({str(error).splitlines()[0]}); delete it and run again") from None


def ranks(values: np.ndarray) -> np.ndarray:
    """How many of a map's other cells have less, whatever the sign, as a share; its sign is the cell's. Any shape, float32 -1..1.

    Cells that are alike but for the last digits have the same rank, and those without relevance 0.
    """
    sizes = np.abs(np.asarray(values, np.float64))
    sizes = np.round(sizes / (sizes.max(initial=0) or 1), 5)
    less = np.searchsorted(np.sort(sizes, axis=None), sizes, side="left") / max(sizes.size - 1, 1)
    return np.asarray(np.sign(values) * np.where(sizes > 0, less, 0), np.float32)


def as_json(classes: Sequence[tuple[str, list[ScaledMap]]]) -> str:
    """A picture's maps for `scales.js`: levels of -127..127, which is `TOP` times even, or more; `most` is a map's largest value.

    Ranks, too, of -127..127, are those of the values, for levels are the same where a map is nearly even, or beyond the scale.
    """
    rows: list[dict[str, Any]] = []
    for name, maps in classes:
        cells = []
        for entry in maps:
            levels = np.clip(entry.values / TOP, -1, 1)
            known = ATTRIBUTIONS.get(entry.method)
            cells.append(
                {
                    "title": entry.title,
                    "signed": bool(known and known.signed),
                    "shape": list(levels.shape),
                    "most": round(float(np.abs(entry.values).max()), 2),
                    "levels": _packed(levels),
                    "ranks": _packed(ranks(entry.values)),
                }
            )
        rows.append({"class": name, "top": TOP, "maps": cells})
    return json.dumps(rows, separators=(",", ":"))


def _packed(shares: np.ndarray) -> str:
    """Shares of -1..1 as base64 of a signed byte each."""
    return base64.b64encode(np.round(_LEVELS * shares).astype(np.int8).tobytes()).decode()
