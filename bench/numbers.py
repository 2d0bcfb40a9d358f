"""The arithmetic of the benchmark: ratios with their spread, costs carried over to a whole network. Imports nothing heavy."""

import itertools
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """Median, smallest and largest of the rounds."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.3g} ({self.low:.3g} .. {self.high:.3g})"


def spread(values: Sequence[float]) -> Spread:
    """Median, smallest and largest of some numbers."""
    return Spread(float(statistics.median(values)), float(min(values)), float(max(values)))


def ratios(slow: Sequence[float], fast: Sequence[float]) -> list[float]:
    """How many times faster, round by round: seconds of the one over seconds of the other in the same round.

    Only rounds are compared with each other: what disturbs the machine in one round disturbs both sides.
    """
    return [a / b for a, b in zip(slow, fast, strict=True)]


def interleaved(sides: Sequence[str], rounds: int) -> Iterator[tuple[int, str]]:
    """(round, side) in the order of running: every round has every side, and another one goes first."""
    for number in range(rounds):
        shift = number % len(sides)
        for side in (*sides[shift:], *sides[:shift]):
            yield number, side


def along(positions: Mapping[str, float], sampled: Mapping[str, float]) -> dict[str, float]:
    """Costs of all layers from those of some: straight lines between the sampled ones, flat beyond the ends.

    Args:
        positions: of every layer, the floating-point operations that one filter-step needs.
        sampled: the cost of some of them.
    """
    known = sorted((positions[layer], cost) for layer, cost in sampled.items())

    def at(place: float) -> float:
        if place <= known[0][0]:
            return known[0][1]
        for (left, low), (right, high) in itertools.pairwise(known):
            if place <= right:
                return low + (high - low) * (place - left) / (right - left) if right > left else high
        return known[-1][1]

    return {layer: at(place) for layer, place in positions.items()}


def whole_network(
    positions: Mapping[str, float], filters: Mapping[str, int], sampled: Mapping[str, Mapping[str, float]], steps: int
) -> float:
    """Seconds for all filters of all layers, from some layers' measurements.

    Args:
        positions: see `along`.
        filters: of every layer, how many it has.
        sampled: of some layers, `per_filter_step` (seconds once the work is going) and `start` (seconds that a layer costs
            once: building and tracing).
        steps: steps a filter.
    """
    steady = along(positions, {layer: cost["per_filter_step"] for layer, cost in sampled.items()})
    start = along(positions, {layer: cost["start"] for layer, cost in sampled.items()})
    return sum(start[layer] + filters[layer] * steps * steady[layer] for layer in positions)


def steady_cost(marks: Sequence[tuple[float, int]], steps: int) -> dict[str, float]:
    """What a filter-step costs, and what the start cost, from the moments at which batches were finished.

    The first batch holds building and tracing as well; what it took beyond a later batch's time a filter is the start.

    Args:
        marks: (seconds since the beginning, filters finished in this batch), at least one.
        steps: steps a filter.
    """
    (first, count), later = marks[0], marks[1:]
    if not later:
        return {"per_filter_step": first / (count * steps), "start": 0.0}
    per_filter = (marks[-1][0] - first) / sum(done for _, done in later)
    return {"per_filter_step": per_filter / steps, "start": max(0.0, first - per_filter * count)}


def side_by_side(parts: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Cost where several jobs run next to each other: their rates add up, and each layer's start is one job's."""
    rate = sum(1 / part["per_filter_step"] for part in parts)
    return {"per_filter_step": 1 / rate, "start": statistics.mean(part["start"] for part in parts) / len(parts)}


def time_at(count: int, few: tuple[int, float], many: tuple[int, float]) -> float:
    """Seconds for `count` images from the times of a small and a large run: a straight line through both.

    Raises:
        ValueError: the runs are of the same size.
    """
    if few[0] == many[0]:
        raise ValueError("two runs of different size are needed")
    return few[1] + (many[1] - few[1]) * (count - few[0]) / (many[0] - few[0])


def reached(shown: float, wanted: float, tolerance: float = 0.01) -> bool:
    """Whether a displayed picture fires the filter as strongly as the other; 1 % less is within float and display noise."""
    return shown >= wanted - tolerance * abs(wanted)
