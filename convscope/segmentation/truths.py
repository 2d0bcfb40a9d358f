"""The true class of every pixel, made of part masks."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from convscope.data.drawn.masks import trimap_of
from convscope.data.masks import read_mask
from convscope.data.regions import BORDER, fit_mask, names_of
from convscope.errors import BadImage, UserError
from convscope.segmentation.names import BACKGROUND, CLASSES_OF, IGNORED, OBJECT

_MOST = 127
# How an unknown pixel is called where pixels are brought to another size, as a number of a mask.
_UNKNOWN = 255
_OUTSIDE = ("", BACKGROUND)

Truth = NDArray[np.int8]


def classes_of(target: str, parts: Sequence[str]) -> tuple[str, ...]:
    """The classes of the pixels, the background first.

    Args:
        target: a name of `TARGETS`.
        parts: names of the masks' values; none where they have no names.

    Raises:
        UserError: more classes than a byte can number.
    """
    if target in CLASSES_OF:
        return CLASSES_OF[target]
    named = dict.fromkeys(name for name in parts[1:] if name not in (*_OUTSIDE, BORDER))
    if not named:
        return CLASSES_OF["object"]
    if len(named) >= _MOST:
        raise UserError(f"the masks name {len(named)} parts, and {_MOST - 1} can be told apart; take target: object")
    return (BACKGROUND, *named)


def truth_of(mask: np.ndarray, target: str, parts: Sequence[str]) -> Truth:
    """The class of every pixel of a part mask.

    The border of a trimap is the one that the mask has; of a mask without one it is made, as wide as those of the drawn pictures
    (`trimap_of`). For the other targets the mask's border belongs to nothing: its pixels are `IGNORED`. So are those of an object
    in black and white where several parts are told apart.

    Args:
        mask: (H, W) uint8, part numbers; 0 is background.
        target: a name of `TARGETS`.
        parts: names of the numbers; none where they have no names.

    Returns:
        (H, W) int8: index of the class of `classes_of`, or `IGNORED`.

    Raises:
        ValueError: a number without a name (see `masks.check_mask`).
    """
    names = names_of(mask, parts) if parts else {int(value): OBJECT for value in np.unique(mask) if value > 0}
    classes = classes_of(target, parts)
    inside = {value: name for value, name in names.items() if name not in (*_OUTSIDE, BORDER)}
    border = np.isin(mask, [value for value, name in names.items() if name == BORDER])
    truth = np.zeros(mask.shape, np.int8)
    for value, name in inside.items():
        # White among masks of several parts is some object: of which part its pixels are, nothing tells.
        wanted = name if name in classes else OBJECT
        truth[mask == value] = classes.index(wanted) if wanted in classes else IGNORED
    if target == "trimap" and not border.any() and BORDER not in parts:
        # 1 object, 2 background, 3 border there.
        border = trimap_of((truth > 0).astype(np.uint8)) == 3
    truth[border] = classes.index(BORDER) if target == "trimap" else IGNORED
    return truth


def fitted(truth: Truth, size: tuple[int, int], resize: str) -> Truth:
    """Brought to a network's input as its picture is: (H, W) int8 -> (height, width) int8; of each pixel what covers most of it."""
    # Each side of a choice in its own type: newer NumPys take that of the array for a plain number, which has no 255.
    numbers = np.where(truth == IGNORED, np.uint8(_UNKNOWN), truth.astype(np.uint8))
    small = fit_mask(numbers, size, resize)
    return np.where(small == _UNKNOWN, np.int8(IGNORED), small.astype(np.int8))


def check_known(truths: Truth, split: str) -> None:
    """See that something can be learned from the truths of a split, and that a loss over them is a number.

    Raises:
        UserError: they know no pixel.
    """
    if (truths == IGNORED).all():
        raise UserError(
            f"the masks of the split '{split}' tell the class of no pixel: all they hold is border, or cut off; look at them, or take "
            "target: trimap, where a border is a class"
        )


def read_truths(
    rows: Sequence[Mapping[str, str]],
    size: tuple[int, int],
    resize: str,
    target: str,
    parts: Sequence[str],
    after: Callable[[int], None] = lambda count: None,
) -> Truth:
    """The truths of many pictures.

    Args:
        rows: of a dataset's table of masks: `mask`, `sha256`.
        size: (height, width) of the network's input.
        resize: as in `pictures.read.fit_image`.
        target, parts: see `truth_of`.
        after: called with 1 for every mask.

    Returns:
        (N, height, width) int8.

    Raises:
        UserError: a mask cannot be read any more, or is not the one that was listed.
    """
    truths = np.empty((len(rows), *size), np.int8)
    for index, row in enumerate(rows):
        try:
            mask = read_mask(row["mask"], named=bool(parts), sha256=row["sha256"])
        except BadImage as error:
            raise UserError(f"{row['mask']}: {error}; run again, and the masks are listed anew") from None
        truths[index] = fitted(truth_of(mask, target, parts), size, resize)
        after(1)
    return truths
