"""Where the maps of one model lie, against those of another on the same images: which methods reveal a cheat?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from convscope.errors import UserError
from convscope.judging.gate import MIN_IMAGES
from convscope.judging.intervals import interval, proportion
from convscope.judging.names import CONTROLS
from convscope.judging.signflip import ALPHA, effect_of, holm, p_values, pictures_needed

# Of the metrics, those that say where a map lies.
PLACES = ("energy", "pointing")
LESS, MORE = "less on the object", "more on the object"
ALIKE, TOO_FEW = "no difference shown", f"not judged: fewer than {MIN_IMAGES} pictures"
COLUMNS = ("method", "metric", "mean", "low", "high", "other_mean", "other_low", "other_high",
           "difference", "difference_low", "difference_high", "images", "p", "needed", "shows")  # fmt: skip


@dataclass(frozen=True)
class Judgement:
    """The numbers of one method on a model: `keys` (N,) ids of the images, `metrics` metric -> (N,)."""

    keys: Sequence[str]
    metrics: Mapping[str, np.ndarray]


def against(mine: Mapping[str, Judgement], other: Mapping[str, Judgement]) -> list[dict[str, Any]]:
    """Compare two models method by method, image by image.

    Args:
        mine: method -> numbers of the model in question.
        other: the same of the model that it is compared with; methods that only one of them has are left out.

    Returns:
        Rows with the columns `COLUMNS`, by metric, then method. `difference` is mean(mine - other) over the `images` where
        both are defined, with its paired 95 % interval. `p` is that of the sign-flip test, both sides, adjusted for all methods
        and metrics (`reveals`); `shows` is `LESS` or `MORE` where it is small enough, else `ALIKE`, and `needed` how many pictures
        would show the difference found; `TOO_FEW` below `MIN_IMAGES`. Numbers that too few images leave open are None.

    Raises:
        UserError: the two were judged on other images.
    """
    rows, gaps = [], []
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
                gaps.append(first[both] - second[both])
                rows.append({"method": method, "metric": metric, **_numbers(metric, first[both], second[both])})
    # Controls know no model: nothing is asked of them.
    asked = [row["method"] not in CONTROLS and row["images"] >= MIN_IMAGES for row in rows]
    sides = [p_values(gap) if ask else (np.nan, np.nan) for gap, ask in zip(gaps, asked, strict=True)]
    more, less = (np.array([side[k] for side in sides], np.float64) for k in (0, 1))
    shown, adjusted = reveals(more, less)
    for row, gap, ask, sign, p in zip(rows, gaps, asked, shown, adjusted, strict=True):
        few = row["images"] < MIN_IMAGES
        row["p"] = float(f"{p:.4g}") if ask else None
        needed = pictures_needed(effect_of(gap), ALPHA / max(sum(asked), 1)) if ask and not sign else None
        row["needed"] = max(needed, row["images"] + 1) if needed else None
        row["shows"] = TOO_FEW if few else MORE if sign > 0 else LESS if sign < 0 else ALIKE
    return rows


def reveals(p_more: np.ndarray, p_less: np.ndarray, alpha: float = 2 * ALPHA) -> tuple[np.ndarray, np.ndarray]:
    """Which of many differences are believed: of two equal models any of them in `alpha` of the studies at most.

    Args:
        p_more: (..., K) one-sided p-values of a mean above 0; NaN where nothing is asked.
        p_less: (..., K) of one below.
        alpha: of all differences and both sides together.

    Returns:
        (..., K) int 1 (more), -1 (less) or 0, and the adjusted two-sided p-values, (..., K) float64.
    """
    adjusted = holm(np.minimum(2 * np.minimum(p_more, p_less), 1))
    with np.errstate(invalid="ignore"):
        return np.where(adjusted <= alpha, np.where(p_more < p_less, 1, -1), 0), adjusted


def revealing(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The methods whose maps lie less on the object than the other model's, by any metric; controls know no model."""
    return list(dict.fromkeys(r["method"] for r in rows if r["shows"] == LESS and r["method"] not in CONTROLS))


def _numbers(metric: str, first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    mean = proportion if metric == "pointing" else interval
    mine, other, gap = mean(first), mean(second), interval(first - second)
    names = ("mean", "low", "high", "other_mean", "other_low", "other_high",
             "difference", "difference_low", "difference_high")  # fmt: skip
    values = [v for found in (mine, other, gap) for v in (found.mean, found.low, found.high)]
    numbers = {n: float(f"{v:.5g}") if np.isfinite(v) else None for n, v in zip(names, values, strict=True)}
    return {**numbers, "images": gap.count}
