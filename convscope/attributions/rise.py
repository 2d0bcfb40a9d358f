"""RISE: where the image has to be visible for the class to be probable (Petsiuk, Das & Saenko 2018, 1806.07421)."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from convscope.attributions.base import Attribution, generator
from convscope.attributions.batches import BATCH, Predict, fill_colour, in_batches
from convscope.errors import UserError
from convscope.render import upsample


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
) -> tuple[np.ndarray, np.ndarray]:
    """`1 / (keep N) sum_i f(x M_i) M_i`: the mean probability over the masks that show a pixel (eq. 6 of the paper).

    Args:
        probability: images (N, H, W, C) -> (N,), the probability of the class.
        image: (H, W, C) float32 in model space.
        fill: (C,), what shows where a mask is 0, in model space.
        masks: batches of (n, H, W) in 0..1.
        keep: expected value of a mask. It is divided by this and not by the masks' own mean, as in the paper.

    Returns:
        The map, (H, W) float32, about 0..1; and the standard error of every pixel over the masks, (H, W) float32.
    """
    first = np.zeros(image.shape[:2])
    second = np.zeros(image.shape[:2])
    count = 0
    for part in masks:
        values = np.asarray(probability((fill + part[..., None] * (image - fill)).astype(np.float32)), np.float64)
        first += np.einsum("n,nhw->hw", values, part)
        second += np.einsum("n,nhw->hw", values**2, part.astype(np.float64) ** 2)
        count += len(part)
    mean = first / count
    variance = np.maximum(second / count - mean**2, 0) * count / max(count - 1, 1)
    return (mean / keep).astype(np.float32), (np.sqrt(variance / count) / keep).astype(np.float32)


class Rise:
    """RISE as an explainer (see `base.Explainer`): maps (N, H, W) of probability, not signed.

    Fact: `standard_error` (N,), mean over the pixels of the map's standard error over the masks.

    Args:
        scores: the network, a `class_scores.ClassScores`.
        settings: `masks`, how many; `grid`, cells along a side; `keep`, chance of a cell to show the image; `fill`, the
            colour of what is hidden, red, green, blue 0..255.
        seed: the study's seed.

    Raises:
        UserError: a setting that makes no sense.
    """

    name = "rise"
    signed = False

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
        errors = np.zeros(len(images), np.float32)
        for row, (image, target, key) in enumerate(zip(images, targets, keys, strict=True)):
            masks = random_masks(generator(self.seed, self.name, key), self.masks, size, self.grid, self.keep)
            maps[row], error = rise_map(self._probability(int(target)), image, self.fill, masks, self.keep)
            errors[row] = error.mean()
        return Attribution(maps, {"standard_error": errors})

    def _probability(self, target: int) -> Predict:
        return lambda images: self.scores.probabilities(images)[:, target]
