"""The table of methods and metrics with confidence intervals, and the self-check sheet."""

import json
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from convscope.judging.intervals import interval, proportion
from convscope.judging.names import METRICS

COLUMNS = ("method", "metric", "region", "better", "mean", "low", "high", "images", "chance")
SELF_CHECK_COLUMNS = ("method", "check", "value", "remark")

# What the files of maps say of themselves, in the words of the sheet.
_ATTRIBUTES = {"layer": "layer chosen", "class": "class explained"}
_RELUS = "patched_relus"
# What of a region's numbers is chance for which metric.
_CHANCES = {"pointing": "pointing_chance", "energy": "area"}


def table(
    methods: Mapping[str, Mapping[str, np.ndarray]],
    regions: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]],
) -> list[dict[str, Any]]:
    """Rows of the table, by method, then metric.

    Args:
        methods: method -> metric -> (N,), or (N, networks) of random networks, NaN where undefined for an image.
        regions: method -> region -> {"pointing", "energy", "area", "pointing_chance"} -> (N,).

    Returns:
        Rows with the columns `COLUMNS`; `low` and `high` bound the 95 % interval over `images` images (and random networks),
        None where they are too few for one; `chance` is what a map that knows nothing gets on average, where a
        metric has such a level.
    """
    rows = []
    for method, values in methods.items():
        parts = regions.get(method, {})
        for metric in METRICS:
            if metric in values:
                rows.append(_row(method, metric, "", values[metric], _chance(parts.get("object", {}), metric)))
        for region, numbers in parts.items():
            if region != "object":
                rows += [_row(method, m, region, numbers[m], _chance(numbers, m)) for m in _CHANCES]
    return [row for row in rows if row["images"]]


def _chance(numbers: Mapping[str, np.ndarray], metric: str) -> np.ndarray | None:
    return numbers.get(_CHANCES[metric]) if metric in _CHANCES else None


def _row(method: str, metric: str, region: str, values: np.ndarray, chance: np.ndarray | None) -> dict[str, Any]:
    # Hits are counted: the spread of 8 hits of 8 is 0, and yet the next may be a miss.
    found = proportion(values) if metric == "pointing" else interval(values)
    return {
        "method": method,
        "metric": metric,
        "region": region,
        "better": METRICS[metric].better,
        "mean": rounded(found.mean),
        "low": rounded(found.low),
        "high": rounded(found.high),
        "images": found.count,
        "chance": rounded(float(np.nanmean(chance))) if chance is not None and np.isfinite(chance).any() else None,
    }


def rounded(value: float) -> float | None:
    """Five digits for a table; None for a value that is not finite."""
    return float(f"{value:.5g}") if np.isfinite(value) else None


def self_check(method: str, file: h5py.File) -> list[dict[str, Any]]:
    """What a file of maps tells of how it was made, as rows of the self-check sheet.

    From its attributes (layer, class, settings), its scores (logits, or probabilities by mistake) and its facts, numbers of
    each image and target such as the completeness gap or the number of ReLUs patched.
    """
    rows = []

    def add(check: str, value: Any, remark: str = "") -> None:
        rows.append({"method": method, "check": check, "value": str(value), "remark": remark})

    for name, title in _ATTRIBUTES.items():
        if name in file.attrs:
            add(title, file.attrs[name])
    if "settings" in file.attrs:
        kept = json.loads(file.attrs["settings"])
        add("settings", ", ".join(f"{key} {kept[key]}" for key in sorted(kept)) or "none")
    count = len(file["maps"])
    if file.attrs.get("head") == "regression":
        add("score explained", "output")
    elif count and {"scores", "probabilities", "targets"} <= set(file):
        chances = np.take_along_axis(file["probabilities"][()], file["targets"][()], axis=1)
        wrong = np.allclose(file["scores"][()], chances, atol=1e-6)
        add(
            "score explained", "probability" if wrong else "logit", "saturates where the model is sure" if wrong else ""
        )
    broken = sum(not np.isfinite(file["maps"][index]).all() for index in range(count))
    add("maps not finite", f"{broken} of {count}", "a fault of the method" if broken else "")
    if "empty" in file:
        flags = file["empty"][()]
        add("empty maps", f"{int(flags.sum())} of {flags.size}", "they show nothing" if flags.any() else "")
    facts = file.get("facts", {})
    for name in sorted(facts):
        values = np.abs(np.asarray(facts[name][()], np.float64))
        if name == _RELUS:
            found = f"{values.min():.0f}" if values.size else "unknown"
            add("ReLUs patched", found, "nothing is guided" if values.size and values.min() < 1 else "")
        elif np.isfinite(values).any() and values.ndim <= 2:
            remark = _gap_remark(file, values) if name == "completeness_gap" else "magnitudes"
            add(name.replace("_", " "), f"mean {np.nanmean(values):.4g}, largest {np.nanmax(values):.4g}", remark)
    return rows


def _gap_remark(file: h5py.File, gaps: np.ndarray) -> str:
    """A gap is what the map misses of the difference between the scores of picture and baseline, and is measured by that.

    Beside the score itself it looks small wherever the baseline has nearly the same score.
    """
    baseline = file.get("facts", {}).get("baseline_score")
    if baseline is None or "scores" not in file:
        return "magnitudes"
    scale = float(np.nanmean(np.abs(np.asarray(file["scores"][()], np.float64) - baseline[()])))
    return (
        f"{100 * np.nanmean(gaps) / scale:.2g} % of the mean difference from the baseline"
        if scale > 0
        else "magnitudes"
    )
