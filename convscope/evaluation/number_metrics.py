"""Numbers on predictions of numbers: errors and correlation. No Keras."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def number_metrics(names: tuple[str, ...], truth: Array, outputs: Array) -> dict[str, Any]:
    """Numbers on a regression's predictions.

    Args:
        names: of the outputs.
        truth: (N, outputs), finite.
        outputs: (N, outputs), what the network answers.

    Returns:
        `images`; `mae` (mean absolute error), `rmse` (root of the mean squared error), `pearson` and `spearman` (correlation of
        values, of ranks), means over the outputs where there are several; and `outputs`, for each these four, `bias` (mean of output
        minus truth), `median_error` (of absolute errors), `r2` (share of the truth's variance that is explained), `baseline_mae` and
        `baseline_rmse` (of always answering the median, the mean). A correlation is None where one side is constant.
    """
    if not len(truth):
        return {"images": 0, "mae": None, "rmse": None, "pearson": None, "spearman": None}
    of = {name: _of_output(truth[:, c].astype(float), outputs[:, c].astype(float)) for c, name in enumerate(names)}
    whole: dict[str, Any] = {"images": len(truth)}
    for key in ("mae", "rmse", "pearson", "spearman", "r2"):
        values = [value for numbers in of.values() if (value := numbers[key]) is not None]
        whole[key] = float(np.mean(values)) if len(values) == len(of) else None
    return whole | {"outputs": of}


def _of_output(truth: Array, output: Array) -> dict[str, float | None]:
    from scipy.stats import pearsonr, spearmanr

    truth, output = truth.astype(np.float64), output.astype(np.float64)
    error = output - truth
    varies = len(truth) > 1 and np.ptp(truth) > 0 and np.ptp(output) > 0
    # The mean of three times 0.1 is not quite 0.1: what is left of it by rounding is no variance.
    spread = float(((truth - truth.mean()) ** 2).mean()) if np.ptp(truth) > 0 else 0.0
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt((error**2).mean())),
        "pearson": float(pearsonr(truth, output).statistic) if varies else None,
        "spearman": float(spearmanr(truth, output).statistic) if varies else None,
        "r2": 1 - float((error**2).mean()) / spread if spread else None,
        "bias": float(error.mean()),
        "median_error": float(np.median(np.abs(error))),
        "baseline_mae": float(np.abs(truth - np.median(truth)).mean()),
        "baseline_rmse": float(np.sqrt(spread)),
    }
