"""Concepts drawn: what the classes depend on, and of each concept that was found its crops and where it is in pictures."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from convscope.models.fields import ReceptiveField
from convscope.pictures.channels import Channels
from convscope.pictures.plots import new_figure, save_figure
from convscope.pictures.render import pattern_picture
from convscope.vectors.rows import VectorRow
from convscope.vectors.store import Found
from convscope.vectors.windows import crop

if TYPE_CHECKING:
    import h5py

Pixels = NDArray[np.uint8]

# Crops and pictures shown of each found concept, and their side.
CROPS, PICTURES, CELL, GAP = 6, 6, 120, 4
_COLOURS = {"raises": "#2e7d4f", "lowers": "#c0392b", "none": "#9aa5b1", "not_told": "#d5dae0"}
_MOST_ROWS = 40
# From which share of its largest amount on a concept is shown in full.
_FULL = 0.6


def draw_vectors(path: str | Path, title: str, rows: Sequence[VectorRow]) -> None:
    """Draw for each layer and class how its logit changes towards each concept, beside what random concepts do.

    Args:
        path: the PNG.
        title: of the figure.
        rows: of the table; those without a value are left out, and all but the farthest from chance of many.
    """
    known = [row for row in rows if row.verdict in _COLOURS]
    panels = list(dict.fromkeys((row.layer, row.class_) for row in known))
    groups = [[row for row in known if (row.layer, row.class_) == panel] for panel in panels]
    groups = [sorted(group, key=_distance, reverse=True)[:_MOST_ROWS] for group in groups]
    heights = [0.7 + 0.21 * len(group) for group in groups] or [1.2]
    figure, axes = new_figure(8.5, sum(heights) + 0.6, rows=max(len(groups), 1))
    axes = list(np.atleast_1d(axes))
    if groups:
        axes[0].get_gridspec().set_height_ratios(heights)
    for axis, panel, group in zip(axes, panels, groups, strict=False):
        places = np.arange(len(group))
        chance = [2 * row.sensitivity_random for row in group]
        axis.barh(
            places,
            [2 * half for half in chance],
            left=[-half for half in chance],
            color="#edf0f3",
            height=0.9,
            linewidth=0,
            label="random concepts, two deviations",
        )
        for verdict, colour in _COLOURS.items():
            mine = [place for place, row in enumerate(group) if row.verdict == verdict]
            if mine:
                values = [group[place].sensitivity for place in mine]
                words = {"raises": "raises", "lowers": "lowers", "none": "no sign", "not_told": "not told apart"}[
                    verdict
                ]
                axis.barh(mine, values, color=colour, height=0.55, linewidth=0, label=words)
        axis.axvline(0, color="#30343a", linewidth=0.8)
        axis.set_yticks(places, [f"{row.concept}" for row in group], fontsize=8)
        axis.invert_yaxis()
        axis.set_title(f"{panel[1]}, {panel[0]}", fontsize=9, loc="left")
        axis.tick_params(axis="x", labelsize=7)
        axis.spines[["top", "right", "left"]].set_visible(False)
    figure.suptitle(title, fontsize=11)
    if groups:
        axes[-1].set_xlabel("change of the class's logit towards the concept, as a share of its steepest", fontsize=8)
        handles, labels = _legend(axes)
        figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False, fontsize=7)
    else:
        axes[0].text(0.5, 0.5, "nothing to show: too few pictures or examples", ha="center", va="center")
        axes[0].set_axis_off()
    save_figure(figure, path)


def _distance(row: VectorRow) -> float:
    return abs(row.sensitivity) / row.sensitivity_random if row.sensitivity_random > 0 else 0.0


def _legend(axes: Sequence[object]) -> tuple[list[object], list[str]]:
    found: dict[str, object] = {}
    for axis in axes:
        for handle, label in zip(*axis.get_legend_handles_labels(), strict=True):  # type: ignore[attr-defined]
            found.setdefault(label, handle)
    return list(found.values()), list(found)


def best_crops(found: Found, number: int, count: int = CROPS) -> list[int]:
    """The crops that have most of a concept, one of each picture first: places in `found.windows`."""
    order = np.argsort(-found.crops[:, number], kind="stable")
    first: dict[int, int] = {}
    for place in order:
        first.setdefault(int(found.windows[place, 0]), int(place))
    chosen = list(first.values())[:count]
    more = [int(place) for place in order if int(place) not in chosen]
    return chosen + more[: count - len(chosen)]


def best_pictures(found: Found, number: int, count: int = PICTURES) -> list[int]:
    """The pictures in which there is most of a concept, places in `found.pictures`."""
    return np.argsort(-found.maps[..., number].mean(axis=(1, 2)), kind="stable")[:count].tolist()


def strip(cells: Sequence[Pixels], count: int, cell: tuple[int, int]) -> Pixels:
    """Pictures side by side on white, as many places as are wanted: (height, count * (width + GAP) - GAP, 3)."""
    height, width = cell
    sheet = np.full((height, count * (width + GAP) - GAP, 3), 255, np.uint8)
    for place, pixels in enumerate(cells[:count]):
        left = place * (width + GAP)
        sheet[:, left : left + width] = pixels
    return sheet


def cell_size(size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a cell that shows pictures of a size; its longer side is `CELL`."""
    height, width = (max(round(side * CELL / max(size)), 1) for side in size)
    return height, width


