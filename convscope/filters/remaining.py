"""How much of a study's filter patterns is made, and how long the rest takes by what was measured of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class LayerWork:
    """The work of one layer.

    Attributes:
        name: the layer.
        weight: cost of one filter relative to other layers' (`depth_cost`).
        filters: filters asked for.
        done: filters found.
        each: measured core-seconds of one of its filters; None where nothing was measured yet.
    """

    name: str
    weight: float
    filters: int
    done: int
    each: float | None


def depth_cost(rows: Sequence[Mapping[str, str]]) -> dict[str, float]:
    """Multiplications of one pass from the image to each layer, in millions: layer name -> cost.

    Args:
        rows: a layers table; every convolution and pooling layer in order of depth.
    """
    total, before, cost = 0.0, 3, {}
    for row in rows:
        height, width, channels = (int(row[key] or 0) for key in ("height", "width", "channels"))
        kernel = 1
        for side in (row.get("kernel") or "1").split("x"):
            kernel *= int(side)
        separable = row["type"] in ("SeparableConv2D", "DepthwiseConv2D")
        each = before * (kernel + channels) if separable else before * kernel * channels
        total += 0.0 if row["role"] == "pool" else height * width * each / 1e6
        cost[row["name"]] = total
        before = before if row["role"] == "shortcut" else channels
    return cost


def seconds_each(finished: Sequence[tuple[float, int]], threads: int) -> float | None:
    """Core-seconds a filter of a layer in the middle of its work; None before there is anything to compare.

    Batches come in groups of `threads`, side by side. The median of the spans between one and that many later is not
    disturbed by a pause between two runs.

    Args:
        finished: when each batch was finished (seconds), and its filters.
        threads: of the job.
    """
    marks = sorted(finished)
    spans = [
        threads * (marks[last][0] - marks[last - threads][0]) / sum(n for _, n in marks[last - threads + 1 : last + 1])
        for last in range(threads, len(marks))
    ]
    return median(spans) if spans else None


def seconds_left(layers: Sequence[LayerWork]) -> float | None:
    """Core-seconds that the missing filters will take; None before anything was measured.

    In a layer of which nothing was measured, a filter's time is taken to be a start's share and a part in proportion to the
    layer's depth: both fitted to the measured layers (least squares, neither below zero).
    """
    measured = [(layer.weight, layer.each) for layer in layers if layer.each is not None]
    if not measured:
        return None
    mean_cost, mean_time = (sum(values) / len(measured) for values in zip(*measured, strict=True))
    spread = sum((cost - mean_cost) ** 2 for cost, _ in measured)
    slope = sum((cost - mean_cost) * (time - mean_time) for cost, time in measured) / spread if spread else 0.0
    base = mean_time - slope * mean_cost
    if slope <= 0 or base < 0:
        slope, base = mean_time / mean_cost if mean_cost else 0.0, 0.0
    return sum(
        (layer.filters - layer.done) * (base + slope * layer.weight if layer.each is None else layer.each)
        for layer in layers
    )
