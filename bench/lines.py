"""What a measurement says, against its bar; the table that is printed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from bench.numbers import Spread


@dataclass(frozen=True)
class Line:
    """One measured thing.

    Attributes:
        what: in words.
        value: over the rounds.
        unit: "x" (times), "%" (a share, 0..1), "s", "MiB" ...
        bar: what it should reach, or None where nothing is asked.
        at_most: whether the bar is an upper one.
        note: how it was come by, what stands in the way.
    """

    what: str
    value: Spread
    unit: str
    bar: float | None = None
    at_most: bool = False
    note: str = ""

    @property
    def passed(self) -> bool | None:
        """Whether the median keeps the bar; None where there is none."""
        if self.bar is None:
            return None
        return self.value.median <= self.bar if self.at_most else self.value.median >= self.bar

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "passed": self.passed}


def shown(value: float, unit: str) -> str:
    """A value with its unit, three digits."""
    if unit == "%":
        return f"{100 * value:.0f} %"
    digits = f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{digits}{unit if unit == 'x' else ' ' + unit}".strip()


def table(lines: Sequence[Line]) -> str:
    """The lines as text: median, range of the rounds, bar, and whether it is kept."""
    words = {True: "pass", False: "FAIL", None: ""}
    rows = [("what", "median", "rounds", "bar", "", "note")]
    for line in lines:
        value, unit = line.value, line.unit
        bar = "" if line.bar is None else ("<= " if line.at_most else ">= ") + shown(line.bar, unit)
        between = f"{shown(value.low, unit)} .. {shown(value.high, unit)}"
        rows.append((line.what, shown(value.median, unit), between, bar, words[line.passed], line.note))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5]]).rstrip()
        for row in rows
    )
