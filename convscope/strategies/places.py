"""What the heat of a kind lies on: its share inside each concept, against the concept's share of the picture (energy-based pointing
game, Wang et al. 2020, 1910.01279), and warnings where it lies beside the object, at the border or in a corner."""

from collections.abc import Sequence
from dataclasses import dataclass

import h5py
import numpy as np
from numpy.typing import NDArray

from convscope.concepts.masks import unpacked
from convscope.concepts.names import OBJECT
from convscope.strategies.grids import area_means

BORDER = "border"
# A concept is told where the heat is on it so much more than chance, by so many standard errors of the mean over the pictures.
_TIMES, _SURE = 1.5, 3.0
# Beside the object it is where that has so little of what chance gives it, as surely: of thousands of pictures any difference is sure.
_BESIDE = 0.8
TELLS = 5  # of fewer pictures nothing is told
# A corner is a fifth of both sides; it is told of where it holds a tenth of the heat and three times its area, the border where it
# holds half of the heat and one and a half times its area.
_FIFTH, _CORNER_HEAT, _CORNER_TIMES, _BORDER_HEAT, _BORDER_TIMES = 5, 0.1, 3.0, 0.5, 1.5
_BLOCK, _TOLD = 32, 3


@dataclass(frozen=True)
class Inside:
    """Heat on concepts.

    Attributes:
        names, kinds: of the K concepts.
        heat: (N, K) float32, the share of each map's heat inside; NaN where a concept is not known of a picture.
        area: (N, K) float32, the share that a map that is even would have.
    """

    names: tuple[str, ...]
    kinds: tuple[str, ...]
    heat: NDArray[np.float32]
    area: NDArray[np.float32]


@dataclass(frozen=True)
class Share:
    """Of a kind's heat the mean share that lies on a concept, chance, and that of the class's other kinds (NaN of one kind)."""

    name: str
    heat: float
    chance: float
    others: float


def inside(file: h5py.File, grids: np.ndarray) -> Inside:
    """The share of every map's heat inside every concept; masks are read some pictures at a time.

    A mask is brought to the size of the maps by means over equal areas, as the maps were: what a cell of the map holds is taken to lie
    evenly in it.

    Args:
        file: of `concepts.store`, of the same pictures.
        grids: (N, h, w), each of sum 1 or 0.
    """
    from convscope.storage import store

    names, kinds = store.read_text(file["concept"]), store.read_text(file["concept_kind"])
    groups = store.read_text(file["kind"])
    height, width = (int(side) for side in str(file.attrs["size"]).strip("[]").split(","))
    # A class is the whole picture, and its share is that of chance.
    chosen = [place for place, kind in enumerate(kinds) if kind != "class"]
    own = [groups.index(kinds[place]) for place in chosen]
    heat, area = (np.full((len(grids), len(chosen)), np.nan, np.float32) for _ in range(2))
    for start in range(0, len(grids), _BLOCK):
        part = np.asarray(grids[start : start + _BLOCK], np.float64)
        shape = part.shape[1:]
        known = area_means(unpacked(file["known"][start : start + _BLOCK], (height, width)), shape)
        masks = area_means(unpacked(file["masks"][start : start + _BLOCK][:, chosen], (height, width)), shape)
        with np.errstate(invalid="ignore", divide="ignore"):
            seen = np.einsum("nhw,nghw->ng", part, known)[:, own]
            heat[start : start + _BLOCK] = np.einsum("nhw,nkhw->nk", part, masks) / seen
            area[start : start + _BLOCK] = masks.sum(axis=(2, 3)) / known.sum(axis=(2, 3))[:, own]
    return Inside(tuple(names[k] for k in chosen), tuple(kinds[k] for k in chosen), heat, area)


