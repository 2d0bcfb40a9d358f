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
_ATTRIBUTES = {
    "layer": "layer chosen",
    "score": "score explained",
    "relus_patched": "ReLUs patched",
    "class": "class explained",
    "baseline": "baseline",
}
_KNOWN = {"maps", "targets", "scores", "probabilities", "predicted", "label", "id", "path", "class", "empty"}


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
        "mean": _rounded(found.mean),
        "low": _rounded(found.low),
        "high": _rounded(found.high),
        "images": found.count,
        "chance": _rounded(float(np.nanmean(area))) if area is not None and np.isfinite(area).any() else None,
    }


def _rounded(value: float) -> float | None:
    return float(f"{value:.5g}") if np.isfinite(value) else None


def self_check(method: str, file: h5py.File) -> list[dict[str, Any]]:
    """What a file of maps tells of how it was made, as rows of the self-check sheet.

    From its attributes (layer, score, ReLUs patched ...) and its facts (one number an image and target: completeness gap,
    standard error ...): mean and largest magnitude.
    """
    rows = []

    def add(check: str, value: Any, remark: str = "") -> None:
        rows.append({"method": method, "check": check, "value": str(value), "remark": remark})

    for name, title in _ATTRIBUTES.items():
        if name in file.attrs:
            value = file.attrs[name]
            add(title, value, "no ReLU found: nothing is guided" if name == "relus_patched" and not int(value) else "")
    settings = file.attrs.get("settings")
    if settings:
        kept = json.loads(settings)
        add("settings", ", ".join(f"{key} {kept[key]}" for key in sorted(kept)) or "none")
    count = len(file["maps"])
    maps = file["maps"][()]
    broken = int((~np.isfinite(maps)).reshape(count, -1).any(axis=1).sum()) if count else 0
    add("maps not finite", f"{broken} of {count}", "a fault of the method" if broken else "")
    if "empty" in file:
        empty = int(file["empty"][()].reshape(count, -1).any(axis=1).sum()) if count else 0
        add("empty maps", f"{empty} of {count}", "they show nothing, and are not blue pictures" if empty else "")
    for name in sorted(set(file) - _KNOWN):
        dataset = file[name]
        is_fact = isinstance(dataset, h5py.Dataset) and dataset.ndim in (1, 2) and dataset.dtype.kind in "fiu"
        if is_fact and count and len(dataset) == count:
            values = np.abs(np.asarray(dataset[()], np.float64))
            add(name.replace("_", " "), f"mean {np.nanmean(values):.4g}, largest {np.nanmax(values):.4g}", "magnitudes")
    return rows
