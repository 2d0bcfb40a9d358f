"""The table of methods and metrics with confidence intervals, and the self-check sheet."""

import json
from collections.abc import Mapping
from typing import Any

import h5py
import numpy as np

from convscope.judging.bootstrap import interval
from convscope.judging.names import METRICS

COLUMNS = ("method", "metric", "region", "better", "mean", "low", "high", "images", "chance")
SELF_CHECK_COLUMNS = ("method", "check", "value", "remark")

# What the files of maps say of themselves, in the words of the sheet.
_ATTRIBUTES = {"layer": "layer chosen", "class": "class explained"}
_RELUS = "patched_relus"


def table(
    methods: Mapping[str, Mapping[str, np.ndarray]],
    regions: Mapping[str, Mapping[str, Mapping[str, np.ndarray]]],
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Rows of the table, by method, then metric.

    Args:
        methods: method -> metric -> (N,), NaN where undefined for an image.
        regions: method -> region -> {"pointing", "energy", "area"} -> (N,).
        seed: of the bootstrap.

    Returns:
        Rows with the columns `COLUMNS`; `low` and `high` bound the 95 % interval over `images` images; `chance` is the
        mean area of the region where a metric has such a level.
    """
    rows = []
    for method, values in methods.items():
        parts = regions.get(method, {})
        for metric in METRICS:
            if metric in values:
                area = parts.get("object", {}).get("area") if metric in ("pointing", "energy") else None
                rows.append(_row(method, metric, "", values[metric], area, seed))
        for region, numbers in parts.items():
            if region != "object":
                rows += [_row(method, m, region, numbers[m], numbers["area"], seed) for m in ("pointing", "energy")]
    return [row for row in rows if row["images"]]


def _row(
    method: str, metric: str, region: str, values: np.ndarray, area: np.ndarray | None, seed: int
) -> dict[str, Any]:
    found = interval(values, seed)
    return {
        "method": method,
        "metric": metric,
        "region": region,
        "better": METRICS[metric].better,
        "mean": rounded(found.mean),
        "low": rounded(found.low),
        "high": rounded(found.high),
        "images": found.count,
        "chance": rounded(float(np.nanmean(area))) if area is not None and np.isfinite(area).any() else None,
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
    if count and {"scores", "probabilities", "targets"} <= set(file):
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
    """A gap is small or large beside the spread of the scores it should account for."""
    scale = float(np.abs(file["scores"][()]).mean()) if "scores" in file else 0.0
    return f"{100 * np.nanmean(gaps) / scale:.2g} % of the mean score" if scale > 0 else "magnitudes"
