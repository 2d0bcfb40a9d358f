"""RISE: which parts of the image make the class more probable when they are seen (Petsiuk, Das & Saenko 2018, 1806.07421)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from convscope.attributions.base import Attribution, generator
from convscope.attributions.batches import BATCH, Predict, fill_colour, in_batches
from convscope.errors import UserError
from convscope.pictures.render import upsample


def random_masks(
    random: np.random.Generator, count: int, size: tuple[int, int], grid: int, keep: float, batch: int = BATCH
) -> Iterator[np.ndarray]:
    """Smooth random masks: small on-off grids, enlarged bilinearly to one cell more than the image, cut at a random shift.

    The shift keeps the cells' borders from lying at the same pixels in every mask. All that is random is drawn at once:
    the masks are the same in batches of any length.

    Args:
        random: where the randomness comes from.
        count: number of masks.
        size: (height, width) in pixels.
        grid: cells along a side.
        keep: chance of a cell to be on.
        batch: masks at a time.

    Yields:
        (at most `batch`, height, width) float32 in 0..1, whose expected value is `keep` at every pixel.
    """
    cells = [-(-length // grid) for length in size]
    on = (random.random((count, grid, grid)) < keep).astype(np.float32)
    shifts = [random.integers(0, cell + 1, count) for cell in cells]
    # Enlarging is linear along each side: one matrix for all masks.
    down, right = (upsample(np.eye(grid), ((grid + 1) * cell, grid)) for cell in cells)
    for part in in_batches(count, batch):
        large = down @ on[part] @ right.T
        yield np.stack(
            [
                mask[top : top + size[0], left : left + size[1]]
                for mask, top, left in zip(large, shifts[0][part], shifts[1][part], strict=True)
            ]
        )


def rise_map(
    probability: Predict, image: np.ndarray, fill: np.ndarray, masks: Iterator[np.ndarray], keep: float
) -> tuple[np.ndarray, np.ndarray, float]:
    """`1 / (keep (N - 1)) sum_i (p_i - mean p)(M_i - keep)`, `p_i = f(x M_i)`: how much more probable a pixel makes the class.

    The paper's estimate (eq. 6) is `1 / (keep N) sum_i p_i M_i`, of the mean probability where a pixel is seen, `E[p | seen]`.
    It is `mean p` times the density of the masks that were drawn, plus what the pixels do; with few masks the first is nearly
    all of it, a picture of the masks that is the same for every class. Centred, the estimate is of `E[p | seen] - E[p]`, the
    same but for a constant, without that noise (what is taken off the masks does not matter then, and `N - 1` makes it
    unbiased). Of a binary head the classes' maps are each other's negative.

    Args:
        probability: images (N, H, W, C) -> (N,), the probability of the class.
        image: (H, W, C) float32 in model space.
        fill: (C,), what shows where a mask is 0, in model space.
        masks: batches of (n, H, W) in 0..1, two masks at least.
        keep: expected value of a mask.

    Returns:
        The map, (H, W) float32, -1..1: above 0 where the class is more probable if the pixel is seen; the standard error of
        every pixel over the masks, (H, W) float32; and `mean p`.
    """
    count, shift, total = 0, 0.0, 0.0
    # Sums of d = p - shift with m = M - keep: of d m, m, and of their squares for the error.
    sums = {name: np.zeros(image.shape[:2]) for name in ("dm", "m", "ddmm", "dmm", "mm")}
    for part in masks:
        values = np.asarray(probability((fill + part[..., None] * (image - fill)).astype(np.float32)), np.float64)
        if not count:
            shift = float(values[0])  # where the class is as probable under every mask, nothing is left but zeros
        values = values - shift
        centred = part.astype(np.float64) - keep
        squares = centred**2
        count, total = count + len(part), total + values.sum()
        sums["dm"] += np.einsum("n,nhw->hw", values, centred)
        sums["m"] += centred.sum(axis=0)
        sums["ddmm"] += np.einsum("n,nhw->hw", values**2, squares)
        sums["dmm"] += np.einsum("n,nhw->hw", values, squares)
        sums["mm"] += squares.sum(axis=0)
    mean = total / count
    product = sums["dm"] - mean * sums["m"]
    # Of the terms (p_i - mean p)(M_i - keep) the scatter, whose mean is product / N.
    squared = sums["ddmm"] - 2 * mean * sums["dmm"] + mean**2 * sums["mm"]
    variance = np.maximum(squared - product**2 / count, 0) / (count - 1)
    found, error = product / (count - 1) / keep, np.sqrt(variance / count) / keep
    return found.astype(np.float32), error.astype(np.float32), shift + mean


class Rise:
    """RISE as an explainer (see `base.Explainer`): maps (N, H, W), signed differences of probability, centred (see `rise_map`).

    Facts, each (N,): `standard_error`, mean over the pixels of the map's standard error over the masks; `mean_probability` of
    the class over the masks, which the paper's map has on top.

    Args:
        scores: the network, a `class_scores.ClassScores`.
        settings: `masks`, how many; `grid`, cells along a side; `keep`, chance of a cell to show the image; `fill`, the
            colour of what is hidden, red, green, blue 0..255.
        seed: the study's seed.

    Raises:
        UserError: a setting that makes no sense.
    """

    name = "rise"
    signed = True

    def __init__(self, scores: Any, settings: dict[str, Any], seed: int) -> None:
        self.scores, self.seed = scores, seed
        self.masks, self.grid, self.keep = int(settings["masks"]), int(settings["grid"]), float(settings["keep"])
        side = min(scores.spec.input_size)
        if self.masks < 2:
            raise UserError(f"rise.masks is {self.masks}; at least 2, and about 1000 for a map without much noise")
        if not 1 <= self.grid <= side:
            raise UserError(f"rise.grid is {self.grid}; it must be 1 to {side}, the side of the image in pixels")
        if not 0 < self.keep < 1:
            raise UserError(f"rise.keep is {self.keep}; it must lie between 0 and 1, such as 0.5")
        self.fill = fill_colour(settings["fill"], scores.spec, "rise.fill")

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        size = (images.shape[1], images.shape[2])
        maps = np.zeros(images.shape[:3], np.float32)
        errors, means = np.zeros((2, len(images)), np.float32)
        for row, (image, target, key) in enumerate(zip(images, targets, keys, strict=True)):
            masks = random_masks(generator(self.seed, self.name, key), self.masks, size, self.grid, self.keep)
            maps[row], error, means[row] = rise_map(self._probability(int(target)), image, self.fill, masks, self.keep)
            errors[row] = error.mean()
        return Attribution(maps, {"standard_error": errors, "mean_probability": means})

    def _probability(self, target: int) -> Predict:
        return lambda images: self.scores.probabilities(images)[:, target]
