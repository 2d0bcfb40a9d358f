"""Pixel confusion and intersection over union, of regions whose overlap is known by hand."""

import math

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, confusion_matrix, jaccard_score

from convscope.segmentation import report
from convscope.segmentation.metrics import confusion, iou, numbers_of, pixel_accuracy

CLASSES = ["background", "pet"]
# 4x4 pixels: the pet's square of 2x2, predicted one column too far to the right.
TRUTH = np.zeros((4, 4), np.int8)
TRUTH[1:3, 0:2] = 1
SHIFTED = np.roll(TRUTH, 1, axis=1)


def test_a_square_that_is_shifted_by_half() -> None:
    counts = confusion(TRUTH, SHIFTED, 2)
    # Two pixels of both, two of the truth alone, two predicted alone.
    assert counts.tolist() == [[10, 2], [2, 2]] and counts.dtype == np.int64
    np.testing.assert_allclose(iou(counts), [10 / 14, 2 / 6])
    assert float(pixel_accuracy(counts)) == 12 / 16


def test_pixels_without_a_truth_are_left_out() -> None:
    truth = TRUTH.copy()
    truth[SHIFTED != TRUTH] = -1
    counts = confusion(truth, SHIFTED, 2)
    assert counts.tolist() == [[10, 0], [0, 2]]
    assert iou(counts).tolist() == [1, 1]
    assert confusion(np.full((2, 2), -1), np.zeros((2, 2), int), 2).sum() == 0


def test_sklearn_says_the_same() -> None:
    random = np.random.default_rng(0)
    truth, predicted = random.integers(-1, 4, (3, 8, 8)), random.integers(0, 4, (3, 8, 8))
    counts = np.stack([confusion(t, p, 4) for t, p in zip(truth, predicted, strict=True)])
    numbers = numbers_of(counts)
    known = truth.ravel() >= 0
    true, answer = truth.ravel()[known], predicted.ravel()[known]
    np.testing.assert_array_equal(numbers.counts, confusion_matrix(true, answer, labels=range(4)))
    assert [row.iou for row in numbers.classes] == pytest.approx(list(jaccard_score(true, answer, average=None)))
    assert numbers.pixel_accuracy == pytest.approx(accuracy_score(true, answer))
    assert numbers.mean_iou == pytest.approx(jaccard_score(true, answer, average="macro"))


def test_iou_of_sums_is_not_the_mean_of_ratios_and_both_are_said() -> None:
    large, small = np.zeros((10, 10), np.int8), np.zeros((10, 10), np.int8)
    large[:, :8] = 1
    small[0, 0] = 1
    found = [large.copy(), np.zeros((10, 10), np.int8)]  # the large one whole, the small one missed
    counts = np.stack([confusion(large, found[0], 2), confusion(small, found[1], 2)])
    numbers = numbers_of(counts)
    pet = numbers.classes[1]
    assert pet.iou == 80 / 81 and pet.iou_of_pictures == 0.5 and pet.pictures == 2
    assert pet.precision == 1 and pet.recall == 80 / 81 and (pet.pixels, pet.predicted) == (81, 80)
    background = [1.0, 99 / 100]
    assert numbers.mean_iou == pytest.approx((119 / 120 + 80 / 81) / 2)
    assert numbers.mean_iou_of_pictures == pytest.approx(((background[0] + 1) / 2 + (background[1] + 0) / 2) / 2)
    said = report.sentence(numbers, CLASSES)
    assert "mean IoU 0.990 (mean over pictures 0.748)" in said and "pet 0.988" in said
    alike = report.sentence(numbers_of(counts[:1]), CLASSES)
    assert "mean over pictures" not in alike, "said where they differ alone"


def test_what_calling_all_pixels_the_same_would_give() -> None:
    numbers = numbers_of(confusion(TRUTH, SHIFTED, 2)[None])
    assert numbers.no_information_rate == 12 / 16 and numbers.no_information_iou == (12 / 16 + 0) / 2


def test_a_class_that_is_nowhere_is_no_number_and_no_zero() -> None:
    numbers = numbers_of(confusion(TRUTH, SHIFTED, 3)[None])
    assert math.isnan(numbers.classes[2].iou) and numbers.classes[2].pictures == 0
    assert numbers.mean_iou == pytest.approx((10 / 14 + 2 / 6) / 2)
    made = report.metrics(numbers, [*CLASSES, "ear"], 5)
    assert "iou" not in made["classes"]["ear"] and made["ignored"] == 5 and made["pixels"] == 16
    assert report.class_rows(numbers, [*CLASSES, "ear"])[2]["iou"] == ""
    assert report.metrics(None, CLASSES, 0) == {} and report.class_rows(None, CLASSES) == []


def test_pictures_of_which_no_pixel_is_known_have_no_numbers() -> None:
    numbers = numbers_of(confusion(np.full((4, 4), -1), SHIFTED, 2)[None])
    assert (
        report.sentence(numbers, CLASSES)
        == "the masks of these pictures tell the class of no pixel: nothing to compare with"
    )
    assert "mean_iou" not in report.metrics(numbers, CLASSES, 16)


def test_rows_of_pictures_and_the_worst_of_them() -> None:
    counts = np.stack([confusion(TRUTH, found, 2) for found in (TRUTH, SHIFTED, 1 - TRUTH, TRUTH)])
    known = np.array([True, True, True, False])
    about = [(name, f"{name}.png", "cat") for name in "abcd"]
    rows = report.picture_rows(about, counts, np.array([0, 1, 0, 16]), known, CLASSES)
    assert rows[0]["mean_iou"] == 1 and rows[2]["mean_iou"] == 0 and rows[1]["iou_pet"] == round(1 / 3, 6)
    assert [row["ignored"] for row in rows] == [0, 1, 0, ""] and set(rows[0]) == set(report.picture_columns(CLASSES))
    assert report.worst(counts, known, 2) == [2, 1] and report.worst(counts, known, 9) == [2, 1, 0]
    assert report.spread(10, 3) == [0, 4, 9] and report.spread(2, 5) == [0, 1] and report.spread(0, 5) == []
