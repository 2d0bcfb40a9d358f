"""Occlusion: how much the score of a class drops where a patch hides the image (Zeiler & Fergus 2013, 1311.2901)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from convscope.attributions.base import Attribution
from convscope.attributions.batches import BATCH, Predict, fill_colour, in_batches, score_of
from convscope.errors import UserError


def window_starts(length: int, patch: int, stride: int) -> np.ndarray:
    """First pixel of every window along one side; the last window may reach beyond the image, so that no pixel is left out.

    Args:
        length: pixels of the side.
        patch: pixels of the window, at least 1.
        stride: pixels from one window to the next, 1 to `patch` (a longer one would skip pixels).

    Returns:
        (windows,) int64, increasing, from 0.
    """
    if not 1 <= stride <= patch:
        raise ValueError(f"stride {stride} is not between 1 and the patch of {patch} pixels: pixels would be skipped")
    windows = -(-max(length - patch, 0) // stride) + 1
    return np.arange(windows) * stride


def occlusion_map(
    score: Predict,
    image: np.ndarray,
    fill: np.ndarray,
    patch: tuple[int, int],
    stride: tuple[int, int],
    batch: int = BATCH,
) -> np.ndarray:
    """The drop `S(x) - S(x with patch)` of every patch, averaged at each pixel over the patches that cover it.

    On a linear model `f = w.x` and patches of one pixel this is `w (x - fill)`, summed over the colours.

    Args:
        score: images (N, H, W, C) -> (N,), the class score, a logit.
        image: (H, W, C) float32 in model space.
        fill: (C,), the colour of the patch in model space.
        patch: (height, width) of the patch, pixels.
        stride: (down, right), pixels; at most the patch.
        batch: images a call of `score`.

    Returns:
        (H, W) float32 in units of the score; positive where hiding lowers it.
    """
    height, width = image.shape[:2]
    corners = [
        (top, left)
        for top in window_starts(height, patch[0], stride[0])
        for left in window_starts(width, patch[1], stride[1])
    ]
    windows = [(slice(top, top + patch[0]), slice(left, left + patch[1])) for top, left in corners]
    # The unchanged image goes first.
    scores = np.empty(len(windows) + 1, np.float64)
    for part in in_batches(len(scores), batch):
        copies = np.repeat(image[None], part.stop - part.start, axis=0)
        for row, index in enumerate(range(part.start, part.stop)):
            if index:
                copies[row][windows[index - 1]] = fill
        scores[part] = score(copies)
    total = np.zeros((height, width))
    covered = np.zeros((height, width))
    for window, value in zip(windows, scores[1:], strict=True):
        total[window] += scores[0] - value
        covered[window] += 1
    return (total / covered).astype(np.float32)


class Occlusion:
    """Occlusion as an explainer (see `base.Explainer`): maps (N, H, W), drops of the class logit.

    Args:
        scores: the network, a `class_scores.ClassScores`.
        settings: `patch`, side of the square in pixels (None: an eighth of the image's shorter side); `stride`, pixels
            (None: half the patch); `fill`, its colour as red, green, blue 0..255, whatever the model's own space is.

    Raises:
        UserError: a setting that makes no sense.
    """

    name = "occlusion"
    signed = True

    def __init__(self, scores: Any, settings: dict[str, Any]) -> None:
        self.scores = scores
        side = min(scores.spec.input_size)
        self.patch = max(side // 8, 1) if settings["patch"] is None else int(settings["patch"])
        self.stride = max(self.patch // 2, 1) if settings["stride"] is None else int(settings["stride"])
        if not 1 <= self.patch <= side:
            raise UserError(f"occlusion.patch is {self.patch}; it must be 1 to {side}, the side of the image in pixels")
        if not 1 <= self.stride <= self.patch:
            raise UserError(
                f"occlusion.stride is {self.stride}; it must be 1 to {self.patch}, the patch, or pixels would be skipped"
            )
        self.fill = fill_colour(settings["fill"], scores.spec, "occlusion.fill")

    def __call__(self, images: np.ndarray, targets: np.ndarray, keys: Sequence[str]) -> Attribution:
        patch, stride = (self.patch, self.patch), (self.stride, self.stride)
        maps = [
            occlusion_map(score_of(self.scores, int(target)), image, self.fill, patch, stride)
            for image, target in zip(images, targets, strict=True)
        ]
        return Attribution(np.stack(maps) if maps else np.zeros(images.shape[:3], np.float32))
