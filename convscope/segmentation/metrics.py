"""How good predicted masks are: which class pixels are taken for, and how far two regions overlap."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from convscope.segmentation.names import IGNORED

Counts = NDArray[np.int64]


def confusion(truth: np.ndarray, predicted: np.ndarray, classes: int) -> Counts:
    """Pixels by true class (rows) and predicted class (columns); those without a truth are left out.

    Args:
        truth: integers of any shape, index of a class or `IGNORED`.
        predicted: of the same shape, index of a class.
        classes: how many there are.

    Returns:
        (classes, classes) int64.
    """
    known = truth != IGNORED
    pairs = truth[known].astype(np.int64) * classes + predicted[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes).astype(np.int64)


def iou(counts: Counts) -> NDArray[np.float64]:
    """Intersection over union of every class, `n_cc / (t_c + p_c - n_cc)` (Jaccard 1901; Everingham et al. 2010, 4.4).

    Of counts summed over all pictures it is that of the set, as Pascal VOC and Long, Shelhamer & Darrell (1411.4038) report it:
    a large region counts for more than a small one. The mean of the pictures' own is another number.

    Args:
        counts: (..., classes, classes) of `confusion`.

    Returns:
        (..., classes) float64, 0..1; NaN where a class is neither there nor predicted.
    """
    both = np.diagonal(counts, axis1=-2, axis2=-1)
    union = counts.sum(axis=-1) + counts.sum(axis=-2) - both
    return _share(both, union)


def pixel_accuracy(counts: Counts) -> NDArray[np.float64]:
    """Share of the pixels whose class is right: (..., classes, classes) -> (...) float64, NaN where there are none."""
    return _share(np.trace(counts, axis1=-2, axis2=-1), counts.sum(axis=(-2, -1)))


def mean_known(values: np.ndarray, axis: int) -> NDArray[np.float64]:
    """The mean of what is a number along an axis; NaN where nothing is."""
    known = ~np.isnan(values)
    return _share(np.where(known, values, 0).sum(axis=axis), known.sum(axis=axis))


@dataclass(frozen=True)
class ClassNumbers:
    """What is known of one class; NaN where there is nothing to say.

    Attributes:
        iou: of sums over all pictures.
        iou_of_pictures: the mean of the pictures' own.
        pictures: those in which it is there or predicted, of which that is the mean.
        precision: share of the pixels predicted to be of it that are.
        recall: share of its pixels that are predicted to be.
        pixels: that are of it.
        predicted: pixels that are predicted to be.
    """

    iou: float
    iou_of_pictures: float
    pictures: int
    precision: float
    recall: float
    pixels: int
    predicted: int


@dataclass(frozen=True)
class Numbers:
    """Of all pictures that have a mask.

    Attributes:
        counts: (classes, classes), summed.
        classes: a row each.
        pixel_accuracy: share of right pixels.
        mean_iou: mean over the classes of the IoU of sums.
        mean_iou_of_pictures: mean over the pictures of each one's mean IoU.
        no_information_rate: the pixel accuracy of calling all pixels what most are.
        no_information_iou: the mean IoU of that.
    """

    counts: Counts
    classes: tuple[ClassNumbers, ...]
    pixel_accuracy: float
    mean_iou: float
    mean_iou_of_pictures: float
    no_information_rate: float
    no_information_iou: float


def numbers_of(counts: Counts) -> Numbers:
    """Of pictures' own counts, (N, classes, classes), all there is to say."""
    whole = counts.sum(axis=0)
    own = iou(counts)
    both, true, predicted = np.diagonal(whole), whole.sum(axis=1), whole.sum(axis=0)
    of_sums, of_pictures = iou(whole), mean_known(own, axis=0)
    precision, recall = _share(both, predicted), _share(both, true)
    usual = np.zeros_like(whole)
    usual[:, true.argmax()] = true
    return Numbers(
        counts=whole,
        classes=tuple(
            ClassNumbers(
                iou=float(of_sums[c]),
                iou_of_pictures=float(of_pictures[c]),
                pictures=int((~np.isnan(own[:, c])).sum()),
                precision=float(precision[c]),
                recall=float(recall[c]),
                pixels=int(true[c]),
                predicted=int(predicted[c]),
            )
            for c in range(len(whole))
        ),
        pixel_accuracy=float(pixel_accuracy(whole)),
        mean_iou=float(mean_known(of_sums, axis=0)),
        mean_iou_of_pictures=float(mean_known(mean_known(own, axis=1), axis=0)),
        no_information_rate=float(pixel_accuracy(usual)),
        no_information_iou=float(mean_known(iou(usual), axis=0)),
    )


def _share(part: np.ndarray, whole: np.ndarray) -> NDArray[np.float64]:
    part, whole = np.asarray(part, np.float64), np.asarray(whole, np.float64)
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