def draw_found(
    found: Found,
    number: int,
    field: ReceptiveField,
    picture: Callable[[int], Pixels],
    size: tuple[int, int],
) -> tuple[Pixels, Pixels]:
    """One concept's strips.

    Args:
        found: of a class.
        number: which concept.
        field: what the layer's cells see.
        picture: row of the pictures -> (H, W, 3) uint8.
        size: (height, width) of the pictures.

    Returns:
        Its crops, and the pictures in which there is most of it with where it is: (h, w, 3) uint8 each.
    """
    cell = cell_size(size)
    crops = []
    for place in best_crops(found, number):
        window = found.windows[place]
        crops.append(_resized(crop(picture(int(window[0])), window), cell))
    largest = float(found.maps[..., number].max(initial=0))
    maps = [
        _resized(over(picture(int(found.pictures[place])), found.maps[place, ..., number], field, largest), cell)
        for place in best_pictures(found, number)
    ]
    return strip(crops, CROPS, cell), strip(maps, PICTURES, cell)


def patterns_drawn(file: "h5py.File | None", name: str, reads: Channels) -> list[Pixels | None]:
    """The patterns of the concepts that were found for a class, each as high as a row of crops at most; empty where there are none.

    None stands for one that failed (see `patterns.write_patterns`): it does not show the concept.

    Args:
        file: as `scripts.concept_patterns` writes it.
        name: the group of the class.
        reads: the channels of the model's pictures.
    """
    if file is None or name not in file:
        return []
    group = file[name]
    settings = json.loads(group.attrs["settings"])
    bounded = settings["parameterisation"] != "pixels"
    return [
        None if failed else _resized(pattern_picture(each, settings["crop"], bounded, reads), (CELL, CELL))
        for each, failed in zip(group["patterns"][()].astype(np.float32), group["failed"][()], strict=True)
    ]


def over(picture: Pixels, plane: NDArray[np.float32], field: ReceptiveField, largest: float) -> Pixels:
    """A picture as it is where there is much of a concept, pale and without colour where there is none.

    Each cell lies in the middle of what it sees, bilinear between.

    Args:
        picture: (H, W, 3) uint8.
        plane: (h, w), how much of the concept there is.
        field: what the cells see.
        largest: what is shown in full.
    """
    shape = picture.shape[0], picture.shape[1]
    levels = placed(plane, field, shape) / largest if largest > 0 else np.zeros(shape, np.float32)
    pale = 255 + (picture.astype(np.float32).mean(axis=2, keepdims=True) - 255) * 0.3
    weight = np.clip(levels / _FULL, 0, 1)[..., None]
    return np.asarray((pale + (picture - pale) * weight).round(), np.uint8)


def placed(plane: NDArray[np.float32], field: ReceptiveField, size: tuple[int, int]) -> NDArray[np.float32]:
    """A map at each pixel of a picture, bilinear between the middles of what its cells see: (h, w) -> (H, W) float32."""
    weights = []
    for axis, pixels, cells in zip((field.rows, field.columns), size, plane.shape, strict=True):
        before, share = axis.between(np.arange(pixels), cells)
        matrix = np.zeros((pixels, cells), np.float32)
        matrix[np.arange(pixels), before] += 1 - share
        matrix[np.arange(pixels), np.minimum(before + 1, cells - 1)] += share
        weights.append(matrix)
    return np.asarray(weights[0] @ plane.astype(np.float32) @ weights[1].T)


def _resized(pixels: NDArray[np.generic], cell: tuple[int, int]) -> Pixels:
    image = Image.fromarray(np.asarray(pixels, np.uint8))
    return np.array(image.resize((cell[1], cell[0]), Image.Resampling.BICUBIC))
