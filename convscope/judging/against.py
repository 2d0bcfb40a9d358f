"""Where the maps of one model lie, against those of another on the same images: which methods reveal a cheat?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convscope.errors import UserError
from convscope.judging.bootstrap import interval
from convscope.judging.names import CONTROLS

# Of the metrics, those that say where a map lies.
PLACES = ("energy", "pointing")
LESS, MORE, ALIKE = "less on the object", "more on the object", "no difference shown"
COLUMNS = ("method", "metric", "mean", "low", "high", "other_mean", "other_low", "other_high",
           "difference", "difference_low", "difference_high", "images", "shows")  # fmt: skip


@dataclass(frozen=True)
class Judgement:
    """The numbers of one method on a model: `keys` (N,) ids of the images, `metrics` metric -> (N,)."""

    keys: Sequence[str]
    metrics: Mapping[str, np.ndarray]


def against(mine: Mapping[str, Judgement], other: Mapping[str, Judgement], seed: int = 0) -> list[dict[str, Any]]:
    """Compare two models method by method, image by image.

    Args:
        mine: method -> numbers of the model in question.
        other: the same of the model that it is compared with; methods that only one of them has are left out.
        seed: of the bootstrap.

    Returns:
        Rows with the columns `COLUMNS`, by metric, then method. `difference` is mean(mine - other) over the `images` where
        both are defined, with its paired 95 % interval; `shows` is one of `LESS`, `MORE` (the interval leaves out zero) and
        `ALIKE`.

    Raises:
        UserError: the two were judged on other images.
    """
    rows = []
    for metric in PLACES:
        for method, judgement in mine.items():
            beside = other.get(method)
            if beside is None or metric not in judgement.metrics or metric not in beside.metrics:
                continue
            if list(judgement.keys) != list(beside.keys):
                raise UserError(
                    f"judging: '{method}' was judged on other images for the two models; give both the same images and limit"
                )
            first, second = judgement.metrics[metric], beside.metrics[metric]
            both = np.isfinite(first) & np.isfinite(second)
            if both.any():
                rows.append({"method": method, "metric": metric, **_row(first[both], second[both], seed)})
    return rows


def revealing(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The methods whose maps lie less on the object than the other model's, by any metric; controls know no model."""
    return list(dict.fromkeys(r["method"] for r in rows if r["shows"] == LESS and r["method"] not in CONTROLS))


def _row(first: np.ndarray, second: np.ndarray, seed: int) -> dict[str, Any]:
    mine, other, gap = (interval(values, seed) for values in (first, second, first - second))
    shows = LESS if gap.high < 0 else MORE if gap.low > 0 else ALIKE
    names = ("mean", "low", "high", "other_mean", "other_low", "other_high",
             "difference", "difference_low", "difference_high")  # fmt: skip
    values = [v for found in (mine, other, gap) for v in (found.mean, found.low, found.high)]
    numbers = {name: float(f"{value:.5g}") for name, value in zip(names, values, strict=True)}
    return {**numbers, "images": gap.count, "shows": shows}
