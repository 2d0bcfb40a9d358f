"""Compare two maps, write down how well they agree."""

from typing import Any

import numpy as np


class Figures:
    """The comparisons of a run.

    Attributes:
        rows: (method, peer, what is expected) -> largest relative error and smallest correlation of all comparisons.
    """

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str, str], tuple[float, float]] = {}

    def _write(self, method: str, peer: str, kind: str, ours: Any, theirs: Any) -> tuple[float, float]:
        ours, theirs = (np.asarray(values, np.float64) for values in (ours, theirs))
        assert ours.shape == theirs.shape, f"{method}: {ours.shape} here, {theirs.shape} in {peer}"
        assert np.abs(theirs).max() > 0, f"{method}: {peer} gives nothing but zeros"
        error = float(np.abs(ours - theirs).max() / np.abs(theirs).max())
        pearson = float(np.corrcoef(ours.ravel(), theirs.ravel())[0, 1])
        worst = self.rows.get((method, peer, kind), (0.0, 1.0))
        self.rows[method, peer, kind] = (max(worst[0], error), min(worst[1], pearson))
        return error, pearson

    def agree(self, method: str, peer: str, ours: Any, theirs: Any, error: float = 1e-5) -> None:
        """Assert the same numbers: the largest difference is `error` of the peer's largest value at most."""
        found, _ = self._write(method, peer, "same", ours, theirs)
        assert found <= error, f"{method}: {peer} differs by {found:.2g} of its largest value"

    def alike(self, method: str, peer: str, ours: Any, theirs: Any, pearson: float) -> None:
        """Assert a correlation, where both are random and each has noise of its own."""
        _, found = self._write(method, peer, "alike", ours, theirs)
        assert found >= pearson, f"{method}: correlation with {peer} is {found:.4f}"

    def differ(self, method: str, peer: str, ours: Any, theirs: Any, error: float) -> None:
        """Assert a known disagreement: the largest difference is `error` of the peer's largest value at least."""
        found, _ = self._write(method, peer, "differ", ours, theirs)
        assert found >= error, f"{method}: {peer} differs by {found:.2g} only; does it compute the same now?"

    def lines(self) -> list[str]:
        """A table, a line a comparison."""
        lines = [f"{'method':34} {'peer':14} {'expected':8} {'error':>9} {'pearson':>9}"]
        for (method, peer, kind), (error, pearson) in sorted(self.rows.items()):
            lines.append(f"{method:34} {peer:14} {kind:8} {error:9.1e} {pearson:9.6f}")
        return lines
