"""Windows of pictures: where a concept fills them, at random, and in a grid. All are of the shape of the network's input."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from convscope.pictures.read import fit_image

# A window: picture, top, left, height, width, in pixels of the network's input.
Windows = NDArray[np.int32]
# Sides of windows around a concept, as shares of the picture's.
SIDES = (1 / 4, 1 / 3, 1 / 2)
# The largest side of which windows are so full is taken.
_FULL = 0.4
# A window counts as an example of a concept where it holds so much of what the best windows of other pictures hold, and windows
# of one picture share no more than this of their area.
_AS_FULL, _SHARED = 0.5, 0.25


def window_size(share: float, size: tuple[int, int]) -> tuple[int, int]:
    """(height, width) of a window of that share of a picture's sides, 4 pixels at least."""
    height, width = (min(max(round(share * side), 4), side) for side in size)
    return height, width


def crop(picture: NDArray[np.generic], window: Sequence[int]) -> NDArray[np.generic]:
    """A window of a picture (H, W, C), brought back to its size."""
    _, top, left, height, width = (int(value) for value in window)
    return fit_image(picture[top : top + height, left : left + width], picture.shape[:2], "stretch")  # type: ignore[arg-type]


def random_windows(
    boxes: NDArray[np.integer], share: float, size: tuple[int, int], count: int, rng: np.random.Generator
) -> Windows:
    """Windows at random places of pictures, every picture as often as the others, give or take one.

    Args:
        boxes: (N, 4), of each picture the first row, the row behind the last, and the same of columns: what is no padding.
        share: of the picture's sides.
        size: (height, width) of the pictures.
        count: how many.
        rng: tells the order of the pictures, and the places.

    Returns:
        (count, 5) int32.
    """
    height, width = window_size(share, size)
    rounds = -(-count // len(boxes))
    images = np.concatenate([rng.permutation(len(boxes)) for _ in range(rounds)])[:count]
    found = np.empty((count, 5), np.int32)
    for row, image in enumerate(images):
        top, bottom, left, right = (int(value) for value in boxes[image])
        y = int(rng.integers(top, max(bottom - height, top) + 1))
        x = int(rng.integers(left, max(right - width, left) + 1))
        found[row] = image, min(y, size[0] - height), min(x, size[1] - width), height, width
    return found


def grid_windows(boxes: NDArray[np.integer], share: float, size: tuple[int, int]) -> Windows:
    """Windows in a grid that covers every picture, each over a fifth of its neighbour or more, as CRAFT has them (2211.10154).

    Args:
        boxes, share, size: as in `random_windows`.

    Returns:
        (count, 5) int32, picture by picture, row by row.
    """
    height, width = window_size(share, size)
    found = []
    for image, (top, bottom, left, right) in enumerate(np.asarray(boxes).tolist()):
        for y in _starts(top, bottom, height, size[0]):
            found += [(image, y, x, height, width) for x in _starts(left, right, width, size[1])]
    return np.array(found, np.int32).reshape(-1, 5)


def _starts(first: int, end: int, length: int, whole: int) -> list[int]:
    last = min(max(end - length, first), whole - length)
    first = min(first, last)
    count = int(np.ceil((last - first) / (0.8 * length))) + 1
    return [round(place) for place in np.linspace(first, last, count)]


def concept_windows(masks: NDArray[np.bool_], size: tuple[int, int], count: int) -> tuple[Windows, float]:
    """Windows that a concept fills: one of each picture that has it first, then further ones; of many pictures evenly spread ones.

    Their side is the largest of `SIDES` at which the fullest windows of most pictures are full; of a concept that is small
    everywhere (eyes), the smallest. Of equally full windows it is the one with the concept in its middle.

    Args:
        masks: (N, h, w), where the concept is.
        size: (height, width) of the pictures.
        count: at most so many.

    Returns:
        (n, 5) int32, and the side as a share; n is 0 where the concept is nowhere.
    """
    some = np.flatnonzero(masks.any(axis=(1, 2)))
    if not len(some):
        return np.zeros((0, 5), np.int32), SIDES[0]
    share, fullness, typical = _filled(masks[some], SIDES[0])
    for larger in SIDES[1:]:
        filled = _filled(masks[some], larger)
        if filled[2] >= _FULL:
            share, fullness, typical = filled
    ranked = [
        _peaks(masks[image], plane, share, _AS_FULL * typical) for image, plane in zip(some, fullness, strict=True)
    ]
    height, width = window_size(share, size)
    found: list[tuple[int, ...]] = []
    for turn in range(max(map(len, ranked))):
        having = [(image, places[turn]) for image, places in zip(some, ranked, strict=True) if turn < len(places)]
        # Sets are often sorted by class: the first pictures would make the concept look like their class.
        left = min(count - len(found), len(having))
        for at in np.linspace(0, len(having) - 1, left).round().astype(int) if having else ():
            image, cell = having[at]
            y, x = (
                round(place * whole / cells) for place, whole, cells in zip(cell, size, masks.shape[1:], strict=True)
            )
            found.append((int(image), min(y, size[0] - height), min(x, size[1] - width), height, width))
    return np.array(found, np.int32).reshape(-1, 5), share


def _filled(masks: NDArray[np.bool_], share: float) -> tuple[float, list[NDArray[np.float64]], float]:
    """A side, how full the windows of every picture are, and how full the fullest ones typically are."""
    fullness = [_fullness(mask, share) for mask in masks]
    return share, fullness, float(np.median([plane.max() for plane in fullness]))


def _fullness(mask: NDArray[np.bool_], share: float) -> NDArray[np.float64]:
    """How full of a concept the window is that begins at each place: (h - height + 1, w - width + 1), 0..1."""
    return _means(mask.astype(np.float64), _cells(mask.shape, share))


def _cells(shape: tuple[int, ...], share: float) -> tuple[int, int]:
    height, width = (min(max(round(share * side), 1), side) for side in shape)
    return height, width


def _means(values: NDArray[np.float64], window: tuple[int, int]) -> NDArray[np.float64]:
    height, width = window
    total = np.pad(values.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    sums = total[height:, width:] - total[:-height, width:] - total[height:, :-width] + total[:-height, :-width]
    return np.asarray(sums / (height * width))


def _peaks(mask: NDArray[np.bool_], fullness: NDArray[np.float64], share: float, least: float) -> list[tuple[int, int]]:
    """Places (row, column of the first cell) of the fullest windows of a picture, that hardly overlap."""
    height, width = _cells(mask.shape, share)
    # Whole counts first; of as full ones that with fewer of the concept's cells near its rim.
    inner = max(height // 2, 1), max(width // 2, 1)
    middle = _means(mask.astype(np.float64), inner)
    top, left = (height - inner[0]) // 2, (width - inner[1]) // 2
    middle = middle[top : top + fullness.shape[0], left : left + fullness.shape[1]]
    score = np.round(fullness * height * width) + 0.5 * middle
    places: list[tuple[int, int]] = []
    while len(places) < 4:
        best = int(np.argmax(score))
        y, x = divmod(best, score.shape[1])
        if score[y, x] < 0 or fullness[y, x] < max(least, 1e-9):
            break
        # Of a whole plateau of equals, its middle.
        same = np.argwhere(score >= score[y, x] - 1e-9)
        near = same[(abs(same - [y, x]) < [height, width]).all(axis=1)]
        y, x = near[np.argmin(abs(near - near.mean(axis=0)).sum(axis=1))].tolist()
        places.append((y, x))
        rows = np.clip(height - abs(np.arange(score.shape[0]) - y), 0, None)
        columns = np.clip(width - abs(np.arange(score.shape[1]) - x), 0, None)
        score[rows[:, None] * columns > _SHARED * height * width] = -1
    return places
