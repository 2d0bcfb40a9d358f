"""How much of a study's filter patterns is made, and how long the rest takes by what the finished layers cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class LayerWork:
    """The work of one layer.

    Attributes:
        name: the layer.
        weight: cost of one filter relative to other layers' (`depth_cost`).
        filters: filters asked for.
        done: filters found.
        seconds: measured time of the whole layer; None until it is finished.
    """

    name: str
    weight: float
    filters: int
    done: int
    seconds: float | None


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


def seconds_left(layers: Sequence[LayerWork]) -> float | None:
    """Core-seconds that the missing filters will take; None before any layer was finished.

    A filter's time is taken to be a start's share and a part in proportion to the layer's depth: both fitted to what
    the finished layers took (least squares, neither below zero).
    """
    measured = [layer for layer in layers if layer.seconds is not None and layer.filters]
    if not measured:
        return None
    costs = [layer.weight for layer in measured]
    times = [(layer.seconds or 0.0) / layer.filters for layer in measured]
    mean_cost, mean_time = sum(costs) / len(costs), sum(times) / len(times)
    spread = sum((cost - mean_cost) ** 2 for cost in costs)
    slope = (
        sum((c - mean_cost) * (t - mean_time) for c, t in zip(costs, times, strict=True)) / spread if spread else 0.0
    )
    base = mean_time - slope * mean_cost
    if slope <= 0 or base < 0:
        slope, base = mean_time / mean_cost if mean_cost else 0.0, 0.0
    return sum(
        (layer.filters - layer.done) * (base + slope * layer.weight) for layer in layers if layer.seconds is None
    )