def lies_on(found: Inside, members: NDArray[np.int64], others: NDArray[np.int64]) -> list[Share]:
    """The concepts on which the heat of some pictures lies more than chance: at most three, those most above it first."""
    shares = []
    for place, name in enumerate(found.names):
        heat, area, sure = _more(found, members, place)
        if sure >= _SURE and heat >= _TIMES * area:
            elsewhere = found.heat[others, place]
            elsewhere = elsewhere[np.isfinite(elsewhere)]
            shares.append(Share(name, heat, area, float(elsewhere.mean()) if len(elsewhere) else float("nan")))
    return sorted(shares, key=lambda share: (share.chance - share.heat, share.name))[:_TOLD]


def _more(found: Inside, members: NDArray[np.int64], place: int) -> tuple[float, float, float]:
    """Mean heat, mean area, and their difference in standard errors; of too few pictures that is 0."""
    heat, area = (values[members, place].astype(np.float64) for values in (found.heat, found.area))
    known = np.isfinite(heat) & np.isfinite(area)
    if known.sum() < TELLS:
        return float("nan"), float("nan"), 0.0
    heat, area = heat[known], area[known]
    more = heat - area
    error = more.std(ddof=1) / np.sqrt(len(more))
    return float(heat.mean()), float(area.mean()), float(more.mean() / max(error, 1e-9))


def warnings_of(found: Inside | None, grids: np.ndarray, members: NDArray[np.int64]) -> list[str]:
    """What looks like a wrong reason: heat beside the object, at the border, in a corner.

    Args:
        found: heat on concepts, where there are any.
        grids: (N, h, w), each of sum 1 or 0.
        members: the pictures of the kind; of fewer than five nothing is told.
    """
    if len(members) < TELLS:
        return []
    told = []
    for kind, name in zip(found.kinds, found.names, strict=True) if found else ():
        if found and (kind, name) == ("part", OBJECT):
            heat, area, sure = _more(found, members, found.names.index(OBJECT))
            if sure <= -_SURE and heat <= _BESIDE * area:
                told.append(f"beside the object: {heat:.0%} of the heat is on it, which is {area:.0%} of the picture")
    mean = np.asarray(grids[members], np.float64).mean(axis=0)
    if corner := _corner(mean):
        told.append(corner)
    if edge := _edge(mean):
        told.append(edge)
    return told


def _corner(mean: NDArray[np.float64]) -> str:
    height, width = mean.shape
    if min(height, width) < 3:
        return ""
    rows, columns = max(height // _FIFTH, 1), max(width // _FIFTH, 1)
    area = rows * columns / (height * width)
    corners = {
        "upper left": mean[:rows, :columns],
        "upper right": mean[:rows, -columns:],
        "lower left": mean[-rows:, :columns],
        "lower right": mean[-rows:, -columns:],
    }
    name = max(corners, key=lambda one: corners[one].sum())
    heat = corners[name].sum()
    if heat < max(_CORNER_HEAT, _CORNER_TIMES * area):
        return ""
    return f"in the {name} corner: {heat:.0%} of the heat on {area:.0%} of the picture"


def _edge(mean: NDArray[np.float64]) -> str:
    """The outermost cells, a tenth of the shorter side or one cell."""
    height, width = mean.shape
    thick = max(min(height, width) // 10, 1)
    if min(height, width) < 6 * thick:
        return ""  # of a map of few cells most are outermost
    inner = mean[thick:-thick, thick:-thick]
    heat, area = 1 - inner.sum() / max(mean.sum(), 1e-12), 1 - inner.size / mean.size
    if heat < max(_BORDER_HEAT, _BORDER_TIMES * area):
        return ""
    return f"at the {BORDER}: {heat:.0%} of the heat on the outermost {area:.0%} of the picture"


def in_words(shares: Sequence[Share]) -> str:
    """What the heat lies on, as people say it."""
    if not shares:
        return "on nothing that has a name here"
    return ", ".join(f"{share.name} ({share.heat:.0%} of the heat, chance {share.chance:.0%})" for share in shares)
